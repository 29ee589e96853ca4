/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel side of lsm, loaded: programs, their maps, the ring of verdicts. */
#ifndef LSM_LEG_H
#define LSM_LEG_H

#include <prism/leg.h>

#include "config.h"
#include "store.h"

struct lsm_bpf;

/* One record, in the ring's own memory. */
typedef void (*leg_record_fn)(void *arg, const struct lsm_event *record);

#define LEG_PROGRAMS_MAX 32u

struct leg {
	struct prism_host *host;
	struct lsm_bpf *skel;
	struct prism_leg *leg;
	struct store store;
	int earlier[LEG_PROGRAMS_MAX]; /* links whose pins the leg's own have taken: held, they stay attached */
	unsigned int n_earlier;
	int earlier_bindings; /* of theirs, if they have others than this leg; -1: they have not */
	struct ring_buffer *ring;
	struct prism_watch *watch;
	unsigned int budget; /* records left in this turn */
	leg_record_fn record;
	void *arg;
};

/*
 * Loads the programs and opens their maps: those that an earlier start left, if they have the shape that this one
 * wants. Nothing is attached, what was attached goes on. Errors: negative errno, with prism_fail() called; *ret_leg is
 * zero then. The leg is bound to the place of *ret_leg: do not copy it.
 */
int leg_load(struct prism_host *host, const struct lsm_sizes *sizes, leg_record_fn record, void *arg,
	     struct leg *ret_leg);

/* Are programs of an earlier leg attached? */
bool leg_is_attached(const struct leg *leg);

/*
 * Attaches all programs, in front of those that an earlier leg attached, which stay until leg_release(): what they
 * block is blocked throughout. Then every task that runs is armed, unless its last exec was seen. -errno with
 * prism_fail() called.
 */
int leg_attach(struct leg *leg);
/* Lets go of the earlier programs. */
void leg_release(struct leg *leg);

/* Records from now on by the host's loop. */
int leg_listen(struct leg *leg);
/* Everything that is in the ring, now, without the loop. */
void leg_drain(struct leg *leg);

void leg_down(struct leg *leg, enum prism_stop why);

int leg_counts_fd(const struct leg *leg);
int leg_rates_fd(const struct leg *leg);
int leg_stats_fd(const struct leg *leg);

#endif
