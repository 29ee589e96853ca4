/* SPDX-License-Identifier: Apache-2.0 */
/* Identities: one, and all of them as a list that is made while it is sent. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "admin/produce.h"
#include "admin/room.h"
#include "agent/workload.h"
#include "base/util.h"

static json_t *labels_json(const struct identity *id)
{
	json_t *labels = json_object();
	uint32_t i;

	for (i = 0; i < id->n_labels; i++)
		json_put(labels, id->labels[i].key, json_any(id->labels[i].value));
	return labels;
}

static json_t *time_json(uint64_t wall)
{
	time_t seconds = (time_t)(wall / NS_PER_SEC);
	char text[32];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm))
		return json_null();
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

json_t *view_identity(const struct agent *a, const struct identity *id)
{
	uint32_t facets = a->host ? host_facets(a->host, id->number) : 0;
	const char *names = "";
	char buf[512], hash[20];
	bool held = id->refs == 0;

	if (a->host)
		names = host_facet_names(a->host, facets, buf, sizeof(buf));
	snprintf(hash, sizeof(hash), "%016" PRIx64, id->hash);
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:s, s:I, s:o, s:I, s:I, s:I, s:b, s:b, s:o, s:s, s:b, s:o}",
			 "number", (json_int_t)id->number, "name", json_any(id->name), "namespace",
			 json_any(id->namespace_name), "service_account", json_any(id->service_account), "labels",
			 labels_json(id), "class", latency_class_name(id->policy), "weight",
			 (json_int_t)PRISM_FLAGS_WEIGHT(id->policy), "facets", json_words(names), "cgroups",
			 (json_int_t)id->n_cgroups, "flags", (json_int_t)(id->policy | facets), "candidate",
			 (json_int_t)id->candidate, "displaced", id->candidate != id->number, "adopted", id->adopted,
			 "canonical", json_any(id->canonical), "label_hash", hash, "held", held, "held_until",
			 held ? time_json(id->held_until_ns) : json_null());
}

/* ---- the list --------------------------------------------------------------------------------------------------- */

struct list {
	struct producer producer; /* first */
	const struct agent *agent;
	uint32_t *numbers;
	size_t n, capacity, next;
	bool failed, comma;
};

static void note_number(void *arg, struct identity *id)
{
	struct list *l = arg;

	if (l->n == l->capacity) {
		size_t want = l->capacity ? l->capacity * 2 : 256;
		uint32_t *grown = reallocarray(l->numbers, want, sizeof(*grown));

		if (!grown) {
			l->failed = true;
			return;
		}
		l->numbers = grown;
		l->capacity = want;
	}
	l->numbers[l->n++] = id->number;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* One identity. One that has gone since the numbers were noted is left out. */
static enum produce next_identity(struct producer *p, struct text *out)
{
	struct list *l = (struct list *)p;
	const struct identity *id;
	char *dump;
	json_t *doc;

	if (!l->next)
		text_appendf(out, "{\"schema_version\":%d,\"identities\":[", ADMIN_SCHEMA_VERSION);
	if (l->next == l->n) {
		text_append(out, "]}\n");
		return PRODUCE_END;
	}
	id = identity_by_number(l->agent->identities, l->numbers[l->next++]);
	if (!id)
		return PRODUCE_MORE;
	doc = view_identity(l->agent, id);
	dump = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	json_decref(doc);
	if (!dump)
		return PRODUCE_FAIL;
	text_append(out, l->comma ? "," : "");
	text_append(out, dump);
	free(dump);
	l->comma = true;
	return PRODUCE_MORE;
}

static void free_list(struct producer *p)
{
	struct list *l = (struct list *)p;

	free(l->numbers);
	free(l);
}

enum MHD_Result get_identities(struct request *r)
{
	struct error e = {0};
	uint64_t held = 0;
	bool bad = false;
	struct list *l;

	request_number(r, "held", 1, &held, &bad);
	if (bad) {
		error_set(&e, EINVAL, "/v1/identities", "held is 0 or 1");
		return reply_error(r, &e);
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		return MHD_NO;
	l->producer.next = next_identity;
	l->producer.free = free_list;
	l->agent = r->agent;
	identity_each(r->agent->identities, !held, note_number, l);
	if (l->failed) {
		free_list(&l->producer);
		return MHD_NO;
	}
	if (l->n)
		qsort(l->numbers, l->n, sizeof(*l->numbers), by_number);
	return reply_produced(r, "application/json", &l->producer);
}

/* ---- one -------------------------------------------------------------------------------------------------------- */

static void append_cgroup(json_t *list, const struct cgroup *cg)
{
	char path[PATH_MAX];

	if (cgroup_path(cg, path, sizeof(path)) == 0)
		json_array_append_new(list, json_pack("{s:I, s:o}", "id", (json_int_t)cg->id, "path", json_any(path)));
}

/* The workload's cgroups below cg; those of a workload further down are that one's. */
static void append_below(json_t *list, const struct cgroup *top)
{
	const struct cgroup *cg = top;

	for (;;) {
		bool own = cg == top || !cg->workload;

		if (own)
			append_cgroup(list, cg);
		if (own && cg->child) {
			cg = cg->child;
			continue;
		}
		while (cg != top && !cg->next)
			cg = cg->parent;
		if (cg == top)
			return;
		cg = cg->next;
	}
}

static json_t *workload_json(const struct workload *w)
{
	char path[PATH_MAX];

	if (cgroup_path(w->cgroup, path, sizeof(path)) < 0)
		path[0] = '\0';
	return json_pack("{s:o, s:s, s:o, s:s, s:I}", "cgroup", json_any(path), "source", w->source->ops->name,
			 "origin", json_any(w->origin), "class", latency_class_name(w->policy), "weight",
			 (json_int_t)PRISM_FLAGS_WEIGHT(w->policy));
}

enum MHD_Result get_identity(struct request *r)
{
	const struct identity *id = NULL;
	const struct workload *w;
	json_t *doc, *cgroups, *workloads;
	struct error e = {0};
	char *end;
	unsigned long number = strtoul(r->param, &end, 10);

	if (r->param[0] >= '0' && r->param[0] <= '9' && !*end && number <= PRISM_ID_LAST)
		id = identity_by_number(r->agent->identities, (uint32_t)number);
	if (!id) {
		error_set(&e, ENOENT, r->param, "no workload has this identity, and none had it lately");
		return reply_error(r, &e);
	}
	doc = view_identity(r->agent, id);
	cgroups = json_array();
	workloads = json_array();
	for (w = id->workloads; w; w = w->next) {
		json_array_append_new(workloads, workload_json(w));
		append_below(cgroups, w->cgroup);
	}
	if (json_object_set_new(doc, "cgroup_list", cgroups) < 0 ||
	    json_object_set_new(doc, "workloads", workloads) < 0) {
		json_decref(doc);
		doc = NULL;
	}
	return reply_json(r, MHD_HTTP_OK, doc);
}
