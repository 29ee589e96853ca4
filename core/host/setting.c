/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "host/setting.h"

static void node_free(struct prism_node *node)
{
	if (!node)
		return;
	for (uint32_t i = 0; i < node->n_child; i++)
		node_free(node->child[i]);
	free(node->child);
	free((char *)node->text);
	free((char *)node->key);
	free((char *)node->file);
	free(node);
}

static int copy_string(const char *from, const char **ret)
{
	if (!from)
		return 0;
	*ret = strdup(from);
	return *ret ? 0 : -ENOMEM;
}

static struct prism_node *copy_one(const struct prism_node *from)
{
	struct prism_node *to = malloc(sizeof(*to));

	if (!to)
		return NULL;
	*to = *from;
	to->text = to->key = to->file = NULL;
	to->parent = NULL;
	to->child = NULL;
	to->n_child = 0;
	if (!copy_string(from->text, &to->text) && !copy_string(from->key, &to->key) &&
	    !copy_string(from->file, &to->file))
		return to;
	node_free(to);
	return NULL;
}

/* Recursion is bounded: the tree that was parsed is at most 32 deep. */
static struct prism_node *copy_tree(const struct prism_node *from)
{
	struct prism_node *to = copy_one(from);

	if (!to || !from->n_child)
		return to;
	to->child = calloc(from->n_child, sizeof(struct prism_node *));
	for (uint32_t i = 0; to->child && i < from->n_child; i++) {
		to->child[i] = copy_tree(from->child[i]);
		if (!to->child[i])
			break;
		to->child[i]->parent = to;
		to->n_child++;
	}
	if (to->n_child == from->n_child)
		return to;
	node_free(to);
	return NULL;
}

static void free_upwards(struct prism_node *node)
{
	struct prism_node *up = node ? node->parent : NULL;

	node_free(node);
	while (up) {
		node = up;
		up = node->parent;
		node_free(node);
	}
}

static struct prism_node *copy_with_ancestors(const struct prism_node *from)
{
	struct prism_node *top = copy_tree(from);
	struct prism_node *at = top;

	for (const struct prism_node *up = from->parent; at && up; up = up->parent) {
		at->parent = copy_one(up);
		if (!at->parent) {
			free_upwards(top);
			return NULL;
		}
		at = at->parent;
	}
	return top;
}

static bool within(const struct prism_node *node, const struct prism_node *above)
{
	for (; node; node = node->parent)
		if (node == above)
			return true;
	return false;
}

static int copy_nodes(const struct module_setting *from, struct module_setting *to)
{
	if (from->node) {
		to->node = copy_with_ancestors(from->node);
		if (!to->node)
			return -ENOMEM;
	}
	if (!from->config)
		return 0;
	to->config = from->node && within(from->config, from->node) ? node_get(to->node, from->config->key)
								    : copy_with_ancestors(from->config);
	return to->config ? 0 : -ENOMEM;
}

int setting_copy(const struct module_setting *s, struct module_setting **ret)
{
	struct module_setting *to = malloc(sizeof(*to));

	if (!to)
		return -ENOMEM;
	*to = *s;
	to->name = to->file = to->sha256 = NULL;
	to->node = to->config = NULL;
	if (copy_string(s->name, &to->name) || copy_string(s->file, &to->file) || copy_string(s->sha256, &to->sha256) ||
	    copy_nodes(s, to)) {
		setting_free(to);
		return -ENOMEM;
	}
	*ret = to;
	return 0;
}

void setting_free(struct module_setting *s)
{
	if (!s)
		return;
	if (s->config && !within(s->config, s->node))
		free_upwards((struct prism_node *)s->config);
	free_upwards((struct prism_node *)s->node);
	free((char *)s->name);
	free((char *)s->file);
	free((char *)s->sha256);
	free(s);
}

static bool same_string(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_node(const struct prism_node *a, const struct prism_node *b)
{
	if (!a || !b)
		return a == b;
	if (a->kind != b->kind || a->quoted != b->quoted || a->n_child != b->n_child || !same_string(a->key, b->key) ||
	    !same_string(a->text, b->text))
		return false;
	for (uint32_t i = 0; i < a->n_child; i++)
		if (!same_node(a->child[i], b->child[i]))
			return false;
	return true;
}

bool setting_same_config(const struct module_setting *a, const struct module_setting *b)
{
	return same_node(a->config, b->config);
}

static void hash_string(crypto_generichash_state *h, const char *s)
{
	/* With its NUL, and something else for none: "a","b" is not "ab". */
	crypto_generichash_update(h, (const unsigned char *)(s ? s : "\1"), s ? strlen(s) + 1 : 1);
}

static void hash_node(crypto_generichash_state *h, const struct prism_node *node)
{
	if (!node)
		return hash_string(h, NULL);
	crypto_generichash_update(h, (const unsigned char *)&node->kind, sizeof(node->kind));
	crypto_generichash_update(h, (const unsigned char *)&node->n_child, sizeof(node->n_child));
	hash_string(h, node->key);
	hash_string(h, node->text);
	for (uint32_t i = 0; i < node->n_child; i++)
		hash_node(h, node->child[i]);
}

uint64_t setting_fingerprint(const struct module_setting *s)
{
	unsigned char digest[crypto_generichash_BYTES_MIN];
	unsigned char switches[2] = {s->enabled, s->required};
	crypto_generichash_state h;
	uint64_t result;

	crypto_generichash_init(&h, NULL, 0, sizeof(digest));
	hash_string(&h, s->name);
	hash_string(&h, s->file);
	hash_string(&h, s->sha256);
	crypto_generichash_update(&h, switches, sizeof(switches));
	hash_node(&h, s->config);
	crypto_generichash_final(&h, digest, sizeof(digest));
	memcpy(&result, digest, sizeof(result));
	return result;
}
