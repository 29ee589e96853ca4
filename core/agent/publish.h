/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What consumers see of a workload: an entry for its own cgroup and for every one below it that has no workload of its
 * own. Staged here, written by publish_flush(); how long that took from the event is prism_propagation_seconds.
 */
#ifndef AGENT_PUBLISH_H
#define AGENT_PUBLISH_H

#include "agent/workload.h"

#define PUBLISH_BATCH 4096 /* staged changes before a flush that does not wait for the end of the events at hand */

struct publisher;

int publisher_new(struct agent *agent, struct publisher **ret);
void publisher_free(struct publisher *p);

/* Stage this cgroup alone: whose it is (NULL: nobody's). visible: see bus_stage(). */
void publish_one(struct publisher *p, struct cgroup *cg, const struct workload *w, bool visible);
/* Stage the cgroup and what inherits from it. before: whose they were until now; keeps the identities' n_cgroups. */
void publish_subtree(struct publisher *p, struct cgroup *cg, const struct workload *before, const struct workload *now);
/* Stage every entry of this identity again: its facets changed. */
void publish_identity(struct publisher *p, const struct identity *id);

/* A change that is staged was taken in at this time (CLOCK_MONOTONIC). */
void publish_received(struct publisher *p, uint64_t received_ns);
/* Enough is staged to be written now. */
bool publish_due(const struct publisher *p);
/* Write what is staged; see bus_flush(). Trouble is logged when it begins and when it ends. */
int publish_flush(struct publisher *p);

#endif
