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

/* A program that is attached, and the link whose pin its own has taken: held, that one stays attached. */
struct leg_site {
	struct bpf_program *program;
	int earlier_fd; /* below 0: there was none */
};

struct leg {
	struct prism_host *host;
	struct lsm_bpf *skel;
	struct prism_leg *leg;
	struct store store;
	struct leg_site sites[LEG_PROGRAMS_MAX];
	int earlier_bindings; /* of theirs, if they have others than this leg; below 0: they have not */
	unsigned int n_sites; /* 0 again once the earlier programs were let go */
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
 * prism_fail() called: what was attached before is what is attached, but says nothing of the tasks that one of these
 * programs has judged meanwhile.
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
