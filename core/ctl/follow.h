/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the event stream: what is kept, then what comes, across restarts of prismd, until Ctrl-C. */
#ifndef CTL_FOLLOW_H
#define CTL_FOLLOW_H

#include "ctl/ctl.h"

struct event_filter {
	const char *type; /* prefix; NULL: all */
	uint32_t identity;
	bool by_identity;
};

/* One event; raw is its line. Non-zero ends the reading with that result. */
typedef int (*event_fn)(void *arg, const json_t *event, const char *raw, size_t len);

/* Hands out what prismd keeps with seq >= from. *ret_last (may be NULL): the last seq seen, from - 1 if none. */
int events_read(struct ctl *ctl, const struct event_filter *filter, uint64_t from, event_fn fn, void *arg,
		uint64_t *ret_last, struct error *e);

/*
 * Hands out events with seq >= from as they come. When prismd goes away says so and waits for it. Ends with 0 on SIGINT
 * and SIGTERM, which are blocked for the rest of the process.
 */
int events_follow(struct ctl *ctl, const struct event_filter *filter, uint64_t from, event_fn fn, void *arg,
		  struct error *e);

/* "12:07:31.123" local time of an RFC 3339 time in UTC; the text itself when it is none. Into buf. */
const char *event_time(const char *rfc3339, char *buf, size_t size);

#endif
