/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels of this node's Node object, for profiles that are chosen by them. They are in a file of the state
 * directory, which prismd writes when the API server has said them: so a start without the API server has the profiles
 * of the run before, and prismctl those of prismd.
 */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "config/load.h"
#include "config/schema.h"

const char *node_labels_path(const char *state_dir, char *buf, size_t size)
{
	snprintf(buf, size, "%s/" NODE_LABELS_FILE, state_dir);
	return buf;
}

static int split_lines(struct loader *l, char *data)
{
	const char **lines;
	size_t n = 1, i = 0;

	for (const char *s = data; *s; s++)
		n += *s == '\n';
	lines = tree_alloc(l->tree, (n + 1) * sizeof(*lines));
	if (!lines)
		return tree_no_memory(l->p);
	for (char *line; (line = strsep(&data, "\n"));)
		if (*line)
			lines[i++] = line;
	l->node_labels = lines;
	return 0;
}

int node_labels_load(struct loader *l, const struct prism_node *seen)
{
	static const char *const none[] = {NULL};
	const struct prism_node *kubernetes = node_get(node_get(seen, "sources"), "kubernetes");
	const struct prism_node *enabled = node_get(kubernetes, "enabled");
	const char *dir = load_text(seen, "node", "state_dir");
	_cleanup_free_ char *data = NULL;
	char path[PATH_MAX], *copy;
	struct error e = {};
	size_t len;

	l->node_labels = none;
	if (enabled && enabled->kind == PRISM_NODE_SCALAR && !strcmp(enabled->text, "false"))
		return 0;
	node_labels_path(dir ? dir : schema_node.options[NODE_STATE_DIR].fallback, path, sizeof(path));
	/* Not there, or not readable for whoever asks: no labels are known. */
	if (file_read(path, NODE_LABELS_MAX, &data, &len, &e) < 0)
		return 0;
	copy = tree_string(l->tree, data);
	return copy ? split_lines(l, copy) : tree_no_memory(l->p);
}

/* `key` alone, or `key=pattern` of the value. */
static bool label_matches(const char *pattern, const char *label)
{
	const char *value = strchr(label, '='), *equals = strchr(pattern, '=');
	size_t len = equals ? (size_t)(equals - pattern) : strlen(pattern);

	if (!value || (size_t)(value - label) != len || strncmp(pattern, label, len) != 0)
		return false;
	return !equals || fnmatch(equals + 1, value + 1, 0) == 0;
}

bool node_labels_match(const struct loader *l, const char *const *patterns)
{
	for (; *patterns; patterns++)
		for (const char *const *label = l->node_labels; *label; label++)
			if (label_matches(*patterns, *label))
				return true;
	return false;
}
