/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/explain: why has this process, cgroup, unit or pod the identity it has, or none. */
#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "admin/room.h"
#include "agent/workload.h"
#include "base/util.h"
#include "cgroup/mount.h"

/* ---- which cgroup is meant -------------------------------------------------------------------------------------- */

static struct cgroup *by_path(const struct agent *a, const char *text, struct error *e)
{
	char path[PATH_MAX];
	struct cgroup *cg;

	if (cgroup_path_below(a->cgroup_root, text, path, sizeof(path)) < 0) {
		error_set(e, ENAMETOOLONG, "cgroup", "the path is too long");
		return NULL;
	}
	cg = strcmp(path, "/") == 0 ? cgroups_root(a->cgroups) : cgroup_by_path(a->cgroups, path);
	if (!cg)
		error_set(e, ENOENT, path, "no such cgroup below %s", a->cgroup_root);
	return cg;
}

static struct cgroup *by_pid(const struct agent *a, const char *text, struct error *e)
{
	char path[PATH_MAX], *end;
	unsigned long pid = strtoul(text, &end, 10);
	int r;

	if (*text < '0' || *text > '9' || *end || !pid || pid > INT_MAX) {
		error_set(e, EINVAL, "pid", "\"%s\" is not a process id", text);
		return NULL;
	}
	r = cgroup_path_of_pid((int)pid, path, sizeof(path));
	if (r < 0) {
		error_set(e, r == -ESRCH ? ENOENT : -r, text, "%s",
			  r == -ENOENT || r == -ESRCH ? "no such process" : strerror(-r));
		return NULL;
	}
	return by_path(a, path, e);
}

struct unit_search {
	const char *name;
	struct cgroup *found;
};

static void match_unit(void *arg, struct cgroup *cg)
{
	struct unit_search *s = arg;
	size_t n = strlen(s->name);

	if (!s->found && strncmp(cg->name, s->name, n) == 0 && (!cg->name[n] || strcmp(cg->name + n, ".service") == 0))
		s->found = cg;
}

static struct cgroup *by_unit(const struct agent *a, const char *text, struct error *e)
{
	struct unit_search s = {.name = text};

	if (*text)
		cgroup_walk(cgroups_root(a->cgroups), match_unit, &s);
	if (!s.found)
		error_set(e, ENOENT, text, "no cgroup below %s is named like this unit", a->cgroup_root);
	return s.found;
}

struct pod_search {
	const struct agent *agent;
	char needle[300];
	struct cgroup *found;
};

/* A source that knows pods names them in the origin: "pod shop/checkout-7d4 (uid)". */
static void match_pod(void *arg, struct cgroup *cg)
{
	struct pod_search *s = arg;
	const struct workload *w = cg->workload;
	size_t n = strlen(s->needle);

	if (!s->found && w && strncmp(w->origin, s->needle, n) == 0 && (!w->origin[n] || w->origin[n] == ' '))
		s->found = cg;
}

static struct cgroup *by_pod(const struct agent *a, const char *text, struct error *e)
{
	struct pod_search s = {.agent = a};

	if ((size_t)snprintf(s.needle, sizeof(s.needle), "pod %s", text) < sizeof(s.needle))
		cgroup_walk(cgroups_root(a->cgroups), match_pod, &s);
	if (!s.found)
		error_set(e, ENOENT, text, "no cgroup of this node is such a pod's");
	return s.found;
}

static struct cgroup *find_target(const struct request *r, struct error *e)
{
	static const struct {
		const char *name;
		struct cgroup *(*find)(const struct agent *a, const char *text, struct error *e);
	} kinds[] = {{"cgroup", by_path}, {"pid", by_pid}, {"unit", by_unit}, {"pod", by_pod}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		const char *text = request_arg(r, kinds[i].name);

		if (text)
			return kinds[i].find(r->agent, text, e);
	}
	error_set(e, EINVAL, "/v1/explain", "say what: cgroup=PATH, pid=N, unit=NAME or pod=NAMESPACE/NAME");
	return NULL;
}

/* ---- what the kernel says --------------------------------------------------------------------------------------- */

/* From the map itself, not from what prismd remembers: this is what consumers see. */
static bool entry_of(const struct agent *a, const struct cgroup *cg, struct prism_identity *ret)
{
	return a->bus && bpf_map_lookup_elem(bus_fd(a->bus), &cg->id, ret) == 0;
}

/* From the cgroup up to the root; the nearest one with an entry answers. */
static json_t *chain_json(const struct agent *a, const struct cgroup *cg, uint32_t *ret_number)
{
	json_t *chain = json_array();
	struct prism_identity entry;
	char path[PATH_MAX];
	bool answered = false;

	*ret_number = PRISM_ID_UNKNOWN;
	for (; cg; cg = cg->parent) {
		bool has = entry_of(a, cg, &entry);

		if (has && !answered)
			*ret_number = entry.identity;
		if (cgroup_path(cg, path, sizeof(path)) < 0)
			path[0] = '\0';
		json_array_append_new(chain,
				      json_pack("{s:o, s:I, s:o, s:o, s:b, s:b}", "path", json_any(path), "id",
						(json_int_t)cg->id, "identity",
						has ? json_integer((json_int_t)entry.identity) : json_null(), "flags",
						has ? json_integer((json_int_t)entry.flags) : json_null(), "workload",
						cg->workload != NULL, "answered", has && !answered));
		answered |= has;
	}
	return chain;
}

/* ---- what prismd says ------------------------------------------------------------------------------------------- */

static int put_labels(json_t *doc, const struct agent *a, const struct workload_spec *spec)
{
	json_t *kept = json_object(), *dropped = json_array();
	size_t i;

	for (i = 0; i < spec->n_labels; i++) {
		const struct prism_label *l = &spec->labels[i];
		const char *pattern = NULL;

		if (label_counts(a->label_filter, l->key, &pattern))
			json_put(kept, l->key, json_any(l->value));
		else
			json_array_append_new(dropped, json_pack("{s:o, s:o, s:o}", "key", json_any(l->key), "value",
								 json_any(l->value), "pattern", json_any(pattern)));
	}
	return json_object_set_new(doc, "labels_kept", kept) | json_object_set_new(doc, "labels_dropped", dropped);
}

/* Which labels it had before the filter is the source's to say, so it is asked again. */
static int put_workload(json_t *doc, const struct agent *a, const struct workload *w)
{
	struct workload_spec spec;
	char path[PATH_MAX];
	int r;

	if (cgroup_path(w->cgroup, path, sizeof(path)) < 0)
		return -ENAMETOOLONG;
	r = json_object_set_new(doc, "workload", json_any(path)) |
	    json_object_set_new(doc, "source", json_string(w->source->ops->name)) |
	    json_object_set_new(doc, "origin", json_any(w->origin)) |
	    json_object_set_new(doc, "canonical", json_any(w->identity->canonical)) |
	    json_object_set_new(doc, "class", json_string(latency_class_name(w->policy))) |
	    json_object_set_new(doc, "weight", json_integer((json_int_t)PRISM_FLAGS_WEIGHT(w->policy))) |
	    json_object_set_new(doc, "class_unreadable", json_boolean(w->bad & 1)) |
	    json_object_set_new(doc, "weight_unreadable", json_boolean(w->bad & 2));
	if (w->source->ops->claim(w->source, w->cgroup, path, &spec))
		r |= put_labels(doc, a, &spec);
	return r;
}

/* How the number came about, in words. */
static json_t *chosen_json(const struct agent *a, const struct identity *id)
{
	const struct identity *other = identity_by_number(a->identities, id->candidate);
	char text[512];

	if (id->candidate == id->number)
		snprintf(text, sizeof(text), "the hash of the canonical form points at %u", id->number);
	else if (other)
		snprintf(text, sizeof(text), "the hash points at %u, which %s has: stepped over to %u", id->candidate,
			 other->name, id->number);
	else
		snprintf(text, sizeof(text),
			 "the hash points at %u, which another form had when this number was given; numbers do not "
			 "change",
			 id->candidate);
	return json_pack("{s:s, s:o}", "how", id->candidate == id->number ? "candidate" : "displaced", "text",
			 json_any(text));
}

static json_t *sources_json(const struct agent *a, const struct cgroup *cg)
{
	json_t *list = json_array();
	char path[PATH_MAX];
	unsigned int i;

	if (cgroup_path(cg, path, sizeof(path)) < 0)
		return list;
	for (i = 0; i < a->n_sources; i++) {
		_cleanup_(text_done) struct text why = {0};
		struct source *s = a->source[i];

		if (s->ops->explain)
			s->ops->explain(s, path, &why);
		json_array_append_new(list, json_pack("{s:s, s:o}", "name", s->ops->name, "text",
						      json_any(why.data ? why.data : "")));
	}
	return list;
}

static void append_module(void *arg, const char *module, const char *line)
{
	json_array_append_new(arg, json_pack("{s:o, s:o}", "name", json_any(module), "text", json_any(line)));
}

static json_t *modules_json(const struct agent *a, const struct identity *id)
{
	json_t *list = json_array();
	struct prism_workload w;

	if (!a->host)
		return list;
	identity_workload(id, host_facets(a->host, id->number), &w);
	host_explain(a->host, &w, append_module, list);
	return list;
}

/* Entry and memory agree, or a write is waiting, or somebody else wrote: say which. */
static json_t *note_json(const struct agent *a, uint32_t number, const struct identity *id)
{
	if (!a->bus || number == (id ? id->number : PRISM_ID_UNKNOWN))
		return json_null();
	if (bus_staged(a->bus))
		return json_string("the bus says something else: changes wait to be written, see prismctl status");
	return json_string("the bus says something else than prismd: see prismctl doctor");
}

static json_t *explain(const struct agent *a, const struct cgroup *cg)
{
	const struct workload *w = workload_of(cg);
	const struct identity *id = w ? w->identity : NULL;
	json_t *doc, *chain;
	char path[PATH_MAX];
	uint32_t number;

	if (cgroup_path(cg, path, sizeof(path)) < 0)
		return NULL;
	chain = chain_json(a, cg, &number);
	/* Sources speak of the cgroup that decides: the workload's own, or this one when there is none. */
	doc = json_pack("{s:o, s:o, s:b, s:o, s:o, s:o}", "path", json_any(path), "chain", chain, "managed", id != NULL,
			"identity", id ? view_identity(a, id) : json_null(), "sources",
			sources_json(a, w ? w->cgroup : cg), "note", note_json(a, number, id));
	if (doc && w &&
	    (json_object_set_new(doc, "chosen", chosen_json(a, id)) | put_workload(doc, a, w) |
	     json_object_set_new(doc, "modules", modules_json(a, id))) < 0) {
		json_decref(doc);
		doc = NULL;
	}
	return doc;
}

enum MHD_Result get_explain(struct request *r)
{
	struct error e = {0};
	struct cgroup *cg = find_target(r, &e);

	return cg ? reply_json(r, MHD_HTTP_OK, explain(r->agent, cg)) : reply_error(r, &e);
}
