/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a task that wakes up runs.
 *
 * An idle CPU, first of all. Else the CPU on which the wake-up happens, if what runs there is of a later class: it is
 * there already, another one has to be interrupted first. Else the task waits in the queue, where whichever CPU is free
 * next finds it, and another CPU that runs a later class is interrupted, one for each such wake-up.
 *
 * But not when what runs here is about to sleep, going by what it usually does: then it is here sooner, and it is put
 * on this CPU's own queue, unless there is one before it.
 *
 * A wake-up whose waker says that it is about to sleep hands the CPU over, with what is left of the waker's slice: a
 * conversation between two tasks costs no trip through the queues, and has no more of the CPU than one task has.
 *
 * Where no CPU runs a later class, a task of the same class that is ahead may have to go (overtake.bpf.h).
 */
#ifndef SCHED_WAKE_BPF_H
#define SCHED_WAKE_BPF_H

#include "overtake.bpf.h"

#define CANDIDATES 4 /* CPUs that are looked at for one wake-up */
#define FREE_SOON                                                                                                      \
	(50 * NS_PER_US) /* what interrupting another CPU and bringing the task there may take: a virtual machine's */
#define HANDOVER_MIN (100 * NS_PER_US)

static __always_inline bool may_run_on(struct task_struct *p, s32 cpu)
{
	return bpf_cpumask_test_cpu(cpu, task_of(p)->cpus_ptr);
}

static __always_inline bool may_take(const struct cpu *cpu, u32 rank, u64 now)
{
	u32 runs = *(volatile u32 *)&cpu->rank;

	return runs < SCHED_NONE && rank < runs && rank < *(volatile u32 *)&cpu->claimed &&
	       (s64)(now - *(volatile u64 *)&cpu->protected_ns) >= 0;
}

/* An idle CPU that the task may run on, no longer idle for others; < 0: none. */
static __always_inline s32 claim_idle(struct task_struct *p, s32 here, s32 prev)
{
	if (!any_cpu_idle())
		return -1;
	if (may_run_on(p, here) && scx_bpf_test_and_clear_cpu_idle(here))
		return here;
	if (prev != here && may_run_on(p, prev) && scx_bpf_test_and_clear_cpu_idle(prev))
		return prev;
	return scx_bpf_pick_idle_cpu(task_of(p)->cpus_ptr, 0);
}

/* What runs there is about to sleep: sooner than another CPU is interrupted. */
static __always_inline bool free_soon(const struct cpu *cpu, u64 now)
{
	s64 left = (s64)(*(volatile u64 *)&cpu->soon_ns - now);

	return left > 0 && left < (s64)FREE_SOON && *(volatile u32 *)&cpu->rank < SCHED_NONE;
}

static __always_inline void count_preemption(u32 rank)
{
	struct sched_stats *mine = stats();

	if (mine && rank < SCHED_RANKS)
		mine->class[rank].preemptions++;
}

static __always_inline void overtake_on(u32 number, u32 rank, u64 bar, u64 ns, u64 now)
{
	struct cpu *cpu = cpu_state(number);

	if (!cpu)
		return;
	cpu->overtaker = bar;
	if (ns) {
		look_again_in(cpu, number, ns, now);
		return;
	}
	cpu->claimed = rank;
	count_overtake(rank);
	scx_bpf_kick_cpu(number, SCX_KICK_PREEMPT);
}

/*
 * Interrupts a CPU that runs a later class, or the same and is ahead, so that it looks into the queue: now, or the one
 * where that will be first. One that runs nothing of ours is on its way to be idle, perhaps, past its own look into the
 * queue and not yet seen to be: it is asked to look again if it is.
 */
static __always_inline void interrupt_one(struct task_struct *p, struct task *task, s32 first, u64 now, bool preempt)
{
	u32 llc = llc_of(first), n = scx_bpf_nr_cpu_ids(), number = first, rank = task->rank, best = first, i;
	u64 bar = overtake_bar(task, task->tag), soonest = NEVER;

#pragma clang loop unroll(disable)
	for (i = 0; i < CANDIDATES && i < n; i++, number++) {
		struct cpu *cpu;

		if (number >= n)
			number = 0;
		cpu = cpu_state(number);
		if (!cpu || !cpu->online || llc_of(number) != llc || !may_run_on(p, number))
			continue;
		if (*(volatile u32 *)&cpu->rank == SCHED_NONE) {
			scx_bpf_kick_cpu(number, SCX_KICK_IDLE);
		} else if (preempt && may_take(cpu, rank, now)) {
			cpu->claimed = rank;
			count_preemption(rank);
			scx_bpf_kick_cpu(number, SCX_KICK_PREEMPT);
			return;
		} else if (preempt) {
			u64 in = overtake_in(cpu, rank, bar, now);

			if (in < soonest) {
				soonest = in;
				best = number;
			}
		}
	}
	if (soonest != NEVER)
		overtake_on(best, rank, bar, soonest, now);
}

#endif
