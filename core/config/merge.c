/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/tree.h"

/* Children by key or by name, so that merging two large maps is not quadratic. */
struct index {
	struct entry {
		const char *word;
		const struct prism_node *node;
	} *entries;
	uint32_t n;
};

static const char *name_of(const struct prism_node *element)
{
	const struct prism_node *name = node_get(element, "name");

	return name && name->kind == PRISM_NODE_SCALAR ? name->text : NULL;
}

static const char *word_of(const struct prism_node *child)
{
	return child->key ? child->key : name_of(child);
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->word, ((const struct entry *)b)->word);
}

static int index_init(struct index *index, const struct prism_node *node)
{
	index->n = node->n_child;
	index->entries = calloc(node->n_child ? node->n_child : 1, sizeof(*index->entries));
	if (!index->entries)
		return -ENOMEM;
	for (uint32_t i = 0; i < index->n; i++)
		index->entries[i] = (struct entry){word_of(node->child[i]), node->child[i]};
	qsort(index->entries, index->n, sizeof(*index->entries), compare);
	return 0;
}

static const struct prism_node *index_find(const struct index *index, const char *word)
{
	const struct entry key = {word, NULL};
	const struct entry *found = NULL;

	if (index->n)
		found = bsearch(&key, index->entries, index->n, sizeof(key), compare);
	return found ? found->node : NULL;
}

static void index_done(struct index *index)
{
	free(index->entries);
}

static bool is_named_list(const struct prism_node *node)
{
	if (node->kind != PRISM_NODE_LIST)
		return false;
	for (uint32_t i = 0; i < node->n_child; i++)
		if (!name_of(node->child[i]))
			return false;
	return true;
}

static bool is_prepended(const struct prism_node *node, const char *const *prepend)
{
	char path[NODE_PATH_SIZE];

	if (!prepend || node->kind != PRISM_NODE_LIST)
		return false;
	node_path(node, path, sizeof(path));
	for (; *prepend; prepend++)
		if (!strcmp(*prepend, path))
			return true;
	return false;
}

static int merge_into(struct tree *tree, struct prism_node *parent, const struct prism_node *base,
		      const struct prism_node *overlay, const char *const *prepend, struct prism_node **ret);

/* Base's children in their order, each with what the overlay says of it, then what only the overlay has. */
static int merge_children(struct tree *tree, struct prism_node *result, const struct prism_node *base,
			  const struct prism_node *overlay, const char *const *prepend)
{
	_cleanup_(index_done) struct index of_base = {}, of_overlay = {};
	int r;

	r = index_init(&of_base, base);
	if (!r)
		r = index_init(&of_overlay, overlay);
	for (uint32_t i = 0; !r && i < base->n_child; i++) {
		const struct prism_node *child = base->child[i];

		r = merge_into(tree, result, child, index_find(&of_overlay, word_of(child)), prepend, NULL);
	}
	for (uint32_t i = 0; !r && i < overlay->n_child; i++) {
		const struct prism_node *child = overlay->child[i];

		if (!index_find(&of_base, word_of(child)) && !tree_copy(tree, result, child))
			r = -ENOMEM;
	}
	return r;
}

static int copy_children(struct tree *tree, struct prism_node *result, const struct prism_node *node)
{
	for (uint32_t i = 0; i < node->n_child; i++)
		if (!tree_copy(tree, result, node->child[i]))
			return -ENOMEM;
	return 0;
}

static bool merges(const struct prism_node *base, const struct prism_node *overlay)
{
	if (base->kind == PRISM_NODE_MAP && overlay->kind == PRISM_NODE_MAP)
		return true;
	return overlay->n_child && is_named_list(base) && is_named_list(overlay);
}

/* The node itself without its children. A list or map that only gets more stays where its beginning stands. */
static struct prism_node *shell(struct tree *tree, struct prism_node *parent, const struct prism_node *node,
				const char *key)
{
	struct prism_node empty = *node;

	empty.n_child = 0;
	empty.key = key;
	return tree_copy(tree, parent, &empty);
}

static int merge_into(struct tree *tree, struct prism_node *parent, const struct prism_node *base,
		      const struct prism_node *overlay, const char *const *prepend, struct prism_node **ret)
{
	bool both = overlay && node_given(overlay) && node_given(base);
	bool front = both && is_prepended(base, prepend) && overlay->kind == PRISM_NODE_LIST;
	struct prism_node *result;
	int r = 0;

	if (!both && overlay && node_given(overlay))
		result = shell(tree, parent, overlay, base->key);
	else
		result = shell(tree, parent, both && !front && !merges(base, overlay) ? overlay : base, base->key);
	if (!result)
		return -ENOMEM;
	if (front) {
		r = copy_children(tree, result, overlay);
		if (!r)
			r = copy_children(tree, result, base);
	} else if (both && merges(base, overlay)) {
		r = merge_children(tree, result, base, overlay, prepend);
	} else {
		r = copy_children(tree, result, node_given(overlay) ? overlay : base);
	}
	if (!r && ret)
		*ret = result;
	return r;
}

struct prism_node *tree_merge(struct tree *tree, const struct prism_node *base, const struct prism_node *overlay,
			      const char *const *prepend)
{
	struct prism_node *result = NULL;

	return merge_into(tree, NULL, base, overlay, prepend, &result) < 0 ? NULL : result;
}
