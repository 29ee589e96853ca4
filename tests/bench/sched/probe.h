/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open-loop client of a scheduler: requests arrive at times that are fixed beforehand (exponential gaps), whether or
 * not the last one is done, so that a delay is seen by every request that it hits.
 *
 *   timer    each thread sleeps until its next request is due
 *   message  a sender, one more thread, sleeps until a request is due and wakes the thread that serves it: two wake-ups
 *
 * A thread serves its requests one after the other. Memory is there before the first request.
 */
#ifndef BENCH_SCHED_PROBE_H
#define BENCH_SCHED_PROBE_H

#include <stdint.h>

#include "bench.h"
#include "sandbox.h"

#define PROBE_THREADS 4

enum probe_mode {
	PROBE_TIMER,
	PROBE_MESSAGE,
};

struct probe_load {
	const char *name;
	uint64_t work_us; /* of one request */
	uint64_t gap_us;  /* mean time between two requests of a thread */
};

struct probe_result {
	struct samples wake_us;     /* due -> first instruction, of threads that slept */
	struct samples response_us; /* due -> done */
	unsigned int requests;
	unsigned int late;   /* the thread was still busy with an earlier one: no wake-up */
	unsigned int undone; /* when the time was over; they count in response_us with what they waited until then */
};

struct probe;

/* A process in this cgroup with PROBE_THREADS threads, which waits for start_ns of CLOCK_MONOTONIC. */
struct probe *probe_start(const struct sandbox_cgroup *cgroup, enum probe_mode mode, const struct probe_load *load,
			  uint64_t turns_a_us, unsigned int seed, uint64_t start_ns, uint64_t end_ns);
/* Ends it, at or after end_ns, and adds what it saw to *result. */
void probe_end(struct probe *probe, uint64_t now_ns, struct probe_result *result);

void probe_result_done(struct probe_result *result);

#endif
