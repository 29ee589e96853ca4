/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues. Each class has two kernel queues for the CPUs of a last-level cache, both ordered by virtual time. New tasks
 * go to the young one; the one that takes a task next is that whose first task has the smaller tag, so for the order
 * inside a class the two are one. They part the tasks by age: once the old one is empty it becomes the young one, and
 * what the other holds then is older than all that comes (turn.bpf.h).
 *
 * `waiting` spares the kernel's look-up of a queue that is empty. The kernel inserts a task only after enqueue has
 * returned, so a look that finds nothing clears it only when nobody has begun an insert into that half lately; should a
 * CPU have been held up for longer than that in between, the next look for those who are owed sets it right.
 */
#ifndef SCHED_QUEUE_BPF_H
#define SCHED_QUEUE_BPF_H

#include "place.bpf.h"

#define INSERT_TIME NS_PER_MS /* ample, from the begin of an insert to its end */

static __always_inline u64 queue_id(u32 llc, u32 rank, u32 half)
{
	return ((u64)llc * SCHED_RANKS + rank) * 2 + half;
}

static __always_inline void queue_push(struct task_struct *p, u32 llc, u32 rank, u64 slice, u64 tag, u64 now,
				       u64 enq_flags)
{
	struct queue *queue = queue_state(llc, rank);
	u32 half;

	if (!queue)
		return;
	half = *(volatile u32 *)&queue->young & 1;
	dsq_insert_vtime(p, queue_id(llc, rank, half), slice, tag, enq_flags);
	if (now - queue->insert_ns[half] > INSERT_TIME / 8)
		*(volatile u64 *)&queue->insert_ns[half] = now;
	if (!(*(volatile u32 *)&queue->waiting & 1u << half))
		__sync_fetch_and_or(&queue->waiting, 1u << half);
}

static __always_inline u32 queue_waiting(u32 llc, u32 rank)
{
	struct queue *queue = queue_state(llc, rank);

	return queue ? *(volatile u32 *)&queue->waiting : 0;
}

/* What the kernel's queue says. */
static __always_inline void queue_sync(struct queue *queue, u64 id, u32 half)
{
	if (scx_bpf_dsq_nr_queued(id) > 0)
		__sync_fetch_and_or(&queue->waiting, 1u << half);
}

/*
 * If this half is empty it is noted as that, unless an insert may be under way. Not even for a moment while it holds
 * what may not run on the CPU that found nothing in it: another one would turn the halves over.
 */
static __always_inline void queue_note_empty(struct queue *queue, u64 id, u32 half, u64 now)
{
	if (scx_bpf_dsq_nr_queued(id) > 0)
		return;
	if ((s64)(now - *(volatile u64 *)&queue->insert_ns[half & 1] - INSERT_TIME) < 0)
		return;
	__sync_fetch_and_and(&queue->waiting, ~(1u << half));
	queue_sync(queue, id, half);
}

static __always_inline bool queue_move(struct queue *queue, u32 llc, u32 rank, u32 half, u64 now)
{
	u64 id = queue_id(llc, rank, half);

	if (dsq_move_to_local(id))
		return 1;
	queue_note_empty(queue, id, half, now);
	return 0;
}

/* The half that takes no more: what is in it is older than all in the other one. */
static __always_inline u32 queue_old(const struct queue *queue)
{
	return !(*(volatile u32 *)&queue->young & 1);
}

/* Seals the young half if the old one is empty. Global, so that the verifier looks once. */
__noinline int queue_turn_over(u32 llc, u32 rank, u64 now)
{
	struct queue *queue = queue_state(llc, rank);
	u32 young, old;

	if (!queue)
		return 0;
	young = *(volatile u32 *)&queue->young & 1;
	old = !young;
	queue_sync(queue, queue_id(llc, rank, 0), 0);
	queue_sync(queue, queue_id(llc, rank, 1), 1);
	if (queue->waiting & 1u << old)
		queue_note_empty(queue, queue_id(llc, rank, old), old, now);
	if (queue->waiting & 1u << old || !(queue->waiting & 1u << young))
		return 0;
	if (__sync_val_compare_and_swap(&queue->young, young, old) != young)
		return 0;
	queue->sealed_ns = now;
	queue->sealed = scx_bpf_dsq_nr_queued(queue_id(llc, rank, young));
	return 0;
}

/* The first tasks of both halves. */
struct firsts {
	bool has[2];
	u64 tag[2];
	u32 half; /* whose is the smaller tag */
};

/* False if both are empty. */
static __always_inline bool queue_firsts(struct queue *queue, u32 llc, u32 rank, struct firsts *ret)
{
	u32 waiting = *(volatile u32 *)&queue->waiting;

	ret->tag[0] = ret->tag[1] = 0;
	ret->has[0] = waiting & 1 && dsq_first(queue_id(llc, rank, 0), &ret->tag[0]);
	ret->has[1] = waiting & 2 && dsq_first(queue_id(llc, rank, 1), &ret->tag[1]);
	ret->half = !ret->has[0] || (ret->has[1] && (s64)(ret->tag[1] - ret->tag[0]) < 0);
	return ret->has[0] || ret->has[1];
}

/* The smallest tag that waits. False if there is none. */
static __always_inline bool queue_first(struct queue *queue, u32 llc, u32 rank, u64 *ret_tag)
{
	struct firsts firsts;

	if (!queue_firsts(queue, llc, rank, &firsts))
		return 0;
	*ret_tag = firsts.half ? firsts.tag[1] : firsts.tag[0];
	return 1;
}

/*
 * The next task of the class to this CPU. False if none may run here. Two CPUs that look at the same time both take
 * from the half whose first tag is the smaller one, and the second of them may so pass by the other half's first task:
 * the virtual time does not, or all that wake up from then on would come behind what was passed by.
 */
static __always_inline bool queue_pop(struct cpu *cpu, u32 llc, u32 rank, u64 now)
{
	struct queue *queue = queue_state(llc, rank);
	struct firsts firsts;
	u32 waiting, half;

	if (!queue)
		return 0;
	waiting = *(volatile u32 *)&queue->waiting;
	if (!waiting)
		return 0;
	cpu->clock_rule = CLOCK_TO_TAG;
	half = waiting >> 1 & 1;
	if (waiting == 3) {
		half = queue_firsts(queue, llc, rank, &firsts) && firsts.half;
		cpu->clock_limit = half ? firsts.tag[0] : firsts.tag[1];
		if (firsts.has[0] && firsts.has[1])
			cpu->clock_rule = CLOCK_LIMITED;
	}
	if (queue_move(queue, llc, rank, half, now))
		return 1;
	cpu->clock_rule = CLOCK_TO_TAG;
	return waiting == 3 && queue_move(queue, llc, rank, !half, now);
}

/* Nothing was found: are there tasks of whom nothing was noted, as the insert took longer than it ever should? */
__noinline int queue_look_twice(u32 number, u32 llc, u64 now)
{
	struct cpu *cpu = cpu_state(number);
	u32 i;

	if (!cpu)
		return 0;
#pragma clang loop unroll(disable)
	for (i = 0; i < 2 * SCHED_RANKS; i++) {
		u32 rank = i / 2, half = i & 1;
		struct queue *queue = queue_state(llc, rank);

		if (!queue || now - queue->insert_ns[half] > 100 * INSERT_TIME)
			continue;
		queue_sync(queue, queue_id(llc, rank, half), half);
		if (queue_pop(cpu, llc, rank, now))
			return 1;
	}
	return 0;
}

#endif
