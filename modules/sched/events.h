/* SPDX-License-Identifier: Apache-2.0 */
/* What sched puts into the event stream. */
#ifndef SCHED_EVENTS_H
#define SCHED_EVENTS_H

#include <prism/host.h>

#include "sched.h"

#define EVENT_TYPES 3

extern const struct prism_event_type event_types[EVENT_TYPES];

/* how: "attached", "adopted", "replaced", "reattached". gap_ns: how long nobody but the kernel scheduled; 0: no gap. */
void event_attached(struct prism_host *host, const char *how, uint64_t gap_ns, uint64_t enable_seq);
/* cause: one word, see kernel_exit_word(). next: what comes now. */
void event_exited(struct prism_host *host, const struct sched_exit *exit, const char *cause, const char *next);
void event_foreign(struct prism_host *host, const char *name);

#endif
