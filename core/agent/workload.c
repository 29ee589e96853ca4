/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/workload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

struct workload *workload_of(const struct cgroup *cg)
{
	for (; cg; cg = cg->parent)
		if (cg->workload)
			return cg->workload;
	return NULL;
}

static void count_bad_policy(struct agent *a, const struct workload_spec *spec, unsigned int bad)
{
	if (bad & 1) {
		metric_add(a->metrics, METRIC_POLICY_INVALID, "latency-class", 1);
		log_warning("identity", "%s: latency class \"%s\" is not critical, normal or batch: it counts as unset",
			    spec->origin, spec->latency_class);
	}
	if (bad & 2) {
		metric_add(a->metrics, METRIC_POLICY_INVALID, "weight", 1);
		log_warning("identity", "%s: weight \"%s\" is not a number from 1 to 127: it counts as unset",
			    spec->origin, spec->weight);
	}
}

/* The number that the adopted bus shows for this cgroup, if it was given for this very form. */
static uint32_t adopted_number(struct agent *a, const struct cgroup *cg, const struct text *canonical)
{
	const struct prism_identity *entry = bus_adopted_entry(a->bus, cg->id);

	if (!entry || entry->label_hash != label_hash(canonical->data, canonical->len))
		return 0;
	return entry->identity;
}

/* labels -> canonical form -> number */
static int identify(struct agent *a, struct cgroup *cg, const struct workload_spec *spec, struct identity **ret)
{
	struct text canonical = {0};
	bool made = false;
	int r;

	r = canonical_form(spec, a->label_filter, &canonical);
	if (r == 0)
		r = identity_acquire(a->identities, canonical.data, adopted_number(a, cg, &canonical),
				     agent_clock_ns(a), ret, &made);
	if (r < 0) {
		metric_add(a->metrics, METRIC_ALLOC_FAILURES, NULL, 1);
		log_error("identity", "%s: no number for %s: %s", spec->origin, canonical.data ? canonical.data : "it",
			  strerror(-r));
	} else if (made) {
		metric_add(a->metrics, METRIC_IDENTITIES_ALLOCATED, NULL, 1);
	}
	text_done(&canonical);
	return r;
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

void workload_free(struct workload *w)
{
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w->origin);
	free(w);
}

struct workload *workload_new(struct agent *a, struct cgroup *cg, struct source *source,
			      const struct workload_spec *spec)
{
	struct workload *w = calloc(1, sizeof(*w));
	unsigned int bad;

	if (!w)
		return NULL;
	w->origin = strdup(spec->origin ? spec->origin : source->ops->name);
	if (!w->origin || identify(a, cg, spec, &w->identity) < 0) {
		free(w->origin);
		free(w);
		return NULL;
	}
	w->cgroup = cg;
	w->source = source;
	w->policy = policy_flags(spec->latency_class, spec->weight, &bad);
	w->bad = bad;
	count_bad_policy(a, spec, bad);
	link_workload(w);
	return w;
}

bool workload_same(const struct workload *a, const struct workload *b)
{
	return a && b && a->identity == b->identity && a->policy == b->policy && a->source == b->source;
}
