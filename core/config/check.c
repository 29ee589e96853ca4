/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/scalar.h"
#include "config/schema.h"

const struct subsection *section_sub(const struct section *section, const char *key)
{
	for (const struct subsection *sub = section->subsections; sub && sub->key; sub++)
		if (!strcmp(sub->key, key))
			return sub;
	return NULL;
}

static void check_section(const struct section *section, const struct prism_node *map, struct problems *p);

static const char *name_of(const struct prism_node *element)
{
	const struct prism_node *name = node_get(element, "name");

	return name && name->kind == PRISM_NODE_SCALAR ? name->text : NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct prism_node *x = *(const struct prism_node *const *)a, *y = *(const struct prism_node *const *)b;
	int order = strcmp(name_of(x), name_of(y));

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* Within one file a name stands for one element; between files the same name means the same element. */
static void check_names(const struct prism_node *list, struct problems *p)
{
	_cleanup_free_ const struct prism_node **named = calloc(list->n_child + 1, sizeof(*named));
	const struct prism_node *first = NULL;
	char quoted[SCALAR_QUOTE_SIZE];
	uint32_t n = 0;

	if (!named) {
		tree_no_memory(p);
		return;
	}
	for (uint32_t i = 0; i < list->n_child; i++)
		if (name_of(list->child[i]))
			named[n++] = list->child[i];
	qsort(named, n, sizeof(*named), by_name);
	for (uint32_t i = 0; i < n; i++) {
		const char *name = name_of(named[i]);

		if (first && !strcmp(name_of(first), name))
			node_problem(p, node_get(named[i], "name"), "%s is listed twice; the first is at line %u",
				     scalar_quote(name, quoted, sizeof(quoted)), first->line);
		else
			first = named[i];
	}
}

static void check_list(const struct section *section, const struct prism_node *list, struct problems *p)
{
	char found[SCALAR_QUOTE_SIZE];

	if (list->kind != PRISM_NODE_LIST) {
		node_problem(p, list, "expected a list, found %s", node_describe(list, found, sizeof(found)));
		return;
	}
	for (uint32_t i = 0; i < list->n_child; i++) {
		if (list->child[i]->kind == PRISM_NODE_MAP)
			check_section(section, list->child[i], p);
		else
			node_problem(p, list->child[i], "expected a map, found %s",
				     node_describe(list->child[i], found, sizeof(found)));
	}
	check_names(list, p);
}

static void refuse_in_overlay(const struct prism_node *root, struct problems *p)
{
	const struct prism_node *profiles = node_get(root, "profiles");
	const struct prism_node *name = node_get(node_get(root, "node"), "name");

	if (profiles)
		node_problem(p, profiles, "a profile cannot contain profiles");
	if (name)
		node_problem(p, name, "a profile cannot change the name by which it is chosen");
}

static void check_subsection(const struct subsection *sub, const struct prism_node *node, struct problems *p)
{
	if (sub->form == SECTION_LIST)
		check_list(sub->section, node, p);
	else
		check_section(sub->section, node, p);
	if (sub->form == SECTION_OVERLAY)
		refuse_in_overlay(node, p);
}

static void check_section(const struct section *section, const struct prism_node *map, struct problems *p)
{
	option_check(section->options, section->n_options, sizeof(*section->options), map, NULL, p);
	for (const struct value_check *c = section->checks; c && c->key; c++)
		if (node_given(node_get(map, c->key)))
			c->check(node_get(map, c->key), p);
	for (const struct subsection *sub = section->subsections; sub && sub->key; sub++)
		if (node_given(node_get(map, sub->key)))
			check_subsection(sub, node_get(map, sub->key), p);
}

int schema_check(const struct prism_node *root, struct problems *p)
{
	size_t before = p->n + p->dropped;

	check_section(&schema_root, root, p);
	return p->n + p->dropped > before ? -EINVAL : 0;
}

int schema_check_overlay(const struct prism_node *root, struct problems *p)
{
	size_t before = p->n + p->dropped;

	check_section(&schema_root, root, p);
	refuse_in_overlay(root, p);
	return p->n + p->dropped > before ? -EINVAL : 0;
}
