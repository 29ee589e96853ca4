/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells modules and the event stream what became of identities, in the order of the contract: an arrival is queued
 * until its entry is on the bus, a departure is said before the entry goes.
 */
#ifndef AGENT_ANNOUNCE_H
#define AGENT_ANNOUNCE_H

#include "agent/agent.h"

struct announcer;

int announcer_new(struct agent *agent, struct announcer **ret);
void announcer_free(struct announcer *a);

/* This identity has a workload (first: its first one) or another policy: said at the next announce_flush(). */
void announce_present(struct announcer *a, struct identity *id, bool first);
/* Its last workload goes: said now, after what is queued for it was written (through p) and said. */
void announce_removed(struct announcer *a, struct identity *id, struct pipeline *p);
/* Its number is free. */
void announce_released(struct announcer *a, const struct identity *id);
/* Everything queued, oldest first. The bus has been written. */
void announce_flush(struct announcer *a);

#endif
