/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods of this node by the uid that their cgroups carry: what is known of each, and which cgroups are its own. Either
 * may come first. A pod that the API server has forgotten stays until its last cgroup is gone.
 */
#ifndef PODS_INDEX_H
#define PODS_INDEX_H

#include <uthash.h>

#include "cgroup/tree.h"
#include "identity/canonical.h"
#include "pods/pod.h"

/* A pod's own cgroup. */
struct pod_cgroup {
	struct cgroup *cgroup;
	uint64_t window_ns; /* from its making to its entry on the bus; 0: not known */
	bool bound;         /* claimed for the pod */
	bool counted;       /* its window has been taken */
};

enum pod_state {
	POD_WAITING, /* there is a cgroup, and nobody has said whose */
	POD_ADOPTED, /* said by the bus that the run before has left; the API server has not yet */
	POD_KNOWN,   /* said by the API server */
	POD_LEFT,    /* gone from the API server, its cgroup is still there */
};

struct pod {
	enum pod_state state;
	bool mirror;
	bool host_network, deleting;
	char phase[12];
	uint32_t generation; /* of the list that it was last seen in */
	uint64_t version;    /* last seen in that generation */
	char *facts;         /* NULL while waiting; see pod_spec() */
	size_t facts_len;
	struct pod_cgroup *cgroups;
	unsigned int n_cgroups;
	struct pod *unwritten_next, **unwritten_prev; /* prev NULL: not in the list */
	UT_hash_handle hh;
	char key[]; /* uid in the cgroup's name */
};

struct pod_index {
	struct pod *pods;
	unsigned int n[POD_LEFT + 1]; /* in each state */
	struct pod *unwritten;        /* those with a cgroup that was bound and whose window is not known yet */
	/* Labels of the answer in hand. */
	struct prism_label *labels;
	size_t capacity;
	struct text origin;
};

void pod_index_done(struct pod_index *index);

struct pod *pod_find(const struct pod_index *index, const char *key);
/* A waiting one; NULL without memory. */
struct pod *pod_add(struct pod_index *index, const char *key);
void pod_remove(struct pod_index *index, struct pod *pod);
void pod_set_state(struct pod_index *index, struct pod *pod, enum pod_state state);

/* Takes over what the API server says. 1 when anything changed that an identity or its policy depends on, or -ENOMEM.
 */
int pod_set_facts(struct pod *pod, const struct pod_facts *facts);
/* The same from what is on the bus. */
int pod_set_adopted(struct pod *pod, const struct workload_spec *spec);
void pod_clear_facts(struct pod *pod);
/* What it says of itself: false while waiting. Borrowed until the next call. */
bool pod_spec(struct pod_index *index, const struct pod *pod, struct workload_spec *ret);
/* The parts of its facts, "" while waiting. */
const char *pod_uid(const struct pod *pod);
const char *pod_namespace(const struct pod *pod);
const char *pod_name(const struct pod *pod);

/* NULL: none, or without memory. */
struct pod_cgroup *pod_cgroup_find(const struct pod *pod, const struct cgroup *cg);
struct pod_cgroup *pod_cgroup_add(struct pod *pod, struct cgroup *cg);
void pod_cgroup_remove(struct pod *pod, const struct cgroup *cg);

/* The list of those with news that are to be on the bus soon. */
void pod_unwritten_add(struct pod_index *index, struct pod *pod);
void pod_unwritten_remove(struct pod *pod);

#endif
