/* SPDX-License-Identifier: Apache-2.0 */
/* What the API server says of pods, brought to their cgroups. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "pods/room.h"

/* ---- a pod changes ---- */

/* What looked like a pod's cgroup below it is part of it, now that it is known. */
static void reconsider_nested(void *arg, struct cgroup *cg)
{
	struct pods_source *s = arg;

	if (cg->workload && pod_path_likely(cg->name))
		s->source.env.reconsider(s->source.env.arg, cg);
}

static void reconsider(struct pods_source *s, const struct pod *pod)
{
	unsigned int i;

	for (i = 0; i < pod->n_cgroups; i++) {
		struct cgroup *cg = pod->cgroups[i].cgroup, *child;

		if (s->source.env.received)
			s->source.env.received(s->source.env.arg, s->received_ns);
		s->source.env.reconsider(s->source.env.arg, cg);
		for (child = cg->child; child; child = child->next)
			cgroup_walk(child, reconsider_nested, s);
	}
}

static void leave(struct pods_source *s, struct pod *pod)
{
	if (pod->n_cgroups)
		pod_set_state(&s->index, pod, POD_LEFT);
	else
		pod_remove(&s->index, pod);
}

/* ---- which of two has a cgroup ---- */

/*
 * A mirror says by itself, in an annotation, which cgroup is its own: it gets none that another pod has. The same
 * static pod's next mirror is another object with the same name.
 */
static bool may_have(struct pods_source *s, const struct pod *pod, const struct pod_facts *facts)
{
	if (!pod || pod->state != POD_KNOWN || strcmp(pod_uid(pod), facts->uid) == 0)
		return true;
	if (!facts->mirror || (pod->mirror && strcmp(pod_namespace(pod), facts->namespace_name) == 0 &&
			       strcmp(pod_name(pod), facts->name) == 0))
		return true;
	s->conflicts++;
	log_warning(
		"kubernetes",
		"pod %s/%s says in kubernetes.io/config.hash that it is %s, which is pod %s/%s: it gets no identity",
		facts->namespace_name, facts->name, pod->key, pod_namespace(pod), pod_name(pod));
	return false;
}

/* Older than what was seen since the last list: events that came twice or out of order. */
static bool is_old(const struct pods_source *s, const struct pod *pod, const struct pod_facts *facts)
{
	return pod && pod->generation == s->generation && strcmp(pod_uid(pod), facts->uid) == 0 && facts->version &&
	       facts->version < pod->version;
}

/* ---- events ---- */

static int present(struct pods_source *s, const struct pod_facts *facts)
{
	struct pod *pod = pod_find(&s->index, facts->key);
	bool changed;
	int r;

	if (is_old(s, pod, facts) || !may_have(s, pod, facts))
		return 0;
	/* Nothing of it runs, and nothing of it will. */
	if (pod_finished(facts) && (!pod || !pod->n_cgroups)) {
		if (pod)
			pod_remove(&s->index, pod);
		return 0;
	}
	if (!pod)
		pod = pod_add(&s->index, facts->key);
	if (!pod)
		return -ENOMEM;
	r = pod_set_facts(pod, facts);
	if (r < 0)
		return r;
	/* Also when nothing has changed but who says it. */
	changed = r > 0 || pod->state != POD_KNOWN;
	pod->generation = s->generation;
	pod->version = facts->version;
	pod_set_state(&s->index, pod, POD_KNOWN);
	if (changed)
		reconsider(s, pod);
	return 0;
}

static void gone(struct pods_source *s, const struct pod_facts *facts)
{
	struct pod *pod = pod_find(&s->index, facts->key);

	if (!pod || pod->state != POD_KNOWN || strcmp(pod_uid(pod), facts->uid) != 0 || is_old(s, pod, facts))
		return;
	pod->version = facts->version;
	leave(s, pod);
}

static int on_object(void *arg, enum kube_change change, const json_t *object, struct error *e)
{
	struct pods_source *s = arg;
	struct pod_facts facts;
	int r;

	r = pod_parse(object, &facts, e);
	if (r < 0)
		return r;
	/* The selector has left out the others; what comes through all the same is not this node's. */
	if (*facts.node && strcmp(facts.node, s->config.node) != 0)
		return 0;
	if (change == KUBE_DELETED) {
		gone(s, &facts);
		return 0;
	}
	if (present(s, &facts) < 0)
		log_error("kubernetes", "out of memory: pod %s/%s waits for the next list", facts.namespace_name,
			  facts.name);
	return 0;
}

static void on_arrived(void *arg)
{
	struct pods_source *s = arg;

	s->received_ns = monotonic_ns();
}

static void on_list_begins(void *arg)
{
	struct pods_source *s = arg;

	s->generation++;
}

static void on_list_ends(void *arg, bool whole)
{
	struct pods_source *s = arg;
	struct pod *pod, *next;

	HASH_ITER (hh, s->index.pods, pod, next)
		if (whole && pod->state == POD_KNOWN && pod->generation != s->generation)
			leave(s, pod);
	log_debug("kubernetes", "%u pods of node %s", s->index.n[POD_KNOWN], s->config.node);
}

static void on_settled(void *arg)
{
	struct pods_source *s = arg;

	pods_count(s);
	if (s->source.env.flush)
		s->source.env.flush(s->source.env.arg);
}

const struct reflector_callbacks pods_callbacks = {
	.arrived = on_arrived,
	.list_begins = on_list_begins,
	.object = on_object,
	.list_ends = on_list_ends,
	.settled = on_settled,
};

void pods_forget(struct pods_source *s)
{
	struct pod *pod, *next;

	HASH_ITER (hh, s->index.pods, pod, next) {
		if (!pod->n_cgroups) {
			pod_remove(&s->index, pod);
			continue;
		}
		pod_clear_facts(pod);
		pod_set_state(&s->index, pod, POD_WAITING);
		reconsider(s, pod);
	}
	pods_count(s);
}
