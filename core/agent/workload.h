/* SPDX-License-Identifier: Apache-2.0 */
/* A workload whose own cgroup is known, and how it comes to its identity: labels -> canonical form -> number. */
#ifndef AGENT_WORKLOAD_H
#define AGENT_WORKLOAD_H

#include "agent/agent.h"

/* Read-only outside the pipeline. Hangs on its cgroup; holds a reference on its identity. */
struct workload {
	struct cgroup *cgroup;
	struct identity *identity;
	struct source *source;
	uint32_t policy;  /* class and weight bits */
	unsigned int bad; /* policy labels that could not be read, see policy_flags() */
	char *origin;
	struct workload *next, **prev; /* in its identity's list */
};

/* Takes a reference on its identity; not yet hung on the cgroup. NULL, said in the log, without a number or memory. */
struct workload *workload_new(struct agent *agent, struct cgroup *cg, struct source *source,
			      const struct workload_spec *spec);
/* Frees it; the reference on its identity is the caller's to release. */
void workload_free(struct workload *w);

/* The workload a cgroup belongs to: its own, or the nearest ancestor's; NULL: unmanaged. */
struct workload *workload_of(const struct cgroup *cg);

/* The same as far as anybody but a reader of its origin can tell. */
bool workload_same(const struct workload *a, const struct workload *b);

#endif
