/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes after the kernel has let go of the scheduler: attach again now, attach again later, or stay away. Knows
 * neither kernel nor clock. Times are ns of one monotonic clock.
 */
#ifndef SCHED_RECOVERY_H
#define SCHED_RECOVERY_H

#include <stdint.h>

#define RECOVERY_TRIES_MAX 32u
#define RECOVERY_RESTART_SPACING_NS 1000000000ull

enum recovery_cause {
	RECOVERY_RESTART,  /* the kernel wants it attached anew: a CPU came or went */
	RECOVERY_FAULT,    /* an error of the scheduler, or the watchdog */
	RECOVERY_OPERATOR, /* somebody took it away on purpose */
};

enum recovery_step {
	RECOVERY_AGAIN,
	RECOVERY_LEFT_ALONE, /* until an operator says otherwise */
	RECOVERY_GIVEN_UP,   /* the tries are used up */
};

struct recovery_limits {
	uint32_t tries; /* after faults within one window; at most RECOVERY_TRIES_MAX, 0: never again */
	uint64_t window_ns;
	uint64_t delay_ns; /* before the first try of a window; each further one waits twice as long */
};

/* Zero: nothing has happened yet. */
struct recovery {
	uint64_t tried_ns[RECOVERY_TRIES_MAX]; /* oldest first */
	uint32_t n;
	uint64_t restarted_ns;
};

/* *ret_delay_ns: how long to wait before attaching again; 0 with the other steps. */
enum recovery_step recovery_next(struct recovery *recovery, const struct recovery_limits *limits,
				 enum recovery_cause cause, uint64_t now_ns, uint64_t *ret_delay_ns);

#endif
