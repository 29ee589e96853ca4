/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl profile list|show. Online what prismd runs with, otherwise what the files say. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "config/tree.h"
#include "ctl/client.h"
#include "ctl/commands.h"

/* A configuration subtree as JSON; scalars stay text, as written. */
static json_t *node_json(const struct prism_node *node)
{
	json_t *out;

	if (!node || node->kind == PRISM_NODE_NONE)
		return json_null();
	if (node->kind == PRISM_NODE_SCALAR)
		return json_string_any(node->text ? node->text : "");
	out = node->kind == PRISM_NODE_MAP ? json_object() : json_array();
	for (uint32_t i = 0; i < node->n_child; i++) {
		if (node->kind == PRISM_NODE_MAP)
			json_object_set_new(out, node->child[i]->key, node_json(node->child[i]));
		else
			json_array_append_new(out, node_json(node->child[i]));
	}
	return out;
}

static json_t *list_json(const char *const *texts)
{
	json_t *list = json_array();

	for (size_t i = 0; texts && texts[i]; i++)
		json_array_append_new(list, json_string_any(texts[i]));
	return list;
}

static json_t *profile_json(const struct profile_setting *p)
{
	char where[256];

	return json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "name", json_string_any(p->name), "hosts",
			 list_json(p->hosts), "node_labels", list_json(p->node_labels), "active", p->active, "where",
			 json_string_any(node_where(p->node, true, where, sizeof(where))), "file",
			 p->file ? json_string_any(p->file) : json_null(), "overlay", node_json(p->overlay));
}

static json_t *files_document(const struct settings *s)
{
	json_t *doc = json_document(), *list = json_array();

	for (size_t i = 0; i < s->n_profiles; i++)
		json_array_append_new(list, profile_json(&s->profiles[i]));
	json_object_set_new(doc, "offline", json_true());
	json_object_set_new(doc, "profiles", list);
	return doc;
}

static int document(struct ctl *ctl, json_t **ret, struct error *e)
{
	const struct settings *s;
	int r = client_get(ctl, "/v1/profiles", ret, e);

	if (r != -ENOTCONN)
		return r;
	s = ctl_settings(ctl);
	if (!s)
		return r;
	ctl_note(ctl, "%s: %s; this is read from the configuration files", e->where, e->text);
	*ret = files_document(s);
	return 0;
}

static const struct column columns[] = {
	{.title = "NAME"},
	{.title = "ACTIVE"},
	{.title = "HOSTS"},
	{.title = "WHERE"},
};

static void print_list(struct ctl *ctl, const json_t *doc)
{
	struct table t;
	const json_t *p;
	size_t i;

	table_init(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(doc, "profiles"), i, p)
	{
		bool active = json_flag(p, "active");
		const char *file = json_text(p, "file");
		char hosts[256];

		table_cell(&t, TONE_PLAIN, "%s", json_text(p, "name"));
		table_cell(&t, active ? TONE_GOOD : TONE_DIM, "%s", active ? "yes" : "no");
		table_cell(&t, TONE_PLAIN, "%s", join_names(json_object_get(p, "hosts"), hosts, sizeof(hosts)));
		table_cell(&t, TONE_PLAIN, "%s", *file ? file : json_text(p, "where"));
	}
	table_print(&t, &ctl->style);
	table_done(&t);
}

static int run_list(struct ctl *ctl, const struct invocation *inv)
{
	struct error e = {0};
	json_t *doc = NULL;

	(void)inv;
	if (document(ctl, &doc, &e) < 0)
		return ctl_fail(&e);
	return ctl_print(ctl, doc, print_list);
}

/* What a profile lays over the configuration is YAML, and is best read as such. */
static void print_one(struct ctl *ctl, const json_t *doc)
{
	output_yaml(json_object_get(doc, "profile"), ctl->style.out);
}

static int run_show(struct ctl *ctl, const struct invocation *inv)
{
	_cleanup_json_ json_t *all = NULL;
	const char *name = inv->args[0];
	struct error e = {0};
	json_t *doc, *p;
	size_t i;

	if (document(ctl, &all, &e) < 0)
		return ctl_fail(&e);
	json_array_foreach(json_object_get(all, "profiles"), i, p)
	{
		if (strcmp(json_text(p, "name"), name) != 0)
			continue;
		doc = json_document();
		json_object_set(doc, "profile", p);
		return ctl_print(ctl, doc, print_one);
	}
	error_set(&e, ENOENT, name, "no such profile (see 'prismctl profile list')");
	return ctl_fail(&e);
}

const struct command profile_list_command = {
	.noun = "profile",
	.verb = "list",
	.summary = "Profiles, and which apply to this host",
	.examples = "  prismctl profile list\n",
	.run = run_list,
};

const struct command profile_show_command = {
	.noun = "profile",
	.verb = "show",
	.arguments = "NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "What a profile changes",
	.examples = "  prismctl profile show latency\n",
	.complete = "@profile",
	.run = run_show,
};
