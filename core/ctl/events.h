/* SPDX-License-Identifier: Apache-2.0 */
/* One event as text for people. */
#ifndef CTL_EVENTS_H
#define CTL_EVENTS_H

#include "ctl/ctl.h"

/* "time  type  identity  workload  key=value ...", safe for a terminal, without newline. */
void event_line(const json_t *event, bool wide, struct text *out);
/* The members that have no column of their own, as key=value; not escaped. */
void event_summary(const json_t *event, struct text *out);

#endif
