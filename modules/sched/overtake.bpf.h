/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When a CPU looks again who is to run there, before the slice of the task that runs is over. Each CPU has a timer for
 * it: at the end of a grant, when somebody is owed a turn for its age (both turn.bpf.h), and for wake-ups inside a
 * class. It is set for the first of these, and then for the next.
 *
 * Of two tasks of a class, batch excepted, the one that wakes up takes the CPU from the one that runs if what this one
 * has left of its request would come after it in the queue: by GRANULE, as the one that wakes up counts it, and after
 * GRANULE on the CPU. So of two that interrupt each other all the time each gets that much at a time; a flow that has
 * used its share waits for the end of the slice; and tasks of one flow, whose requests come one after the other, do not
 * interrupt each other. Where it is not so yet, but will be within the slice, the timer is set for then.
 */
#ifndef SCHED_OVERTAKE_BPF_H
#define SCHED_OVERTAKE_BPF_H

#include "account.bpf.h"
#include "queue.bpf.h"

#define GRANULE (100 * NS_PER_US)
#define NEVER (~0ull)

struct timer {
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHED_CPUS_MAX);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, struct timer);
} sched_timers SEC(".maps");

/* What begins to run there, or goes on with another request. */
static __always_inline void overtake_begin(struct cpu *cpu, struct task *task)
{
	cpu->tag = task->tag;
	cpu->inverse = flow_of(task)->inverse;
}

/* Where in virtual time a task has to be for one that wakes up with this tag to take the CPU from it. */
static __always_inline u64 overtake_bar(struct task *task, u64 tag)
{
	return tag + virtual_ns(flow_of(task), GRANULE);
}

/* In how many ns a task of this rank may take the CPU from one of its own rank; NEVER: not in that one's slice. */
static __always_inline u64 overtake_in(const struct cpu *cpu, u32 rank, u64 bar, u64 now)
{
	u64 at = *(volatile u64 *)&cpu->since_ns, inverse = *(volatile u64 *)&cpu->inverse;
	u64 protected = *(volatile u64 *)&cpu->protected_ns;
	s64 lead = (s64)(bar - *(volatile u64 *)&cpu->tag);
	u64 ns = lead > 0 ? ((u64)lead << INVERSE_SHIFT) / (inverse ?: 1) : 0;

	if (rank == SCHED_BATCH || *(volatile u32 *)&cpu->rank != rank || *(volatile u32 *)&cpu->claimed <= rank)
		return NEVER;
	at += ns > GRANULE ? ns : GRANULE;
	if ((s64)(at - protected) < 0)
		at = protected;
	if ((s64)(at - *(volatile u64 *)&cpu->until_ns) >= 0)
		return NEVER;
	return (s64)(at - now) > 0 ? at - now : 0;
}

static __always_inline void count_overtake(u32 rank)
{
	struct sched_stats *mine = stats();

	if (mine && rank < SCHED_RANKS)
		mine->class[rank].overtakes++;
}

/* The same for the one that woke up, if it is waiting still. */
static __always_inline u64 overtaken_in(struct cpu *cpu, u32 llc, u32 rank, u64 now)
{
	struct queue *queue = queue_state(llc, rank);
	bool waits;
	u64 first;

	if (!queue)
		return NEVER;
	bpf_rcu_read_lock(); /* 6.12 takes this for part of init, which may sleep and sets the timer up */
	waits = queue_first(queue, llc, rank, &first);
	bpf_rcu_read_unlock();
	return waits && (s64)(first - cpu->overtaker) <= 0 ? overtake_in(cpu, rank, cpu->overtaker, now) : NEVER;
}

static __always_inline s64 later(s64 a, s64 b)
{
	return a > b ? a : b;
}

/* In how many ns somebody who waits is owed a turn on this CPU for its age; NEVER: nobody is old. Global as
 * queue_turn_over(). */
__noinline u64 age_in(u32 number, u64 now)
{
	const struct sched_config *set = config();
	const struct cpu *cpu = cpu_state(number);
	u32 llc = llc_of(number), rank;
	u64 first = NEVER;

	if (!cpu || !set)
		return NEVER;
	for (rank = 0; rank < SCHED_RANKS; rank++) {
		struct queue *queue = queue_state(llc, rank);
		s64 in;

		if (!queue)
			continue;
		queue_turn_over(llc, rank, now);
		if (!(*(volatile u32 *)&queue->waiting & 1u << queue_old(queue)))
			continue;
		in = later(queue->sealed_ns + patience(set) - now, cpu->next_turn_ns - now);
		in = later(in, later(*(volatile u64 *)&cpu->protected_ns - now, 0));
		if ((u64)in < first)
			first = in;
	}
	return first;
}

static u32 first_waiting(u32 llc)
{
	u32 rank;

	for (rank = 0; rank < SCHED_RANKS; rank++)
		if (queue_waiting(llc, rank))
			break;
	return rank;
}

/* In how many ns the one that runs here has to go for a wake-up of its own class, or at the end of its grant. */
static __always_inline u64 step_aside_in(struct cpu *cpu, u32 llc, u32 runs, u64 now)
{
	u64 protected = *(volatile u64 *)&cpu->protected_ns;
	u32 waits = first_waiting(llc);

	if (waits > runs)
		return NEVER;
	if (protected || waits < runs)
		return (s64)(protected - now) > 0 ? protected - now : 0;
	return overtaken_in(cpu, llc, runs, now);
}

static int look_again(void *map, u32 *at, struct timer *timer)
{
	struct cpu *cpu = cpu_state(*at);
	u32 llc = llc_of(*at), runs;
	u64 now = now_ns(), in, old;

	if (!cpu)
		return 0;
	runs = *(volatile u32 *)&cpu->rank;
	if (runs >= SCHED_RANKS)
		return 0;
	in = step_aside_in(cpu, llc, runs, now);
	if (!in && !*(volatile u64 *)&cpu->protected_ns && first_waiting(llc) == runs) {
		cpu->claimed = runs;
		count_overtake(runs);
	}
	old = age_in(*at, now);
	if (!in || !old)
		scx_bpf_kick_cpu(*at, SCX_KICK_PREEMPT);
	if (!in || old < in)
		in = old; /* 0: then it is set when that turn has been given */
	if (in && in != NEVER) {
		cpu->look_ns = now + in;
		bpf_timer_start(&timer->timer, in, 0);
	}
	return 0;
}

static __always_inline int timer_make(u32 number)
{
	struct timer *timer = bpf_map_lookup_elem(&sched_timers, &number);
	int r;

	if (!timer)
		return -1;
	r = bpf_timer_init(&timer->timer, &sched_timers, 1 /* CLOCK_MONOTONIC */);
	if (r && r != -16 /* EBUSY: that of an earlier object */)
		return r;
	return bpf_timer_set_callback(&timer->timer, look_again);
}

/* Unless it looks before that anyway. */
static __always_inline void look_again_in(struct cpu *cpu, u32 number, u64 ns, u64 now)
{
	struct timer *timer = bpf_map_lookup_elem(&sched_timers, &number);
	s64 before = (s64)(cpu->look_ns - now);

	if (!timer || (before > 0 && before <= (s64)ns))
		return;
	cpu->look_ns = now + ns;
	bpf_timer_start(&timer->timer, ns, 0);
}

#endif
