/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/announce.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/pipeline.h"
#include "agent/workload.h"
#include "base/log.h"
#include "base/util.h"

struct item {
	struct identity *id;
	bool added;
};

struct announcer {
	struct agent *agent;
	struct item *queue;
	size_t n, capacity;
};

static void put_event(struct announcer *a, const struct identity *id, const char *change, uint32_t flags)
{
	char facets[256];
	struct prism_field fields[] = {
		{.key = "change", .kind = PRISM_FIELD_TEXT, .v.text = change},
		{.key = "service_account", .kind = PRISM_FIELD_TEXT, .v.text = id->service_account},
		{.key = "canonical", .kind = PRISM_FIELD_TEXT, .v.text = id->canonical},
		{.key = "cgroups", .kind = PRISM_FIELD_UNSIGNED, .v.u = id->n_cgroups},
	};
	struct stream_tag tag = {
		.source = "prism",
		.type = "identity",
		.workload = id->name,
		.namespace_name = id->namespace_name,
		.facets = host_facet_names(a->agent->host, flags, facets, sizeof(facets)),
		.latency_class = latency_class_name(id->policy),
		.weight = PRISM_FLAGS_WEIGHT(id->policy),
	};
	struct prism_event event = {
		.size = sizeof(event),
		.identity = id->number,
		.flags = flags,
		.fields = fields,
		.n_fields = ARRAY_SIZE(fields),
		.field_size = sizeof(fields[0]),
	};

	stream_put(a->agent->stream, &tag, &event);
}

static void tell(struct announcer *a, enum prism_change change, const char *name, const struct identity *id)
{
	struct prism_workload w;

	identity_workload(id, host_facets(a->agent->host, id->number), &w);
	host_identity(a->agent->host, change, &w);
	/* Modules may have claimed it just now. */
	put_event(a, id, name, id->policy | host_facets(a->agent->host, id->number));
}

void announce_present(struct announcer *a, struct identity *id, bool first)
{
	struct item *grown;
	size_t want;

	if (a->n == a->capacity) {
		want = a->capacity ? a->capacity * 2 : 64;
		grown = reallocarray(a->queue, want, sizeof(*grown));
		if (!grown) {
			log_error("agent", "out of memory: modules do not hear of identity %u", id->number);
			return;
		}
		a->queue = grown;
		a->capacity = want;
	}
	a->queue[a->n++] = (struct item){.id = id, .added = first};
	id->queued = true;
}

/* On the bus with at least one of its cgroups: what a full map keeps waiting is not said before it is true. */
static bool written(const struct announcer *a, const struct identity *id)
{
	const struct workload *w;

	if (!bus_staged(a->agent->bus))
		return true;
	for (w = id->workloads; w; w = w->next)
		if (bus_is_written(a->agent->bus, w->cgroup->id))
			return true;
	return false;
}

void announce_flush(struct announcer *a)
{
	size_t i, kept = 0;

	/* A module's answer may queue nothing itself, so the queue does not grow under this loop. */
	for (i = 0; i < a->n; i++) {
		struct item item = a->queue[i];

		if (!written(a, item.id)) {
			a->queue[kept++] = item;
			continue;
		}
		item.id->queued = false;
		tell(a, item.added ? PRISM_IDENTITY_ADDED : PRISM_IDENTITY_CHANGED, item.added ? "added" : "changed",
		     item.id);
	}
	a->n = kept;
}

/* It never was on the bus, so nobody is told of it at all. */
static void forget(struct announcer *a, struct identity *id)
{
	size_t i, kept = 0;

	for (i = 0; i < a->n; i++)
		if (a->queue[i].id != id)
			a->queue[kept++] = a->queue[i];
	a->n = kept;
	id->queued = false;
}

void announce_removed(struct announcer *a, struct identity *id, struct pipeline *p)
{
	if (id->queued)
		pipeline_flush(p);
	if (id->queued)
		forget(a, id);
	else
		tell(a, PRISM_IDENTITY_REMOVED, "removed", id);
}

void announce_released(struct announcer *a, const struct identity *id)
{
	tell(a, PRISM_IDENTITY_RELEASED, "released", id);
}

int announcer_new(struct agent *agent, struct announcer **ret)
{
	struct announcer *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->agent = agent;
	*ret = a;
	return 0;
}

void announcer_free(struct announcer *a)
{
	if (!a)
		return;
	free(a->queue);
	free(a);
}
