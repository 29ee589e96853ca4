/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of a workload, from end to end:
 *
 *     a cgroup appears              pipeline_cgroup_added()    cgroup/watch.c saw it
 *     whose is it?                  consult()                  sources, in order of precedence: workload and labels
 *     which identity is that?       workload_new()             workload.c: labels -> canonical form -> number
 *     what do consumers see?        publish_subtree()          publish.c: an entry for its cgroup and every one below
 *     write it                      publish_flush()            BUS first,
 *     tell it                       announce_flush()           then modules (announce.c)
 *
 * and back, in the opposite order: pipeline_cgroup_removed() tells the modules first, then the entry goes.
 */
#include "agent/pipeline.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "agent/announce.h"
#include "agent/publish.h"
#include "agent/workload.h"
#include "base/util.h"

struct pipeline {
	struct agent *agent;
	struct publisher *publisher;
	struct announcer *announcer;
};

/* Whose is it? */
static struct source *consult(struct pipeline *p, struct cgroup *cg, const char *path, struct workload_spec *ret)
{
	struct agent *a = p->agent;
	unsigned int i;

	for (i = 0; i < a->n_sources; i++)
		if (a->source[i]->ops->claim(a->source[i], cg, path, ret))
			return a->source[i];
	return NULL;
}

static void flush_if_large(struct pipeline *p)
{
	if (publish_due(p->publisher))
		pipeline_flush(p);
}

/* ---- arrival, change, departure of a workload at one cgroup ---- */

/* Before anything of it is taken away. */
static void say_goodbye(struct pipeline *p, struct workload *w)
{
	if (w->identity->refs == 1)
		announce_removed(p->announcer, w->identity, p);
}

static void release(struct pipeline *p, struct workload *w)
{
	struct identity *id = w->identity;
	const struct workload *left;

	bus_root_level(p->agent->bus, w->cgroup->level, -1);
	identity_release(p->agent->identities, id, agent_clock_ns(p->agent));
	workload_free(w);
	/* What modules are told of its class and weight is that of a workload that is there. */
	left = id->workloads;
	if (left && left->policy != id->policy) {
		id->policy = left->policy;
		announce_present(p->announcer, id, false);
	}
}

/* This cgroup's own workload is now this one (NULL: none). */
static void set_workload(struct pipeline *p, struct cgroup *cg, struct workload *now)
{
	struct workload *old = cg->workload;
	struct workload *above = cg->parent ? workload_of(cg->parent) : NULL;

	if (old)
		say_goodbye(p, old);
	if (now) {
		bus_root_level(p->agent->bus, cg->level, 1);
		if (now->identity->refs == 1 || now->identity->policy != now->policy)
			announce_present(p->announcer, now->identity, now->identity->refs == 1);
		now->identity->policy = now->policy;
	}
	cg->workload = now;
	publish_subtree(p->publisher, cg, old ? old : above, now ? now : above);
	if (old)
		release(p, old);
	metric_add(p->agent->metrics, METRIC_PODS_PROCESSED, !old ? "added" : now ? "updated" : "deleted", 1);
}

void pipeline_reconsider(struct pipeline *p, struct cgroup *cg)
{
	struct workload *old = cg->workload, *now = NULL;
	struct workload_spec spec;
	struct source *source;
	char path[PATH_MAX];

	if (cgroup_path(cg, path, sizeof(path)) < 0)
		return;
	source = consult(p, cg, path, &spec);
	if (source) {
		now = workload_new(p->agent, cg, source, &spec);
		if (!now)
			return; /* no number, no memory: what was, stays */
	}
	if (workload_same(old, now)) {
		/* Only where it is written has changed. */
		free(old->origin);
		old->origin = TAKE_PTR(now->origin);
		identity_release(p->agent->identities, now->identity, agent_clock_ns(p->agent));
		workload_free(now);
		return;
	}
	if (old || now)
		set_workload(p, cg, now);
	flush_if_large(p);
}

void pipeline_cgroup_added(struct pipeline *p, struct cgroup *cg, uint64_t received_ns)
{
	struct workload *above = cg->parent ? workload_of(cg->parent) : NULL;

	if (p->agent->synced)
		cg->made_ns = received_ns;
	if (above)
		above->identity->n_cgroups++;
	pipeline_reconsider(p, cg);
	/* It inherits; a consumer's walk has said the same until now. */
	if (above && !cg->workload)
		publish_one(p->publisher, cg, above, false);
	if (above || cg->workload)
		publish_received(p->publisher, received_ns);
	flush_if_large(p);
}

void pipeline_cgroup_removed(struct pipeline *p, struct cgroup *cg)
{
	struct workload *w = workload_of(cg), *own = cg->workload;
	unsigned int i;

	for (i = 0; i < p->agent->n_sources; i++)
		if (p->agent->source[i]->ops->gone)
			p->agent->source[i]->ops->gone(p->agent->source[i], cg);
	if (own)
		say_goodbye(p, own);
	if (w)
		w->identity->n_cgroups--;
	if (own) {
		cg->workload = NULL;
		release(p, own);
		metric_add(p->agent->metrics, METRIC_PODS_PROCESSED, "deleted", 1);
	}
	bus_stage_delete(p->agent->bus, cg->id);
	flush_if_large(p);
}

static void reconsider_one(void *arg, struct cgroup *cg)
{
	pipeline_reconsider(arg, cg);
}

void pipeline_cgroup_renamed(struct pipeline *p, struct cgroup *cg)
{
	/* Its path is part of every path below it. */
	cgroup_walk(cg, reconsider_one, p);
}

void pipeline_refilter(struct pipeline *p)
{
	cgroup_walk(cgroups_root(p->agent->cgroups), reconsider_one, p);
	pipeline_flush(p);
}

/* ---- write it, then tell it ---- */

static void tell_sources(struct agent *a)
{
	unsigned int i;

	for (i = 0; i < a->n_sources; i++)
		if (a->source[i]->ops->flushed)
			a->source[i]->ops->flushed(a->source[i]);
}

void pipeline_received(struct pipeline *p, uint64_t received_ns)
{
	publish_received(p->publisher, received_ns);
}

void pipeline_flush(struct pipeline *p)
{
	struct agent *a = p->agent;

	if (!a->synced)
		return; /* the start-up walk is written as a whole */
	if (publish_flush(p->publisher) == 0)
		tell_sources(a);
	announce_flush(p->announcer);
	metric_set(a->metrics, METRIC_LIVE_IDENTITIES, NULL, identity_live(a->identities));
	metric_set(a->metrics, METRIC_HELD_IDENTITIES, NULL, identity_held(a->identities));
}

void pipeline_released(struct pipeline *p, const struct identity *id)
{
	announce_released(p->announcer, id);
}

static void republish(void *arg, struct identity *id)
{
	publish_identity(((struct pipeline *)arg)->publisher, id);
}

void pipeline_facets_changed(struct pipeline *p, uint32_t number)
{
	struct identity *id = number ? identity_by_number(p->agent->identities, number) : NULL;

	if (id)
		republish(p, id);
	else if (!number)
		identity_each(p->agent->identities, true, republish, p);
	/* Before the first sync is done nothing may be written piecemeal over what was adopted. */
	if (p->agent->synced)
		publish_flush(p->publisher);
}

/* ---- life ---- */

int pipeline_new(struct agent *agent, struct pipeline **ret)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->agent = agent;
	if (publisher_new(agent, &p->publisher) < 0 || announcer_new(agent, &p->announcer) < 0) {
		pipeline_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

static void free_workload(void *arg, struct cgroup *cg)
{
	(void)arg;
	if (cg->workload)
		workload_free(TAKE_PTR(cg->workload));
}

void pipeline_free(struct pipeline *p)
{
	if (!p)
		return;
	if (p->agent->cgroups)
		cgroup_walk(cgroups_root(p->agent->cgroups), free_workload, NULL);
	announcer_free(p->announcer);
	publisher_free(p->publisher);
	free(p);
}
