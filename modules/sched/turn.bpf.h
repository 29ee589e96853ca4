/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose turn is it? Critical before normal before batch, but for two debts, which are paid in grants. A grant is short,
 * nobody takes the CPU from who has one, and a timer ends it where the tick would be too late.
 *
 * Share: a class that has had less than its share of this CPU (account.bpf.h) gets a grant, and the task with its
 * smallest tag runs.
 *
 * Age: tags alone bound no wait: a flow of weight 1 beside one of weight 127 waits for as long as there are others. So
 * each CPU looks now and then into the old half of the queues (queue.bpf.h), of all classes in turn; by its timer, as a
 * slice may be longer than that. When it has been sealed for `patience` (a fifth of max_wait), a grant goes to its
 * first task, and so on, so often that it is empty after another fifth: at max_wait / 5 / (1 + tasks a CPU), but at
 * most an eighth of the time; what it wants beyond the grant it gets in the order of the tags. A task comes to the
 * young half at the latest when the other one is sealed, so it waits for two such rounds at the worst: 4/5 of max_wait,
 * the rest is for grants that are under way and for what the CPUs do besides. It holds while there are no more tasks of
 * ours a CPU than max_wait / 5 / (8 * GRANT_MIN); counted as a violation otherwise. Should a round last longer, because
 * what waits may run on few of the CPUs only, these ones serve as often as they may.
 */
#ifndef SCHED_TURN_BPF_H
#define SCHED_TURN_BPF_H

#include "overtake.bpf.h"

#define GRANT_MIN (100 * NS_PER_US)
#define GRANT_SHARE 8 /* at most 1/8 of a CPU goes to those who are owed because of their age */

/* What was just moved to this CPU runs for this long, whoever comes. */
static __always_inline void grant(struct cpu *cpu, u32 number, u64 ns, u64 now)
{
	cpu->granted_ns = ns;
	cpu->look_ns = now;
	look_again_in(cpu, number, ns, now);
}

/* ---- age --------------------------------------------------------------------------------------------------------- */

static __always_inline u64 turn_period(const struct sched_config *config, u32 llc, u64 tasks, bool overdue)
{
	u64 cpus = sched_llc_cpus[llc & (SCHED_LLCS_MAX - 1)] ?: 1;
	u64 period = patience(config) / (1 + (tasks + cpus - 1) / cpus);

	return period > GRANT_SHARE * GRANT_MIN && !overdue ? period : GRANT_SHARE * GRANT_MIN;
}

/* Moves a task here that is owed a turn because of its age. */
static __noinline bool turn_by_age(struct cpu *cpu, u32 number, u64 now, const struct sched_config *config)
{
	u32 llc = llc_of(number), i;
	bool served = 0, overdue = 0;
	u64 tasks = 0;
	u64 period, in;

	if (!cpu || !config)
		return 0;
	cpu->turn_rank++;
	for (i = 0; i < SCHED_RANKS; i++) {
		u32 rank = (cpu->turn_rank + i) % SCHED_RANKS;
		struct queue *queue = queue_state(llc, rank);
		u32 old;

		if (!queue)
			continue;
		queue_turn_over(llc, rank, now);
		old = queue_old(queue);
		if (!(queue->waiting & 1u << old))
			continue;
		tasks += queue->sealed;
		if (!served && (s64)(now - queue->sealed_ns - patience(config)) >= 0) {
			served = queue_move(queue, llc, rank, old, now);
			overdue = served && (s64)(now - queue->sealed_ns - 2 * patience(config)) > 0;
		}
	}
	period = turn_period(config, llc, tasks, overdue);
	cpu->next_turn_ns = now + period;
	if (served) {
		period /= GRANT_SHARE;
		cpu->clock_rule = CLOCK_STAYS; /* it is not its tag's turn */
		grant(cpu, number, period < config->grant_ns ? period : config->grant_ns, now);
	}
	in = age_in(number, now);
	if (in != NEVER)
		look_again_in(cpu, number, in, now);
	return served;
}

/* ---- share ------------------------------------------------------------------------------------------------------- */

/* A later class than `first` that waits here and is behind its share; `first` if there is none. */
static __always_inline u32 rank_owed(const struct cpu *cpu, u32 llc, u32 first, const struct sched_config *config)
{
	u32 rank;

	for (rank = SCHED_NORMAL; rank < SCHED_RANKS; rank++) {
		u64 due = config->grant_ns / (config->share[rank] ?: 1);

		if (rank > first && first < SCHED_RANKS && (s64)(cpu->used[first] - cpu->used[rank] - due) > 0 &&
		    queue_waiting(llc, rank))
			return rank;
	}
	return first;
}

#endif
