/* SPDX-License-Identifier: Apache-2.0 */
/* Modules, facets, profiles, the configuration. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/room.h"
#include "base/util.h"

static json_t *module_json(const struct module_view *m)
{
	char abi[16] = "";

	if (m->abi_major)
		snprintf(abi, sizeof(abi), "%u.%u", m->abi_major, m->abi_minor);
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:b, s:b, s:I, s:I, s:f, s:f, s:s}",
			 "name", json_any(m->name), "state", module_state_name(m->state), "reason",
			 json_problem(m->reason), "condition", json_any(m->condition[0] ? m->condition : NULL),
			 "version", json_any(m->version), "summary", json_any(m->summary), "file", json_any(m->file),
			 "where", json_any(m->where), "facet", json_any(m->facet), "facet_bit",
			 (json_int_t)m->facet_bit, "facet_all", m->facet_all, "required", m->required, "crashes",
			 (json_int_t)m->crashes, "loads", (json_int_t)m->loads, "since",
			 (double)(monotonic_ns() - m->since_ns) / NS_PER_SEC, "load_time",
			 (double)m->load_ns / NS_PER_SEC, "abi", abi);
}

static void append_module(void *arg, const struct module_view *m)
{
	json_array_append_new(arg, module_json(m));
}

json_t *view_modules(const struct agent *a)
{
	json_t *list = json_array();

	if (a->host)
		host_modules(a->host, append_module, list);
	return json_pack("{s:o}", "modules", list);
}

struct search {
	const char *name;
	json_t *found;
};

static void find_module(void *arg, const struct module_view *m)
{
	struct search *s = arg;

	json_t *declared;

	if (s->found || strcmp(m->name, s->name) != 0)
		return;
	s->found = module_json(m);
	declared = view_declared(m->descriptor);
	if (s->found && json_object_update_new(s->found, declared) < 0) {
		json_decref(s->found);
		s->found = NULL;
	}
}

json_t *view_module(const struct agent *a, const char *name)
{
	struct search s = {.name = name};

	if (a->host)
		host_modules(a->host, find_module, &s);
	return s.found ? s.found : json_null();
}

enum MHD_Result get_modules(struct request *r)
{
	return reply_json(r, MHD_HTTP_OK, view_modules(r->agent));
}

enum MHD_Result get_module(struct request *r)
{
	json_t *module = view_module(r->agent, r->param);
	struct error e = {0};

	if (!json_is_null(module))
		return reply_json(r, MHD_HTTP_OK, module);
	error_set(&e, ENOENT, r->param, "no module of this name is configured");
	return reply_error(r, &e);
}

/* ---- facets ----------------------------------------------------------------------------------------------------- */

static void append_facet(void *arg, const struct facet_view *f)
{
	json_array_append_new(arg, json_pack("{s:o, s:i, s:o, s:b}", "name", json_any(f->name), "bit", f->bit, "owner",
					     json_any(f->owner), "builtin", f->builtin));
}

json_t *view_facets(const struct agent *a)
{
	json_t *list = json_array();

	if (a->host)
		host_facet_list(a->host, append_facet, list);
	return json_pack("{s:o}", "facets", list);
}

enum MHD_Result get_facets(struct request *r)
{
	return reply_json(r, MHD_HTTP_OK, view_facets(r->agent));
}

/* ---- profiles and the configuration ----------------------------------------------------------------------------- */

/* A subtree of the configuration; scalars stay text, as written. Its depth is bounded by the reader of the files. */
static json_t *node_json(const struct prism_node *node)
{
	json_t *out;
	uint32_t i;

	if (!node || node->kind == PRISM_NODE_NONE)
		return json_null();
	if (node->kind == PRISM_NODE_SCALAR)
		return json_any(node->text ? node->text : "");
	out = node->kind == PRISM_NODE_MAP ? json_object() : json_array();
	for (i = 0; i < node->n_child; i++) {
		if (node->kind == PRISM_NODE_MAP)
			json_put(out, node->child[i]->key, node_json(node->child[i]));
		else
			json_array_append_new(out, node_json(node->child[i]));
	}
	return out;
}

static json_t *list_json(const char *const *texts)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; texts && texts[i]; i++)
		json_array_append_new(list, json_any(texts[i]));
	return list;
}

static json_t *profile_json(const struct profile_setting *p)
{
	char where[256];

	return json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "name", json_any(p->name), "hosts", list_json(p->hosts),
			 "node_labels", list_json(p->node_labels), "active", p->active, "where",
			 p->node ? json_any(node_where(p->node, true, where, sizeof(where))) : json_null(), "file",
			 json_any(p->file), "overlay", node_json(p->overlay));
}

json_t *view_profiles(const struct agent *a)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < a->settings->n_profiles; i++)
		json_array_append_new(list, profile_json(&a->settings->profiles[i]));
	return json_pack("{s:o}", "profiles", list);
}

enum MHD_Result get_profiles(struct request *r)
{
	return reply_json(r, MHD_HTTP_OK, view_profiles(r->agent));
}

enum MHD_Result get_config(struct request *r)
{
	_cleanup_(text_done) struct text body = {0};

	settings_print(r->agent->settings, &body);
	return reply_text(r, MHD_HTTP_OK, "text/yaml; charset=utf-8", &body);
}
