/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl identity explain: why has this process, cgroup, unit or pod the identity it has, or none. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/offline.h"
#include "ctl/target.h"

/* ---- for people ------------------------------------------------------------------------------------------------- */

static void print_chain(struct ctl *ctl, const json_t *chain)
{
	static const struct column columns[] = {{.title = ""},
						{.title = "CGROUP ID", .right = true},
						{.title = "ENTRY", .right = true},
						{.title = "CGROUP"}};
	struct table t;
	const json_t *c;
	size_t i;

	table_init(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(chain, i, c)
	{
		bool answered = json_flag(c, "answered");

		table_cell(&t, answered ? TONE_GOOD : TONE_PLAIN, "%s", answered ? "  ->" : "");
		table_cell(&t, TONE_PLAIN, "%" PRId64, json_number(c, "id"));
		if (json_is_integer(json_object_get(c, "identity")))
			table_cell(&t, TONE_PLAIN, "%" PRId64, json_number(c, "identity"));
		else
			table_cell(&t, TONE_DIM, "-");
		table_cell(&t, TONE_PLAIN, "%s", json_text(c, "path"));
	}
	table_print(&t, &ctl->style);
	table_done(&t);
}

static void add_labels(struct table *t, const json_t *doc)
{
	const char *title = "Labels that count", *key;
	json_t *v;
	size_t i;

	json_object_foreach(json_object_get(doc, "labels_kept"), key, v)
	{
		fields_add(t, title, TONE_PLAIN, "%s=%s", key, json_string_value(v) ? json_string_value(v) : "");
		title = "";
	}
	title = "Labels that do not";
	json_array_foreach(json_object_get(doc, "labels_dropped"), i, v)
	{
		fields_add(t, title, TONE_DIM, "%s=%s (excluded by %s)", json_text(v, "key"), json_text(v, "value"),
			   json_text(v, "pattern"));
		title = "";
	}
}

static void add_number(struct table *t, const json_t *doc, const json_t *id)
{
	const char *chosen = json_text(json_object_get(doc, "chosen"), "text");
	int64_t number = json_number(id, "number"), candidate = json_number(id, "candidate");
	char facets[256], weight[24];

	fields_add(t, "Identity", TONE_GOOD, "%" PRId64 " %s", number, json_text(id, "name"));
	if (*chosen)
		fields_add(t, "Number", TONE_PLAIN, "%s", chosen);
	else if (candidate && candidate != number)
		fields_add(t, "Number", TONE_PLAIN, "the hash points at %" PRId64 ", which another form has or had",
			   candidate);
	else if (candidate)
		fields_add(t, "Number", TONE_PLAIN, "the hash of the canonical form points at %" PRId64, candidate);
	fields_add(t, "Class, weight", TONE_PLAIN, "%s, %s", json_text(id, "class"),
		   weight_text(id, weight, sizeof(weight)));
	if (json_flag(doc, "class_unreadable"))
		fields_add(t, "", TONE_WARN, "its latency class is not critical, normal or batch: taken as unset");
	if (json_flag(doc, "weight_unreadable"))
		fields_add(t, "", TONE_WARN, "its weight is not a number from 1 to 127: taken as unset");
	fields_add(t, "Facets", TONE_PLAIN, "%s", join_names(json_object_get(id, "facets"), facets, sizeof(facets)));
}

static void add_named_texts(struct table *t, const char *title, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		fields_add(t, title, TONE_PLAIN, "%s: %s", json_text(v, "name"), json_text(v, "text"));
		title = "";
	}
}

static void print_explain(struct ctl *ctl, const json_t *doc)
{
	const json_t *id = json_object_get(doc, "identity");
	struct table t;

	print_chain(ctl, json_object_get(doc, "chain"));
	fprintf(ctl->style.out, "\n");
	fields_init(&t);
	if (json_is_object(id))
		add_number(&t, doc, id);
	else
		fields_add(&t, "Identity", TONE_WARN, "none: no cgroup of the chain has an entry, so it is unmanaged");
	if (*json_text(doc, "note"))
		fields_add(&t, "Note", TONE_WARN, "%s", json_text(doc, "note"));
	if (*json_text(doc, "workload"))
		fields_add(&t, "Workload", TONE_PLAIN, "%s, by %s", json_text(doc, "workload"),
			   json_text(doc, "origin"));
	add_named_texts(&t, "Sources", json_object_get(doc, "sources"));
	add_labels(&t, doc);
	if (*json_text(doc, "canonical"))
		fields_add(&t, "Canonical form", TONE_PLAIN, "%s", json_text(doc, "canonical"));
	add_named_texts(&t, "Modules", json_object_get(doc, "modules"));
	fields_print(&t, &ctl->style);
	table_done(&t);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static int explain_offline(struct ctl *ctl, const struct target *target, json_t **ret, struct error *e)
{
	_cleanup_offline_ struct offline *o = NULL;
	char path[4096];
	int r = offline_instead(ctl, e, &o);

	if (r < 0)
		return r;
	*e = (struct error){0};
	r = target_find(target, o->cgroup_root, path, sizeof(path), e);
	if (r < 0)
		return r;
	*ret = offline_explain(ctl, o, path, e);
	return *ret ? 0 : e->code ? -e->code : error_set(e, ENOMEM, NULL, "out of memory");
}

static int explain(struct ctl *ctl, const struct target *target, json_t **ret, struct error *e)
{
	_cleanup_text_ struct text path = {0};
	int r;

	text_appendf(&path, "/v1/explain?%s=", target_kind_name(target->kind));
	client_escape(&path, target->text);
	if (path.failed)
		return error_set(e, ENOMEM, NULL, "out of memory");
	r = client_get(ctl, path.data, ret, e);
	return r == -ENOTCONN ? explain_offline(ctl, target, ret, e) : r;
}

static int run_explain(struct ctl *ctl, const struct invocation *inv)
{
	const char *as = invocation_value(inv, "as");
	_cleanup_close_ int root_fd = -1;
	char root[256] = "";
	struct target target;
	struct error e = {0};
	json_t *doc = NULL;
	int r;

	if (offline_cgroup_root(ctl, root, sizeof(root), &root_fd, NULL) < 0)
		root[0] = '\0';
	r = target_parse(inv->args[0], as, root, root_fd, &target, &e);
	if (r == -EINVAL)
		return ctl_usage("%s%s%s", e.where, *e.where ? ": " : "", e.text);
	if (r == 0)
		r = explain(ctl, &target, &doc, &e);
	return r < 0 ? ctl_fail(&e) : ctl_print(ctl, doc, print_explain);
}

const struct command identity_explain_command = {
	.noun = "identity",
	.verb = "explain",
	.arguments = "PID|CGROUP|UNIT|POD",
	.min_args = 1,
	.max_args = 1,
	.summary = "Why something has the identity it has, or none",
	.detail =
		"A number is a process. NAMESPACE/NAME is a pod, unless it is there below the root of the hierarchy.\n"
		"What else has a / or is there is a cgroup, anything else a unit. --as settles it. Without prismd the\n"
		"chain comes from the pinned map and the rule from the configuration; the modules' view and pods are\n"
		"not known then.",
	.examples = "  prismctl identity explain $$\n"
		    "  prismctl identity explain /system.slice/ssh.service\n"
		    "  prismctl identity explain ssh.service\n"
		    "  prismctl identity explain shop/checkout-7d4f9c-x2x8p\n",
	.options = (const struct ctl_option[]){{"as", 0, ARGUMENT_REQUIRED, "KIND", "pid, cgroup, unit or pod",
						"pid cgroup unit pod"},
					       {0}},
	.run = run_explain,
};
