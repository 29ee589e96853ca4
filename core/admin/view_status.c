/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/status: is this node all right, and if not, what is to be done. */
#include <string.h>

#include "admin/room.h"
#include "base/util.h"

static const char *health_name(enum agent_health health)
{
	switch (health) {
	case AGENT_HEALTHY:
		return "healthy";
	case AGENT_DEGRADED:
		return "degraded";
	case AGENT_STARTING:
		break;
	}
	return "starting";
}

static void append_condition(void *arg, const char *subject, const char *text)
{
	json_array_append_new(arg, json_pack("{s:o, s:o}", "subject", json_any(subject), "text", json_any(text)));
}

static json_t *conditions(const struct agent *a)
{
	json_t *list = json_array();

	agent_conditions(a, append_condition, list);
	return list;
}

static json_t *bus_view(const struct agent *a)
{
	struct bus_stats stats;

	if (!a->bus)
		return json_null();
	bus_stats(a->bus, &stats);
	return json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b, s:o}", "dir",
			 json_any(a->settings->bus_dir), "entries", (json_int_t)stats.entries, "capacity",
			 (json_int_t)stats.capacity, "generation", (json_int_t)stats.generation, "staged",
			 (json_int_t)stats.staged, "writes", (json_int_t)stats.writes, "deletes",
			 (json_int_t)stats.deletes, "failures", (json_int_t)stats.failures, "full", stats.full, "lean",
			 stats.lean, "adopted", bus_adopted(a->bus), "note", json_any(bus_note(a->bus)));
}

static json_t *cgroup_view(const struct agent *a)
{
	const char *why = NULL, *mechanism = a->watch ? watch_mechanism(a->watch, &why) : NULL;

	return json_pack("{s:o, s:o, s:o, s:I}", "root", json_any(a->cgroup_root), "mechanism", json_any(mechanism),
			 "why_not_bpf", json_any(why), "count", (json_int_t)cgroups_count(a->cgroups));
}

static json_t *source_view(const struct agent *a)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < a->n_sources; i++) {
		_cleanup_(text_done) struct text summary = {0};
		struct source *s = a->source[i];

		if (s->ops->summary)
			s->ops->summary(s, &summary);
		json_array_append_new(list,
				      json_pack("{s:s, s:b, s:o}", "name", s->ops->name, "synced",
						!s->ops->synced || s->ops->synced(s), "text", json_any(summary.data)));
	}
	return list;
}

static json_t *propagation_view(const struct agent *a)
{
	const struct metrics *m = a->metrics;

	return json_pack("{s:o, s:o, s:I}", "p50", json_finite(metric_quantile(m, METRIC_PROPAGATION, 0.5)), "p99",
			 json_finite(metric_quantile(m, METRIC_PROPAGATION, 0.99)), "count",
			 (json_int_t)metric_get(m, METRIC_PROPAGATION, NULL));
}

static json_t *profile_names(const struct settings *s)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < s->n_profiles; i++)
		if (s->profiles[i].active)
			json_array_append_new(list, json_any(s->profiles[i].name));
	return list;
}

static json_t *file_names(const struct settings *s)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < s->n_files; i++)
		json_array_append_new(list, json_any(s->files[i]));
	return list;
}

static json_t *admin_view(const struct admin *admin)
{
	char name[160];

	return json_pack("{s:o, s:o}", "socket", json_any(admin->file.path), "metrics",
			 admin->machines ? json_any(listen_name(server_fd(admin->machines->server), name, sizeof(name)))
					 : json_null());
}

static json_t *event_view(const struct agent *a)
{
	return json_pack("{s:I, s:I}", "last_seq", (json_int_t)stream_last_seq(a->stream), "lost",
			 (json_int_t)stream_lost(a->stream));
}

json_t *view_status(const struct admin *admin)
{
	const struct agent *a = admin->agent;
	json_t *modules = view_modules(a);
	json_t *doc;

	doc = json_pack("{s:s, s:I, s:I, s:f, s:s, s:b, s:o, s:o, s:o, s:o}", "version", PRISM_VERSION, "pid",
			(json_int_t)getpid(), "started_ns", (json_int_t)a->started_ns, "uptime",
			(double)(monotonic_ns() - a->started_ns) / NS_PER_SEC, "health", health_name(agent_health(a)),
			"ready", agent_ready(a), "node", json_any(a->settings->node_name), "conditions", conditions(a),
			"cgroup", cgroup_view(a), "bus", bus_view(a));
	if (doc &&
	    json_object_update_new(doc, json_pack("{s:o, s:{s:I, s:I}, s:o, s:O, s:o, s:o, s:o, s:o, s:o}", "sources",
						  source_view(a), "identities", "live",
						  (json_int_t)identity_live(a->identities), "held",
						  (json_int_t)identity_held(a->identities), "propagation",
						  propagation_view(a), "modules", json_object_get(modules, "modules"),
						  "profiles", profile_names(a->settings), "config_files",
						  file_names(a->settings), "last_reload", json_problem(&a->last_reload),
						  "events", event_view(a), "admin", admin_view(admin))) < 0) {
		json_decref(doc);
		doc = NULL;
	}
	json_decref(modules);
	return doc;
}

enum MHD_Result get_status(struct request *r)
{
	return reply_json(r, MHD_HTTP_OK, view_status(r->admin));
}
