/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl identity list|get. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/offline.h"

const char *join_names(const json_t *array, char *buf, size_t size)
{
	size_t i, used = 0;
	const json_t *v;

	snprintf(buf, size, "-");
	json_array_foreach(array, i, v)
	{
		int n = snprintf(buf + used, size - used, "%s%s", i ? "," : "",
				 json_string_value(v) ? json_string_value(v) : "?");

		if (n < 0 || (size_t)n >= size - used)
			break;
		used += (size_t)n;
	}
	return buf;
}

const char *weight_text(const json_t *identity, char *buf, size_t size)
{
	int64_t weight = json_number(identity, "weight");

	if (weight)
		snprintf(buf, size, "%" PRId64, weight);
	else
		snprintf(buf, size, "unset");
	return buf;
}

static const char *join_labels(const json_t *labels, struct text *out)
{
	const char *key;
	json_t *value;

	text_clear(out);
	json_object_foreach((json_t *)labels, key, value)
		text_appendf(out, "%s%s=%s", out->len ? "," : "", key,
			     json_string_value(value) ? json_string_value(value) : "");
	return out->len && !out->failed ? out->data : "-";
}

static const char *or_dash(const char *s)
{
	return *s ? s : "-";
}

/* ---- list ------------------------------------------------------------------------------------------------------- */

static const struct column list_columns[] = {
	{.title = "IDENTITY", .right = true},
	{.title = "NAME"},
	{.title = "NAMESPACE", .wide = true},
	{.title = "SERVICE ACCOUNT"},
	{.title = "CLASS"},
	{.title = "WEIGHT", .right = true},
	{.title = "CGROUPS", .right = true},
	{.title = "STATE", .wide = true},
	{.title = "LABEL HASH", .wide = true},
	{.title = "FACETS"},
	{.title = "LABELS", .wide = true},
};

static void add_identity(struct table *t, const json_t *id, struct text *labels)
{
	bool held = json_flag(id, "held");
	char facets[256];

	table_cell(t, TONE_PLAIN, "%" PRId64, json_number(id, "number"));
	table_cell(t, TONE_PLAIN, "%s", or_dash(json_text(id, "name")));
	table_cell(t, TONE_PLAIN, "%s", or_dash(json_text(id, "namespace")));
	table_cell(t, TONE_PLAIN, "%s", or_dash(json_text(id, "service_account")));
	table_cell(t, TONE_PLAIN, "%s", or_dash(json_text(id, "class")));
	if (json_number(id, "weight"))
		table_cell(t, TONE_PLAIN, "%" PRId64, json_number(id, "weight"));
	else
		table_cell(t, TONE_PLAIN, "-");
	table_cell(t, TONE_PLAIN, "%" PRId64, json_number(id, "cgroups"));
	table_cell(t, held ? TONE_DIM : TONE_GOOD, "%s", held ? "held" : "live");
	table_cell(t, TONE_PLAIN, "%s", json_text(id, "label_hash"));
	table_cell(t, TONE_PLAIN, "%s", join_names(json_object_get(id, "facets"), facets, sizeof(facets)));
	table_cell(t, TONE_PLAIN, "%s", join_labels(json_object_get(id, "labels"), labels));
}

static void print_list(struct ctl *ctl, const json_t *doc)
{
	_cleanup_text_ struct text labels = {0};
	struct table t;
	const json_t *id;
	size_t i;

	table_init(&t, list_columns, ARRAY_SIZE(list_columns));
	json_array_foreach(json_object_get(doc, "identities"), i, id) add_identity(&t, id, &labels);
	table_print(&t, &ctl->style);
	table_done(&t);
}

static int list_document(struct ctl *ctl, bool held, json_t **ret, struct error *e)
{
	_cleanup_offline_ struct offline *o = NULL;
	int r = client_get(ctl, held ? "/v1/identities?held=1" : "/v1/identities", ret, e);

	if (r == 0)
		return 0;
	r = offline_instead(ctl, e, &o);
	if (r < 0)
		return r;
	*ret = offline_identities(ctl, o);
	return *ret ? 0 : error_set(e, ENOMEM, NULL, "out of memory");
}

static int run_list(struct ctl *ctl, const struct invocation *inv)
{
	struct error e = {0};
	json_t *doc = NULL;

	if (list_document(ctl, invocation_has(inv, "held"), &doc, &e) < 0)
		return ctl_fail(&e);
	return ctl_print(ctl, doc, print_list);
}

const struct command identity_list_command = {
	.noun = "identity",
	.verb = "list",
	.summary = "Identities that are on the bus",
	.detail = "Works from the pinned maps and the identity table when prismd is down.",
	.examples = "  prismctl identity list\n"
		    "  prismctl identity list -o wide\n"
		    "  prismctl identity list -o json | jq -r '.identities[] | [.number, .name] | @tsv'\n",
	.options = (const struct ctl_option[]){{"held", 0, ARGUMENT_NONE, NULL,
						"also numbers that are held back after their last workload went", NULL},
					       {0}},
	.run = run_list,
};

int identity_resolve(struct ctl *ctl, const char *text, uint32_t *ret, struct error *e)
{
	_cleanup_json_ json_t *doc = NULL;
	const json_t *id;
	uint64_t number;
	unsigned int found = 0;
	size_t i;
	int r;

	if (ctl_parse_number(text, PRISM_ID_LAST, &number) == 0) {
		*ret = (uint32_t)number;
		return 0;
	}
	r = list_document(ctl, true, &doc, e);
	if (r < 0)
		return r;
	json_array_foreach(json_object_get(doc, "identities"), i, id)
	{
		if (strcmp(json_text(id, "name"), text) != 0)
			continue;
		*ret = (uint32_t)json_number(id, "number");
		found++;
	}
	if (found > 1)
		return error_set(e, EINVAL, text,
				 "%u identities have this name: give the number (prismctl identity list)", found);
	return found ? 0 : error_set(e, ENOENT, text, "no identity has this number or name");
}

/* ---- get -------------------------------------------------------------------------------------------------------- */

static void print_cgroups(struct table *t, const json_t *list)
{
	const char *title = "Cgroups";
	const json_t *c;
	size_t i;

	json_array_foreach(list, i, c)
	{
		const char *path = json_text(c, "path");

		fields_add(t, title, TONE_PLAIN, "%s (%" PRId64 ")", *path ? path : "gone", json_number(c, "id"));
		title = "";
	}
}

static void print_workloads(struct table *t, const json_t *list)
{
	const char *title = "Workloads";
	const json_t *w;
	size_t i;

	json_array_foreach(list, i, w)
	{
		fields_add(t, title, TONE_PLAIN, "%s, by %s", json_text(w, "cgroup"), json_text(w, "origin"));
		title = "";
	}
}

static void print_one(struct ctl *ctl, const json_t *doc)
{
	_cleanup_text_ struct text labels = {0};
	const json_t *id = doc;
	int64_t number = json_number(id, "number"), candidate = json_number(id, "candidate");
	struct table t;
	char facets[256], weight[24];

	fields_init(&t);
	fields_add(&t, "Identity", TONE_PLAIN, "%" PRId64, number);
	fields_add(&t, "Name", TONE_PLAIN, "%s", or_dash(json_text(id, "name")));
	fields_add(&t, "State", json_flag(id, "held") ? TONE_DIM : TONE_GOOD, "%s",
		   json_flag(id, "held") ? "held back" : "live");
	fields_add(&t, "Namespace", TONE_PLAIN, "%s", or_dash(json_text(id, "namespace")));
	fields_add(&t, "Service account", TONE_PLAIN, "%s", or_dash(json_text(id, "service_account")));
	fields_add(&t, "Labels", TONE_PLAIN, "%s", join_labels(json_object_get(id, "labels"), &labels));
	fields_add(&t, "Class", TONE_PLAIN, "%s", or_dash(json_text(id, "class")));
	fields_add(&t, "Weight", TONE_PLAIN, "%s", weight_text(id, weight, sizeof(weight)));
	fields_add(&t, "Facets", TONE_PLAIN, "%s", join_names(json_object_get(id, "facets"), facets, sizeof(facets)));
	fields_add(&t, "Flags", TONE_PLAIN, "0x%08" PRIx64, json_number(id, "flags"));
	if (candidate && candidate != number)
		fields_add(&t, "Candidate", TONE_PLAIN, "%" PRId64 " (taken, stepped over)", candidate);
	fields_add(&t, "Canonical", TONE_PLAIN, "%s", or_dash(json_text(id, "canonical")));
	fields_add(&t, "Label hash", TONE_PLAIN, "%s", json_text(id, "label_hash"));
	print_workloads(&t, json_object_get(id, "workloads"));
	print_cgroups(&t, json_object_get(id, "cgroup_list"));
	fields_print(&t, &ctl->style);
	table_done(&t);
}

static int get_document(struct ctl *ctl, uint32_t number, json_t **ret, struct error *e)
{
	_cleanup_offline_ struct offline *o = NULL;
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/v1/identities/%u", number);
	r = client_get(ctl, path, ret, e);
	if (r == 0)
		return 0;
	r = offline_instead(ctl, e, &o);
	if (r < 0)
		return r;
	*e = (struct error){0};
	*ret = offline_identity(ctl, o, number, e);
	return *ret ? 0 : e->code ? -e->code : error_set(e, ENOMEM, NULL, "out of memory");
}

static int run_get(struct ctl *ctl, const struct invocation *inv)
{
	struct error e = {0};
	json_t *doc = NULL;
	uint32_t number;
	int r;

	r = identity_resolve(ctl, inv->args[0], &number, &e);
	if (r == 0)
		r = get_document(ctl, number, &doc, &e);
	if (r < 0)
		return ctl_fail(&e);
	return ctl_print(ctl, doc, print_one);
}

const struct command identity_get_command = {
	.noun = "identity",
	.verb = "get",
	.arguments = "NUMBER|NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "One identity with its labels, canonical form and cgroups",
	.detail = "Works from the pinned maps and the identity table when prismd is down.",
	.examples = "  prismctl identity get 4711\n"
		    "  prismctl identity get system/ssh -o yaml\n",
	.complete = "@identity",
	.run = run_get,
};
