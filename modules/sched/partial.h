/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Partial mode: the threads of the workloads that carry the module's facet have the policy SCHED_EXT, which alone a
 * partial scheduler takes. Looked after every second and after partial_look_soon(); children inherit the policy, and
 * that it is to be given back, also while no prismd runs. Errors: negative errno with prism_fail() called.
 */
#ifndef SCHED_PARTIAL_H
#define SCHED_PARTIAL_H

#include <prism/host.h>

struct partial;

int partial_start(struct prism_host *host, struct partial **ret_partial);

/* An earlier prismd has left its threads with SCHED_EXT: partial_start() takes them over. */
bool partial_is_left(struct prism_host *host);

/* Facets have changed: threads follow when the callback that runs now is done. */
void partial_look_soon(struct partial *partial);

/* That are SCHED_EXT by this module's doing, at the last look. */
uint64_t partial_threads(const struct partial *partial);

/* give_back: the threads get back the policy that they had; otherwise they keep SCHED_EXT. NULL is fine. */
void partial_stop(struct partial *partial, bool give_back);

#endif
