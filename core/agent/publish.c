/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

struct publisher {
	struct agent *agent;
	uint64_t received[PUBLISH_BATCH]; /* when each change of this batch was taken in */
	size_t n_received;
	int result; /* of the last flush */
};

static uint32_t facets_of(struct publisher *p, const struct cgroup *cg, const struct identity *id)
{
	uint32_t facets = host_facets(p->agent->host, id->number);
	const struct prism_identity *entry;

	/* Until the modules have come to rest, an adopted entry keeps the facets of the run before. */
	if (!p->agent->modules_rested) {
		entry = bus_entry(p->agent->bus, cg->id);
		if (entry && entry->identity == id->number)
			facets |= entry->flags & PRISM_FACET_MASK;
	}
	return facets;
}

void publish_one(struct publisher *p, struct cgroup *cg, const struct workload *w, bool visible)
{
	if (!w)
		bus_stage_delete(p->agent->bus, cg->id);
	else if (bus_stage(p->agent->bus, cg->id, w->identity->number, w->policy | facets_of(p, cg, w->identity),
			   w->identity->hash, visible) < 0)
		log_error("bus", "out of memory: no entry for cgroup id %llu", (unsigned long long)cg->id);
}

/* The cgroup and all below it that have no workload of their own. before: whose they were until now. */
static void stage(struct publisher *p, struct cgroup *cg, const struct workload *before, const struct workload *now,
		  bool count)
{
	struct cgroup *child;

	if (count && before)
		before->identity->n_cgroups--;
	if (count && now)
		now->identity->n_cgroups++;
	publish_one(p, cg, now, true);
	for (child = cg->child; child; child = child->next)
		if (!child->workload)
			stage(p, child, before, now, count);
}

void publish_subtree(struct publisher *p, struct cgroup *cg, const struct workload *before, const struct workload *now)
{
	stage(p, cg, before, now, true);
}

void publish_identity(struct publisher *p, const struct identity *id)
{
	struct workload *w;

	for (w = id->workloads; w; w = w->next)
		stage(p, w->cgroup, w, w, false);
}

void publish_received(struct publisher *p, uint64_t received_ns)
{
	/* What was there before prismd was is no event. */
	if (p->agent->synced && p->n_received < PUBLISH_BATCH)
		p->received[p->n_received++] = received_ns;
}

/* Said once, when it begins and when it ends. */
static void report_flush(struct publisher *p, int r)
{
	if (r == p->result)
		return;
	p->result = r;
	if (r == -ENOSPC)
		log_error("bus", "the map is full: %zu entries wait; raise bus.capacity and run `prismctl cleanup`",
			  bus_staged(p->agent->bus));
	else if (r < 0)
		log_error("bus", "writing entries: %s; %zu wait and are tried again", strerror(-r),
			  bus_staged(p->agent->bus));
	else
		log_info("bus", "everything that waited is written");
}

static void observe_propagation(struct publisher *p)
{
	uint64_t now = monotonic_ns();
	size_t i;

	for (i = 0; i < p->n_received; i++)
		metric_observe(p->agent->metrics, METRIC_PROPAGATION,
			       p->received[i] < now ? (double)(now - p->received[i]) / 1e9 : 0);
	p->n_received = 0;
}

bool publish_due(const struct publisher *p)
{
	return bus_staged(p->agent->bus) >= PUBLISH_BATCH;
}

int publish_flush(struct publisher *p)
{
	int r = bus_flush(p->agent->bus);

	report_flush(p, r);
	if (r == 0)
		observe_propagation(p);
	return r;
}

int publisher_new(struct agent *agent, struct publisher **ret)
{
	struct publisher *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->agent = agent;
	*ret = p;
	return 0;
}

void publisher_free(struct publisher *p)
{
	free(p);
}
