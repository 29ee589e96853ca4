/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the scheduler is attached, and what is done about it if not:
 *
 *   ON            ours runs. The kernel lets go of it -> RETRYING, LEFT_ALONE or GIVEN_UP (recovery.h)
 *   FOREIGN       another one is loaded and stays; looked at every second, ours comes when it is gone
 *   RETRYING      a timer runs, then it is tried again
 *   LEFT_ALONE    an operator took ours away: a start or another configuration attaches it again
 *   GIVEN_UP      ejected too often: the same
 *
 * What the operator has to know of it is said here: log, events, the module's condition.
 */
#ifndef SCHED_ATTACH_H
#define SCHED_ATTACH_H

#include <prism/host.h>

#include "leg.h"

enum attach_state {
	ATTACH_OFF,
	ATTACH_ON,
	ATTACH_FOREIGN,
	ATTACH_RETRYING,
	ATTACH_LEFT_ALONE,
	ATTACH_GIVEN_UP,
	ATTACH_STATES,
};

struct attach {
	struct prism_host *host;
	const struct sched_settings *settings; /* borrowed from the module */
	void (*changed)(void *arg);            /* it is ON now, or no longer */
	void *arg;

	enum attach_state state;
	struct leg *leg; /* attached, or the last that was: its maps can be read. NULL: none was loaded yet */
	struct recovery recovery;
	struct prism_timer *timer;
	uint64_t exits[KERNEL_EXITS];
	uint64_t ended_ns; /* CLOCK_MONOTONIC when ours was let go of; 0: it runs, or never did */
	uint64_t gap_ns;   /* the last time between ours and ours */
	char foreign[KERNEL_OPS_NAME];
};

/* "attached", "foreign", "retrying", ... Static. */
const char *attach_word(enum attach_state state);

/*
 * Takes over what runs, or attaches; 0 also when that has to wait. -errno with prism_fail() called. attach is bound to
 * its place.
 */
int attach_start(struct attach *attach);

/* These settings from now on (borrowed), or none of them: -errno with prism_fail() called. */
int attach_configure(struct attach *attach, const struct sched_settings *settings);

/* Says nothing to changed(). */
void attach_stop(struct attach *attach, enum prism_stop why);

#endif
