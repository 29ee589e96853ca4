/* SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "config/load.h"

static const char *text_of(const struct prism_node *map, const char *key)
{
	const struct prism_node *node = node_get(map, key);

	return node && node->kind == PRISM_NODE_SCALAR && *node->text ? node->text : NULL;
}

/* Host names do not know upper and lower case. */
static bool matches(const struct profile_setting *profile, const char *name)
{
	for (const char *const *pattern = profile->hosts; *pattern; pattern++)
		if (fnmatch(*pattern, name, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

static int take_patterns(struct loader *l, const struct prism_node *list, const char *const **ret)
{
	uint32_t n = list && list->kind == PRISM_NODE_LIST ? list->n_child : 0, taken = 0;
	const char **patterns = tree_alloc(l->tree, (n + 1) * sizeof(*patterns));

	if (!patterns)
		return tree_no_memory(l->p);
	for (uint32_t i = 0; i < n; i++)
		if (list->child[i]->kind == PRISM_NODE_SCALAR)
			patterns[taken++] = list->child[i]->text;
	*ret = patterns;
	return 0;
}

/* Relative to the file that names it, wherever that lies. */
static int resolve(struct loader *l, const struct prism_node *file, char *path, size_t size)
{
	const char *slash = strrchr(file->file, '/');
	int n;

	if (file->text[0] == '/')
		n = snprintf(path, size, "%s", file->text);
	else if (file->line && slash)
		n = snprintf(path, size, "%.*s/%s", (int)(slash - file->file), file->file, file->text);
	else
		n = snprintf(path, size, "%s/%s", l->settings->base_dir, file->text);
	return (size_t)n < size ? 0 : node_problem(l->p, file, "is too long a path");
}

/*
 * A profile of another node is read and checked too: a mistake shows on the first node that gets the file, and not on
 * the day when a pattern matches.
 */
static int take_overlay(struct loader *l, struct profile_setting *profile)
{
	const struct prism_node *file = node_get(profile->node, "file");
	struct prism_node *root = NULL;
	char path[PATH_MAX];
	int r;

	profile->overlay = node_get(profile->node, "overlay");
	if (!text_of(profile->node, "file"))
		return 0;
	r = resolve(l, file, path, sizeof(path));
	if (!r && access(path, R_OK) < 0)
		r = node_problem(l->p, file, "%s cannot be read: %s", path, strerror(errno));
	if (!r)
		r = load_file(l, path, &root, schema_check_overlay);
	if (r < 0)
		return r;
	profile->overlay = root;
	profile->file = tree_string(l->tree, path);
	return profile->file ? 0 : tree_no_memory(l->p);
}

static int apply_one(struct loader *l, struct profile_setting *profile, const char *node_name)
{
	struct prism_node *merged;
	int r = take_patterns(l, node_get(profile->node, "hosts"), &profile->hosts);

	if (!r)
		r = take_patterns(l, node_get(profile->node, "node_labels"), &profile->node_labels);
	if (!r)
		r = take_overlay(l, profile);
	if (r < 0)
		return r;
	profile->active = matches(profile, node_name) || matches(profile, l->hostname) ||
			  node_labels_match(l, profile->node_labels);
	l->settings->by_node_label |= *profile->node_labels != NULL;
	if (!profile->active || !profile->overlay || profile->overlay->kind != PRISM_NODE_MAP)
		return 0;
	merged = tree_merge(l->tree, l->base, profile->overlay, load_prepend);
	if (!merged)
		return tree_no_memory(l->p);
	l->base = merged;
	return 0;
}

int profile_apply(struct loader *l, const struct prism_node *list, const char *node_name)
{
	uint32_t n = list && list->kind == PRISM_NODE_LIST ? list->n_child : 0;
	struct profile_setting *profiles = tree_alloc(l->tree, (n + 1) * sizeof(*profiles));
	int result = 0;

	if (!profiles)
		return tree_no_memory(l->p);
	l->settings->profiles = profiles;
	l->settings->n_profiles = n;
	for (uint32_t i = 0; i < n && result != -ENOMEM; i++) {
		int r;

		profiles[i].node = list->child[i];
		profiles[i].name = text_of(list->child[i], "name");
		r = apply_one(l, &profiles[i], node_name);
		result = r < 0 ? r : result;
	}
	return result;
}
