/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the loop's thread is scheduled. Identity must be on the bus before a container's first instruction, also when
 * every CPU is busy: SCHED_FIFO 1 makes prismd run as soon as a cgroup event wakes it. Bounded by RLIMIT_RTTIME: after
 * PRIORITY_LIMIT_MS on a CPU without sleeping the kernel sends SIGXCPU, and the thread goes on by nice until
 * priority_restore(). Children and other threads never inherit it.
 */
#ifndef AGENT_PRIORITY_H
#define AGENT_PRIORITY_H

#include "config/settings.h"

#define PRIORITY_LIMIT_MS 200

/* From the loop's thread. What the kernel refuses is a condition of the node (priority_problem()), not an error. */
void priority_apply(const struct settings *settings);
/* Real-time again after a fall-back; call it now and then. */
void priority_restore(void);
/* Why it is not scheduled as configured, or NULL. */
const char *priority_problem(void);

#endif
