/* SPDX-License-Identifier: Apache-2.0 */
/* What lsm puts into the event stream: each decision to audit or to block, and how many of them are missing. */
#ifndef LSM_EVENTS_H
#define LSM_EVENTS_H

#include "catalog.h"

#define EVENT_TYPES 2

extern const struct prism_event_type event_types[EVENT_TYPES];
extern const char *const error_names[LSM_ERRORS];

/* rule: NULL when the number is none of ours any more, or when the decision was one of on_error. */
void event_verdict(struct prism_host *host, const struct lsm_event *record, const struct catalog_rule *rule);
/* So many verdicts more were lost for this reason; total of them so far. */
void event_lost(struct prism_host *host, const char *reason, uint64_t count, uint64_t total);

#endif
