/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path: workload -> labels -> canonical -> number -> bus -> modules. Its order is the contract: on arrival the bus
 * is written first and then modules hear of it; on departure modules hear first and then the entry goes.
 */
#ifndef AGENT_PIPELINE_H
#define AGENT_PIPELINE_H

#include "agent/agent.h"

int pipeline_new(struct agent *agent, struct pipeline **ret);
void pipeline_free(struct pipeline *p);

/* From the cgroup watch. received_ns: CLOCK_MONOTONIC when the event was taken in, for prism_propagation_seconds. */
void pipeline_cgroup_added(struct pipeline *p, struct cgroup *cg, uint64_t received_ns);
void pipeline_cgroup_removed(struct pipeline *p, struct cgroup *cg);
void pipeline_cgroup_renamed(struct pipeline *p, struct cgroup *cg);
/* From a source: what is said of this cgroup has changed. */
void pipeline_reconsider(struct pipeline *p, struct cgroup *cg);
/* What is staged next was taken in at this time (CLOCK_MONOTONIC), for prism_propagation_seconds. */
void pipeline_received(struct pipeline *p, uint64_t received_ns);
/* Write what is staged, then tell the modules. */
void pipeline_flush(struct pipeline *p);
/* The label filter changed: look at every workload again. */
void pipeline_refilter(struct pipeline *p);
/* A number whose hold-back ended is free: modules drop what they keep by it. */
void pipeline_released(struct pipeline *p, const struct identity *id);
/* From the host: facets of this identity (0: of all) changed. Writes before it returns. */
void pipeline_facets_changed(struct pipeline *p, uint32_t number);

#endif
