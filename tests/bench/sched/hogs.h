/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks that only compute. Each counts its work and watches its own progress: the time between two looks at the clock,
 * when it is much more than the work between them, is a time in which it did not run.
 */
#ifndef BENCH_SCHED_HOGS_H
#define BENCH_SCHED_HOGS_H

#include <stdint.h>
#include <sys/types.h>

#include "sandbox.h"

#define HOGS_MAX 32

/* In memory that the hog shares with the runner. */
struct hog {
	volatile uint64_t work;       /* turns of HOG_STEP_US */
	volatile uint64_t last_ns;    /* its last look at the clock */
	volatile uint64_t longest_ns; /* longest time without progress, begun at count_from_ns or later */
	volatile uint64_t count_from_ns;
	pid_t pid;
	uint64_t work_at_start;
};

struct hogs {
	struct hog *hog; /* HOGS_MAX */
	int n;
};

#define HOG_STEP_US 20

void hogs_init(struct hogs *hogs);
/* n more hogs in this cgroup; their times without progress count from this moment of CLOCK_MONOTONIC. */
void hogs_add(struct hogs *hogs, const struct sandbox_cgroup *cgroup, int n, uint64_t turns_a_us, uint64_t from_ns);
/* The measurement begins: work is counted from here. */
void hogs_mark(struct hogs *hogs);
/* Turns done since hogs_mark() by hogs first..first+n-1. */
uint64_t hogs_work(const struct hogs *hogs, int first, int n);
/* The longest that one of them has been without progress until now. */
uint64_t hogs_longest_ns(const struct hogs *hogs, int first, int n, uint64_t now_ns);
/* Kills and forgets all. */
void hogs_end(struct hogs *hogs);

#endif
