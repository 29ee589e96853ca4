/* SPDX-License-Identifier: Apache-2.0 */
#include "config/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/scalar.h"

#define CHUNK_SIZE (16 * 1024 - 64)

/* Nodes live and die with their tree, so they come from an arena. */
struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(max_align_t) char data[];
};

struct tree {
	struct chunk *chunks;
	size_t bytes;
};

struct tree *tree_new(void)
{
	return calloc(1, sizeof(struct tree));
}

void tree_free(struct tree *tree)
{
	struct chunk *next;

	if (!tree)
		return;
	for (struct chunk *c = tree->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(tree);
}

static struct chunk *add_chunk(struct tree *tree, size_t size)
{
	struct chunk *c;

	if (size < CHUNK_SIZE)
		size = CHUNK_SIZE;
	if (size > TREE_MAX_BYTES || tree->bytes + size > TREE_MAX_BYTES)
		return NULL;
	c = calloc(1, sizeof(*c) + size);
	if (!c)
		return NULL;
	c->size = size;
	c->next = tree->chunks;
	tree->chunks = c;
	tree->bytes += size;
	return c;
}

void *tree_alloc(struct tree *tree, size_t size)
{
	struct chunk *c = tree->chunks;
	void *p;

	if (size > TREE_MAX_BYTES)
		return NULL;
	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (!c || c->size - c->used < size)
		c = add_chunk(tree, size);
	if (!c)
		return NULL;
	p = c->data + c->used;
	c->used += size;
	return p;
}

char *tree_string(struct tree *tree, const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = tree_alloc(tree, size);

	return copy ? memcpy(copy, s, size) : NULL;
}

/* Children grow by doubling, from 4: the capacity follows from the count. */
static int grow_children(struct tree *tree, struct prism_node *parent)
{
	uint32_t n = parent->n_child;
	struct prism_node **grown;

	if (n && (n < 4 || (n & (n - 1))))
		return 0;
	grown = tree_alloc(tree, (n ? 2 * (size_t)n : 4) * sizeof(struct prism_node *));
	if (!grown)
		return -ENOMEM;
	if (n)
		memcpy(grown, parent->child, n * sizeof(struct prism_node *));
	parent->child = grown;
	return 0;
}

int tree_append(struct tree *tree, struct prism_node *parent, struct prism_node *child)
{
	int r = grow_children(tree, parent);

	if (r < 0)
		return r;
	child->parent = parent;
	child->index = parent->n_child;
	parent->child[parent->n_child++] = child;
	return 0;
}

struct prism_node *tree_add(struct tree *tree, struct prism_node *parent, const char *key, enum prism_node_kind kind)
{
	struct prism_node *node = tree_alloc(tree, sizeof(*node));

	if (!node)
		return NULL;
	node->kind = kind;
	node->file = TREE_MADE;
	if (key) {
		node->key = tree_string(tree, key);
		if (!node->key)
			return NULL;
	}
	return !parent || tree_append(tree, parent, node) == 0 ? node : NULL;
}

/* Recursion is as deep as the input may be: TREE_MAX_DEPTH a file, and a file inside a profile inside a file. */
struct prism_node *tree_copy(struct tree *tree, struct prism_node *parent, const struct prism_node *node)
{
	struct prism_node *copy = tree_alloc(tree, sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *node;
	copy->parent = NULL;
	copy->index = 0;
	copy->child = NULL;
	copy->n_child = 0;
	if (parent && tree_append(tree, parent, copy) < 0)
		return NULL;
	for (uint32_t i = 0; i < node->n_child; i++)
		if (!tree_copy(tree, copy, node->child[i]))
			return NULL;
	return copy;
}

void tree_mark(struct prism_node *node, const char *file)
{
	node->file = file;
	node->line = 0;
	node->column = 0;
	for (uint32_t i = 0; i < node->n_child; i++)
		tree_mark(node->child[i], file);
}

const struct prism_node *node_get(const struct prism_node *map, const char *key)
{
	if (!map || map->kind != PRISM_NODE_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->n_child; i++)
		if (!strcmp(map->child[i]->key, key))
			return map->child[i];
	return NULL;
}

bool node_given(const struct prism_node *node)
{
	return node && node->kind != PRISM_NODE_NONE;
}

static bool plain_key(const char *key)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";

	return *key && !key[strspn(key, plain)];
}

static size_t put(char *buf, size_t size, size_t len, const char *s)
{
	int n = snprintf(buf + len, size - len, "%s", s);

	return n < 0 || (size_t)n >= size - len ? size - 1 : len + (size_t)n;
}

const char *node_path(const struct prism_node *node, char *buf, size_t size)
{
	const struct prism_node *chain[2 * TREE_MAX_DEPTH];
	char piece[SCALAR_QUOTE_SIZE];
	size_t len = 0;
	int n = 0;

	buf[0] = '\0';
	for (; node->parent && n < 2 * TREE_MAX_DEPTH; node = node->parent)
		chain[n++] = node;
	while (n-- > 0) {
		const char *key = chain[n]->key;

		if (!key)
			snprintf(piece, sizeof(piece), "[%u]", chain[n]->index);
		else if (!plain_key(key) || strlen(key) >= sizeof(piece))
			scalar_quote(key, piece, sizeof(piece));
		else
			snprintf(piece, sizeof(piece), "%s", key);
		if (key && len)
			len = put(buf, size, len, ".");
		len = put(buf, size, len, piece);
	}
	return buf;
}

const char *node_where(const struct prism_node *node, bool full, char *buf, size_t size)
{
	const char *slash = strrchr(node->file, '/');
	const char *file = full || !slash ? node->file : slash + 1;

	if (node->line)
		snprintf(buf, size, "%s:%u:%u", file, node->line, node->column);
	else
		snprintf(buf, size, "%s", file);
	return buf;
}

const char *node_describe(const struct prism_node *node, char *buf, size_t size)
{
	if (node && node->kind == PRISM_NODE_SCALAR)
		return scalar_quote(node->text, buf, size);
	snprintf(buf, size, "%s", !node_given(node) ? "nothing" : node->kind == PRISM_NODE_LIST ? "a list" : "a map");
	return buf;
}

int node_problem(struct problems *p, const struct prism_node *node, const char *format, ...)
{
	char where[NODE_WHERE_SIZE], path[NODE_PATH_SIZE], text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	node_where(node, false, where, sizeof(where));
	node_path(node, path, sizeof(path));
	problems_add(p, EINVAL, where, "%s%s%s", path, *path ? ": " : "", text);
	return -EINVAL;
}

int tree_no_memory(struct problems *p)
{
	problems_add(p, ENOMEM, NULL, "out of memory for the configuration (its limit is %llu MiB)",
		     TREE_MAX_BYTES >> 20);
	return -ENOMEM;
}
