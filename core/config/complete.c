/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/schema.h"

/* As people would write it, because `config show --effective` shows it so. */
static const char builtin_rules[] =
	"sources:\n"
	"  cgroup:\n"
	"    rules:\n"
	"      - {match: 'init.scope', namespace: system, labels: {unit: init}}\n"
	"      - {match: 'machine.slice/libpod-conmon-*.scope', namespace: system, labels: {unit: conmon}}\n"
	"      - {match: 'machine.slice/libpod-{container}.scope', namespace: container}\n"
	"      - {match: 'system.slice/docker-{container}.scope', namespace: container}\n"
	"      - {match: 'docker/{container}', namespace: container}\n"
	"      - {match: 'lxc.payload.{container}', namespace: container}\n"
	"      - {match: 'machine.slice/systemd-nspawn@{name}.service', namespace: machine}\n"
	"      - {match: 'machine.slice/machine-{name}.scope', namespace: machine}\n"
	"      - {match: 'system.slice/**/{unit}.service', namespace: system}\n"
	"      - {match: 'user.slice/user-{user}.slice/user@*.service/**/libpod-conmon-*.scope', namespace: user,"
	" labels: {unit: conmon}}\n"
	"      - {match: 'user.slice/user-{user}.slice/user@*.service/**/libpod-{container}.scope',"
	" namespace: container}\n"
	"      - {match: 'user.slice/user-{user}.slice/user@*.service/**/{unit}.service', namespace: user}\n"
	"      - {match: 'user.slice/user-{user}.slice/user@*.service', namespace: user, labels: {unit: manager}}\n"
	"      - {match: 'user.slice/user-{user}.slice/session-*.scope', namespace: user, labels: {unit: session}}\n";

int schema_builtin(struct tree *tree, struct prism_node **ret, struct problems *p)
{
	int r = tree_parse_text(tree, TREE_MADE, builtin_rules, sizeof(builtin_rules) - 1, ret, p);

	if (!r)
		tree_mark(*ret, TREE_MADE);
	return r;
}

static bool is_map(const struct section *section, const char *key)
{
	const struct subsection *sub = section_sub(section, key);

	return sub && sub->form == SECTION_MAP;
}

/* The child of `old` with the option's name, its default, or nothing, last into map. */
static int take_or_make(struct tree *tree, struct prism_node *map, const struct prism_node *old,
			const struct section *section, const struct prism_option *option, struct problems *p)
{
	struct prism_node *child;

	for (uint32_t i = 0; i < old->n_child; i++) {
		child = old->child[i];
		if (node_given(child) && !strcmp(child->key, option->name))
			return tree_append(tree, map, child) < 0 ? tree_no_memory(p) : 0;
	}
	if (is_map(section, option->name))
		return tree_add(tree, map, option->name, PRISM_NODE_MAP) ? 0 : tree_no_memory(p);
	return option_default(option, tree, map, &child, p);
}

static int complete_child(struct tree *tree, struct prism_node *child, const struct section *section,
			  struct problems *p)
{
	const struct subsection *sub = section_sub(section, child->key);
	int r = 0;

	if (sub && sub->form == SECTION_MAP)
		return schema_complete(tree, child, sub->section, p);
	if (sub && sub->form == SECTION_LIST)
		for (uint32_t i = 0; !r && i < child->n_child; i++)
			r = schema_complete(tree, child->child[i], sub->section, p);
	return r;
}

int schema_complete(struct tree *tree, struct prism_node *map, const struct section *section, struct problems *p)
{
	const struct prism_node old = *map;
	int r = 0;

	/* What is of another kind was reported, and is left alone. */
	if (map->kind != PRISM_NODE_MAP)
		return 0;
	map->child = NULL;
	map->n_child = 0;
	for (uint32_t i = 0; !r && i < section->n_options; i++)
		r = take_or_make(tree, map, &old, section, &section->options[i], p);
	for (uint32_t i = 0; !r && i < map->n_child; i++)
		r = complete_child(tree, map->child[i], section, p);
	return r;
}
