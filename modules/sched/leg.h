/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side of sched, loaded or adopted: one BPF object with its pinned maps. It is attached or not; its maps can
 * be read in either case. Errors: negative errno with prism_fail() called, unless stated.
 */
#ifndef SCHED_LEG_H
#define SCHED_LEG_H

#include <prism/leg.h>

#include "config.h"
#include "kernel.h"
#include "rows.h"

struct leg;

/* The scheduler that runs now is the one whose link is pinned in the module's directory. */
bool leg_is_ours(struct prism_host *host, const struct kernel_sched *kernel);

/*
 * A leg with these settings. *adopt: ours runs, take it over if it is the same build; false afterwards if it is not and
 * the object was loaded anew, beside the one that runs.
 */
int leg_open(struct prism_host *host, const struct sched_settings *settings, const struct kernel_sched *kernel,
	     bool *adopt, struct leg **ret_leg);

/* In force with the next decision of the scheduler. */
int leg_configure(struct leg *leg, const struct sched_config *config);

/* -EBUSY without a word when another scheduler is attached. */
int leg_attach(struct leg *leg);

/*
 * What is pinned goes, this build's or an earlier one's; when this returns the kernel has let go of it. -EBUSY without
 * a word: it is dead already and has to stay as long as another scheduler runs, see prism_leg_unpin().
 */
int leg_detach(struct leg *leg);

/* fn when the kernel has let go of the scheduler, from the event loop. */
int leg_watch(struct leg *leg, void (*fn)(void *arg), void *arg);

/* Why it last did; kind is 0 while it runs. Nothing is said to the operator. */
int leg_read_exit(const struct leg *leg, struct sched_exit *ret_exit);

/* When the end was (sched_exit.ktime_ns) that has been told last, so that the next prismd does not tell it again; 0:
 * none.
 */
uint64_t leg_told(const struct leg *leg);
void leg_note_told(struct leg *leg, uint64_t ktime_ns);

/* Borrowed. */
const struct rows *leg_rows(const struct leg *leg);

/* As prism_leg_close(). NULL is fine. */
void leg_free(struct leg *leg, enum prism_stop why);

#endif
