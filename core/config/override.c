/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <prism/node.h>

#include "base/util.h"
#include "config/load.h"
#include "config/scalar.h"

/* One argument, cut at its first `=` and at the dots before it. */
struct override {
	char *copy;
	char *segment[TREE_MAX_DEPTH];
	unsigned int n;
	const char *value;
};

static void override_done(struct override *o)
{
	free(o->copy);
}

static int refuse(struct problems *p, const char *argument, const char *why)
{
	char quoted[SCALAR_QUOTE_SIZE];

	return problems_add(p, EINVAL, TREE_COMMAND_LINE, "%s: %s", scalar_quote(argument, quoted, sizeof(quoted)),
			    why);
}

static int override_init(struct override *o, const char *argument, struct problems *p)
{
	char *at, *equals;

	o->copy = strdup(argument);
	if (!o->copy)
		return tree_no_memory(p);
	equals = strchr(o->copy, '=');
	if (!equals)
		return refuse(p, argument, "is not KEY=VALUE, as in bus.capacity=1024");
	*equals = '\0';
	o->value = equals + 1;
	for (at = o->copy; at; o->n++) {
		if (o->n == ARRAY_SIZE(o->segment))
			return refuse(p, argument, "has too many keys");
		o->segment[o->n] = strsep(&at, ".");
		if (!*o->segment[o->n])
			return refuse(p, argument, "has an empty key");
	}
	return 0;
}

/* Lists whose elements are addressed by name. */
static bool is_named(const char *key)
{
	const struct subsection *sub = section_sub(&schema_root, key);

	return sub && sub->form == SECTION_LIST;
}

static struct prism_node *add_named(struct tree *tree, struct prism_node *list, const char *name)
{
	struct prism_node *element = tree_add(tree, list, NULL, PRISM_NODE_MAP);
	struct prism_node *node = element ? tree_add(tree, element, "name", PRISM_NODE_SCALAR) : NULL;

	if (!node)
		return NULL;
	node->text = tree_string(tree, name);
	return node->text ? element : NULL;
}

/* Nothing behind the `=` is empty text; everything else is YAML. */
static int add_value(struct loader *l, struct prism_node *parent, const char *key, const char *text)
{
	struct prism_node *value;
	int r;

	if (!*text) {
		value = tree_add(l->tree, parent, key, PRISM_NODE_SCALAR);
		if (!value)
			return tree_no_memory(l->p);
		value->text = "";
		value->quoted = true;
		return 0;
	}
	r = tree_parse_text(l->tree, TREE_COMMAND_LINE, text, strlen(text), &value, l->p);
	if (r < 0)
		return r;
	value->key = tree_string(l->tree, key);
	if (!value->key || tree_append(l->tree, parent, value) < 0)
		return tree_no_memory(l->p);
	return 0;
}

/* {a: {b: {c: value}}}, with [{name: b, c: value}] in place of the second map where a is a list of named things. */
static int build(struct loader *l, const struct override *o, struct prism_node **ret)
{
	struct prism_node *root = tree_add(l->tree, NULL, NULL, PRISM_NODE_MAP), *at = root;
	unsigned int i = 0;
	int r;

	if (root && o->n > 2 && is_named(o->segment[0])) {
		at = tree_add(l->tree, root, o->segment[0], PRISM_NODE_LIST);
		at = at ? add_named(l->tree, at, o->segment[1]) : NULL;
		i = 2;
	}
	for (; at && i + 1 < o->n; i++)
		at = tree_add(l->tree, at, o->segment[i], PRISM_NODE_MAP);
	if (!at)
		return tree_no_memory(l->p);
	r = add_value(l, at, o->segment[i], o->value);
	if (r < 0)
		return r;
	tree_mark(root, TREE_COMMAND_LINE);
	*ret = root;
	return 0;
}

static int parse_one(struct loader *l, const char *argument, struct prism_node **all)
{
	_cleanup_(override_done) struct override o = {};
	struct prism_node *one;
	int r;

	r = override_init(&o, argument, l->p);
	if (!r)
		r = build(l, &o, &one);
	if (!r)
		r = schema_check(one, l->p);
	if (r < 0)
		return r;
	*all = *all ? tree_merge(l->tree, *all, one, load_prepend) : one;
	return *all ? 0 : tree_no_memory(l->p);
}

int override_parse(struct loader *l, struct prism_node **ret)
{
	struct prism_node *all = NULL;
	int result = 0;

	for (const char *const *argument = l->source->overlay; argument && *argument; argument++) {
		int r = parse_one(l, *argument, &all);

		if (r == -ENOMEM)
			return r;
		result = r < 0 ? r : result;
	}
	*ret = all;
	return result;
}

static const char *name_at(const void *arg, uint32_t i)
{
	const struct prism_node *list = arg, *name = node_get(list->child[i], "name");

	return name && name->kind == PRISM_NODE_SCALAR ? name->text : NULL;
}

static int check_one(const struct override *o, const struct prism_node *base, struct problems *p)
{
	const struct prism_node *list = node_get(base, o->segment[0]);
	uint32_t n = list ? list->n_child : 0;
	const char *meant;

	if (o->n < 3 || !is_named(o->segment[0]))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		if (name_at(list, i) && !strcmp(name_at(list, i), o->segment[1]))
			return 0;
	meant = prism_suggest(o->segment[1], n, name_at, list);
	return problems_add(p, EINVAL, TREE_COMMAND_LINE, "%s.%s: nothing of this name is configured%s%s%s",
			    o->segment[0], o->segment[1], meant ? " (did you mean \"" : "", meant ? meant : "",
			    meant ? "\"?)" : "");
}

int override_check(struct loader *l, const struct prism_node *base)
{
	int result = 0;

	for (const char *const *argument = l->source->overlay; argument && *argument; argument++) {
		_cleanup_(override_done) struct override o = {};
		struct problems again = {};
		int r = override_init(&o, *argument, &again);

		problems_done(&again);
		if (r == -ENOMEM)
			return tree_no_memory(l->p);
		if (!r)
			r = check_one(&o, base, l->p);
		result = r < 0 ? r : result;
	}
	return result;
}
