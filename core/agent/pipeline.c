/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path of a workload, from end to end:
 *
 *     a cgroup appears              pipeline_cgroup_added()    cgroup/watch.c saw it
 *     whose is it?                  consult()                  sources, in order of precedence: workload and labels
 *     which identity is that?       identify()                 labels -> canonical form -> number
 *     what do consumers see?        stage_subtree()            an entry for its cgroup and for every one below
 *     write it                      pipeline_flush()           BUS first,
 *     tell it                       announce()                 then modules
 *
 * and back, in the opposite order: pipeline_cgroup_removed() tells the modules first, then the entry goes.
 */
#include "agent/pipeline.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "agent/announce.h"
#include "base/log.h"
#include "base/util.h"

#define MAX_BATCH 4096 /* staged changes before a flush that does not wait for the end of the events at hand */

struct pipeline {
	struct agent *agent;
	struct announcer *announcer;
	struct text canonical;
	uint64_t *received; /* when each change of this batch was taken in */
	size_t n_received, capacity;
	int flush_result; /* of the last flush */
};

/* ---- whose is it? ---- */

static struct source *consult(struct pipeline *p, struct cgroup *cg, const char *path, struct workload_spec *ret)
{
	struct agent *a = p->agent;
	unsigned int i;

	for (i = 0; i < a->n_sources; i++)
		if (a->source[i]->ops->claim(a->source[i], cg, path, ret))
			return a->source[i];
	return NULL;
}

struct workload *pipeline_workload_of(const struct cgroup *cg)
{
	for (; cg; cg = cg->parent)
		if (cg->workload)
			return cg->workload;
	return NULL;
}

/* ---- which identity is that? ---- */

static void count_bad_policy(struct pipeline *p, const struct workload_spec *spec, unsigned int bad)
{
	if (bad & 1) {
		metric_add(p->agent->metrics, METRIC_POLICY_INVALID, "latency-class", 1);
		log_warning("identity", "%s: latency class \"%s\" is not critical, normal or batch: it counts as unset",
			    spec->origin, spec->latency_class);
	}
	if (bad & 2) {
		metric_add(p->agent->metrics, METRIC_POLICY_INVALID, "weight", 1);
		log_warning("identity", "%s: weight \"%s\" is not a number from 1 to 127: it counts as unset",
			    spec->origin, spec->weight);
	}
}

/* The number that the adopted bus shows for this cgroup, if it was given for this very form. */
static uint32_t adopted_number(struct pipeline *p, const struct cgroup *cg)
{
	const struct prism_identity *entry = bus_adopted_entry(p->agent->bus, cg->id);

	if (!entry || entry->label_hash != label_hash(p->canonical.data, p->canonical.len))
		return 0;
	return entry->identity;
}

static int identify(struct pipeline *p, struct cgroup *cg, const struct workload_spec *spec, struct identity **ret)
{
	struct agent *a = p->agent;
	bool made;
	int r;

	text_clear(&p->canonical);
	r = canonical_form(spec, a->label_filter, &p->canonical);
	if (r == 0)
		r = identity_acquire(a->identities, p->canonical.data, adopted_number(p, cg), agent_clock_ns(a), ret,
				     &made);
	if (r < 0) {
		metric_add(a->metrics, METRIC_ALLOC_FAILURES, NULL, 1);
		log_error("identity", "%s: no number for %s: %s", spec->origin,
			  p->canonical.data ? p->canonical.data : "it", strerror(-r));
		return r;
	}
	if (made)
		metric_add(a->metrics, METRIC_IDENTITIES_ALLOCATED, NULL, 1);
	return 0;
}

static void link_workload(struct workload *w)
{
	struct workload *first = w->identity->workloads;

	w->next = first;
	w->prev = (struct workload **)&w->identity->workloads;
	if (first)
		first->prev = &w->next;
	w->identity->workloads = w;
}

static void workload_free(struct workload *w)
{
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w->origin);
	free(w);
}

static struct workload *workload_new(struct pipeline *p, struct cgroup *cg, struct source *source,
				     const struct workload_spec *spec)
{
	struct workload *w = calloc(1, sizeof(*w));
	unsigned int bad;

	if (!w)
		return NULL;
	w->origin = strdup(spec->origin ? spec->origin : source->ops->name);
	if (!w->origin || identify(p, cg, spec, &w->identity) < 0) {
		free(w->origin);
		free(w);
		return NULL;
	}
	w->cgroup = cg;
	w->source = source;
	w->policy = policy_flags(spec->latency_class, spec->weight, &bad);
	w->bad = bad;
	count_bad_policy(p, spec, bad);
	link_workload(w);
	return w;
}

/* ---- what do consumers see? ---- */

static uint32_t facets_of(struct pipeline *p, const struct cgroup *cg, const struct identity *id)
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

static void stage_one(struct pipeline *p, struct cgroup *cg, const struct workload *w, bool visible)
{
	if (!w)
		bus_stage_delete(p->agent->bus, cg->id);
	else if (bus_stage(p->agent->bus, cg->id, w->identity->number, w->policy | facets_of(p, cg, w->identity),
			   w->identity->hash, visible) < 0)
		log_error("bus", "out of memory: no entry for cgroup id %llu", (unsigned long long)cg->id);
}

/* The cgroup and all below it that have no workload of their own. before: whose they were until now. */
static void stage_subtree(struct pipeline *p, struct cgroup *cg, const struct workload *before,
			  const struct workload *now, bool count)
{
	struct cgroup *child;

	if (count && before)
		before->identity->n_cgroups--;
	if (count && now)
		now->identity->n_cgroups++;
	stage_one(p, cg, now, true);
	for (child = cg->child; child; child = child->next)
		if (!child->workload)
			stage_subtree(p, child, before, now, count);
}

static void note_received(struct pipeline *p, uint64_t received_ns)
{
	/* What was there before prismd was is no event. */
	if (p->agent->synced && p->n_received < p->capacity)
		p->received[p->n_received++] = received_ns;
}

static void flush_if_large(struct pipeline *p)
{
	if (bus_staged(p->agent->bus) >= MAX_BATCH)
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
	struct workload *above = cg->parent ? pipeline_workload_of(cg->parent) : NULL;

	if (old)
		say_goodbye(p, old);
	if (now) {
		bus_root_level(p->agent->bus, cg->level, 1);
		if (now->identity->refs == 1 || now->identity->policy != now->policy)
			announce_present(p->announcer, now->identity, now->identity->refs == 1);
		now->identity->policy = now->policy;
	}
	cg->workload = now;
	stage_subtree(p, cg, old ? old : above, now ? now : above, true);
	if (old)
		release(p, old);
	metric_add(p->agent->metrics, METRIC_PODS_PROCESSED, !old ? "added" : now ? "updated" : "deleted", 1);
}

static bool same_workload(const struct workload *a, const struct workload *b)
{
	return a && b && a->identity == b->identity && a->policy == b->policy && a->source == b->source;
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
		now = workload_new(p, cg, source, &spec);
		if (!now)
			return; /* no number, no memory: what was, stays */
	}
	if (same_workload(old, now)) {
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
	struct workload *above = cg->parent ? pipeline_workload_of(cg->parent) : NULL;

	if (above)
		above->identity->n_cgroups++;
	pipeline_reconsider(p, cg);
	/* It inherits; a consumer's walk has said the same until now. */
	if (above && !cg->workload)
		stage_one(p, cg, above, false);
	if (above || cg->workload)
		note_received(p, received_ns);
	flush_if_large(p);
}

void pipeline_cgroup_removed(struct pipeline *p, struct cgroup *cg)
{
	struct workload *w = pipeline_workload_of(cg), *own = cg->workload;
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

/* Said once, when it begins and when it ends. */
static void report_flush(struct pipeline *p, int r)
{
	if (r == p->flush_result)
		return;
	p->flush_result = r;
	if (r == -ENOSPC)
		log_error("bus", "the map is full: %zu entries wait; raise bus.capacity and run `prismctl cleanup`",
			  bus_staged(p->agent->bus));
	else if (r < 0)
		log_error("bus", "writing entries: %s; %zu wait and are tried again", strerror(-r),
			  bus_staged(p->agent->bus));
	else
		log_info("bus", "everything that waited is written");
}

static void observe_propagation(struct pipeline *p)
{
	uint64_t now = monotonic_ns();
	size_t i;

	for (i = 0; i < p->n_received; i++)
		metric_observe(p->agent->metrics, METRIC_PROPAGATION,
			       p->received[i] < now ? (double)(now - p->received[i]) / 1e9 : 0);
	p->n_received = 0;
}

void pipeline_flush(struct pipeline *p)
{
	struct agent *a = p->agent;
	int r;

	if (!a->synced)
		return; /* the start-up walk is written as a whole */
	r = bus_flush(a->bus);
	report_flush(p, r);
	if (r == 0)
		observe_propagation(p);
	announce_flush(p->announcer);
	metric_set(a->metrics, METRIC_LIVE_IDENTITIES, NULL, identity_live(a->identities));
	metric_set(a->metrics, METRIC_HELD_IDENTITIES, NULL, identity_held(a->identities));
}

void pipeline_released(struct pipeline *p, const struct identity *id)
{
	announce_released(p->announcer, id);
}

static void restage_identity(struct pipeline *p, struct identity *id)
{
	struct workload *w;

	for (w = id->workloads; w; w = w->next)
		stage_subtree(p, w->cgroup, w, w, false);
}

static void restage_each(void *arg, struct identity *id)
{
	restage_identity(arg, id);
}

void pipeline_facets_changed(struct pipeline *p, uint32_t number)
{
	struct identity *id = number ? identity_by_number(p->agent->identities, number) : NULL;

	if (id)
		restage_identity(p, id);
	else if (!number)
		identity_each(p->agent->identities, true, restage_each, p);
	/* Before the first sync is done nothing may be written piecemeal over what was adopted. */
	if (p->agent->synced)
		bus_flush(p->agent->bus);
}

/* ---- life ---- */

int pipeline_new(struct agent *agent, struct pipeline **ret)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->agent = agent;
	p->capacity = MAX_BATCH;
	p->received = calloc(p->capacity, sizeof(*p->received));
	if (!p->received || announcer_new(agent, &p->announcer) < 0) {
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
	text_done(&p->canonical);
	free(p->received);
	free(p);
}
