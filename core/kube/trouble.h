/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong between prismd and the API server, in words, and how long to wait before it is tried again.
 *
 * A server that cannot be reached costs it nothing to be tried, and pods wait for its return: never more than
 * TROUBLE_SHORT_MS apart. A server that answers with an error is tried as often for TROUBLE_PATIENCE attempts (it may
 * be starting) and then ever less often, up to retry_max_ms. One that is overloaded (429) is given time from the first
 * answer on, and what it asks for in Retry-After. Every wait has jitter, so that the nodes of a cluster do not come
 * back in step.
 */
#ifndef KUBE_TROUBLE_H
#define KUBE_TROUBLE_H

#include <stdbool.h>
#include <stdint.h>

#include "kube/http.h"

#define TROUBLE_SHORT_MS 800
#define TROUBLE_PATIENCE 32

struct trouble {
	const char *name; /* of what is watched, in logs: "pods" */
	struct error e;   /* code 0: none */
	uint64_t since_ns, said_ns;
	long status; /* of the last failed attempt */
	unsigned int failures;
};

/* Trouble begins or goes on: a log line when it begins, and when it changes after a while. */
void trouble_set(struct trouble *t, const struct error *e);
/* It is over: a log line. */
void trouble_clear(struct trouble *t);
/* How long to wait after this attempt, which failed; counts it. */
uint64_t trouble_delay_ms(struct trouble *t, long status, uint64_t retry_after_ms, uint64_t retry_max_ms);

/* An answer that is not 200, in words. origin: whose credentials they were. Returns -e->code. */
int trouble_of_status(const struct kube_answer *answer, const char *origin, struct error *e);
/* A wait of about ms: from half of it to all of it. */
uint64_t trouble_jitter(uint64_t ms);

#endif
