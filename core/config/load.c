/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

const char *const load_prepend[] = {"sources.cgroup.rules", NULL};

const char *load_text(const struct prism_node *map, const char *section, const char *key)
{
	const struct prism_node *node = node_get(node_get(map, section), key);

	return node && node->kind == PRISM_NODE_SCALAR && *node->text ? node->text : NULL;
}

static int remember_file(struct loader *l, const char *path)
{
	struct settings *s = l->settings;
	char **files = reallocarray(s->files, s->n_files + 1, sizeof(*files));

	if (!files)
		return tree_no_memory(l->p);
	s->files = files;
	s->files[s->n_files] = tree_string(l->tree, path);
	return s->files[s->n_files++] ? 0 : tree_no_memory(l->p);
}

int load_file(struct loader *l, const char *path, struct prism_node **ret,
	      int (*check)(const struct prism_node *root, struct problems *p))
{
	struct prism_node *root = NULL;
	int r, checked = 0;

	*ret = NULL;
	r = remember_file(l, path);
	if (r < 0)
		return r;
	r = tree_parse_file(l->tree, path, &root, l->p);
	if (root)
		checked = check(root, l->p);
	*ret = root;
	return r < 0 ? r : checked;
}

static int lay_over(struct loader *l, const struct prism_node *layer, const char *const *prepend)
{
	struct prism_node *merged = tree_merge(l->tree, l->base, layer, prepend);

	if (!merged)
		return tree_no_memory(l->p);
	l->base = merged;
	return 0;
}

static int load_main(struct loader *l)
{
	struct prism_node *root;
	int r;

	if (l->source->optional && access(l->source->path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = load_file(l, l->source->path, &root, schema_check);
	/* A root that is no map was reported, and has nothing that could be laid over. */
	if (root && root->kind == PRISM_NODE_MAP && lay_over(l, root, NULL) < 0)
		return -ENOMEM;
	return r;
}

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);

	return len > end_len && !strcmp(s + len - end_len, end);
}

static int is_fragment(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && (ends_with(entry->d_name, ".yaml") || ends_with(entry->d_name, ".yml"));
}

static int bytewise(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int load_fragment(struct loader *l, const char *dir, const char *name)
{
	struct prism_node *root;
	char path[PATH_MAX];
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return problems_add(l->p, ENAMETOOLONG, dir, "the path of a file in it is too long");
	if (ends_with(name, ".yml"))
		return problems_add(l->p, EINVAL, path, "only *.yaml is read here; rename it, or move it away");
	r = load_file(l, path, &root, schema_check);
	if (root && root->kind == PRISM_NODE_MAP && lay_over(l, root, load_prepend) < 0)
		return -ENOMEM;
	return r;
}

static int load_directory(struct loader *l, const char *dir, bool optional)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_fragment, bytewise), result = 0;

	if (n < 0 && errno == ENOENT && optional)
		return 0;
	if (n < 0)
		return problems_add(l->p, errno, dir, "cannot be read: %s", strerror(errno));
	if (n > LOAD_MAX_CONF_D)
		result = problems_add(l->p, E2BIG, dir, "%d files, more than the limit of %d", n, LOAD_MAX_CONF_D);
	for (int i = 0; i < n; i++) {
		int r = i < LOAD_MAX_CONF_D && result != -ENOMEM ? load_fragment(l, dir, entries[i]->d_name) : 0;

		result = r < 0 ? r : result;
		free(entries[i]);
	}
	free(entries);
	return result;
}

static int load_conf_d(struct loader *l)
{
	char dir[PATH_MAX];

	if (l->source->conf_d)
		return load_directory(l, l->source->conf_d, false);
	if ((size_t)snprintf(dir, sizeof(dir), "%s/conf.d", l->settings->base_dir) >= sizeof(dir))
		return problems_add(l->p, ENAMETOOLONG, l->settings->base_dir, "is too long a path");
	return load_directory(l, dir, true);
}

/* Profiles are chosen by the name, which may come from the command line, but their place is below it. */
static int load_profiles(struct loader *l)
{
	const struct prism_node *seen = l->base;
	const char *name;

	if (l->overrides)
		seen = tree_merge(l->tree, l->base, l->overrides, load_prepend);
	if (!seen)
		return tree_no_memory(l->p);
	if (node_labels_load(l, seen) < 0)
		return -ENOMEM;
	name = load_text(seen, "node", "name");
	return profile_apply(l, node_get(seen, "profiles"), name ? name : l->hostname);
}

static int load_overrides(struct loader *l)
{
	int r;

	if (!l->overrides)
		return 0;
	r = override_check(l, l->base);
	return lay_over(l, l->overrides, load_prepend) < 0 ? -ENOMEM : r;
}

int load_layers(struct loader *l)
{
	int (*const steps[])(struct loader *) = {load_main, load_conf_d, load_profiles, load_overrides};
	int r, result;

	r = schema_builtin(l->tree, &l->base, l->p);
	if (r < 0)
		return r;
	result = override_parse(l, &l->overrides);
	for (size_t i = 0; i < ARRAY_SIZE(steps) && result != -ENOMEM; i++) {
		r = steps[i](l);
		result = r < 0 ? r : result;
	}
	return result;
}
