// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler in another build, one with a fault: a batch task of weight 7 that has to wait is forgotten. Until there
 * is such a task it schedules as the other one does. The kernel's watchdog is quick, so that no test has to wait long.
 */
#include "../../queue.bpf.h"

#define FORGOTTEN_WEIGHT 7
#define WATCHDOG_MS 2000

static __always_inline void push_or_forget(struct task_struct *p, u32 llc, u32 rank, u64 slice, u64 tag, u64 now,
					   u64 enq_flags)
{
	struct task *task = task_state(p);

	if (task && rank == SCHED_BATCH && task->weight == FORGOTTEN_WEIGHT)
		return;
	queue_push(p, llc, rank, slice, tag, now, enq_flags);
}

#define queue_push push_or_forget

#include "../../sched.bpf.c"
