/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows: who shares with whom inside a class.
 *
 * A flow is an identity in a cgroup of the cpu controller, so the number of its tasks buys no share, and each replica
 * counts by itself. Of the tasks that belong to no workload those in the root cgroup are flows of their own, as they
 * are for the kernel's own scheduler.
 *
 * Share. A flow gets, at each level of the hierarchy, weight / sum of the weights of the siblings that run tasks of the
 * class; cpu.weight for a cgroup, 100 for a flow beside other flows of one cgroup, the nice value's weight for a task
 * of the root. All of it times the identity's weight. At the root itself, where it would be the same for all, no sum is
 * needed. The sums are kept by epochs of 67 ms: in each one a flow counts itself once, and a cgroup is counted in its
 * parent by the first flow below it, so that nothing is walked in between.
 */
#ifndef SCHED_FLOW_BPF_H
#define SCHED_FLOW_BPF_H

#include "state.bpf.h"

#define FLOWS_MAX 16384
#define GROUPS_MAX 65536
#define GROUP_DEPTH_MAX 24

#define EPOCH_SHIFT 26
#define STEP_SHIFT 24  /* how often a share is reckoned anew: siblings may have come since */
#define WEIGHT_ONE 100 /* cpu.weight and nice 0 */

#define INVERSE_SHIFT 16
#define INVERSE_MAX (1ull << 36)
/* How far ahead of its class a flow may get: it is not made to pay for longer when its weight rises. */
#define LEAD_MAX (60ull * 1000 * NS_PER_MS)

/* ---- cgroups of the cpu controller ------------------------------------------------------------------------------- */

struct group {
	u64 parent; /* 0: the root */
	u32 weight;
	struct {
		u64 epoch;
		u64 now;  /* weights that were counted in it */
		u64 last; /* in the one before in which any were */
	} sum[SCHED_RANKS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GROUPS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct group);
} sched_groups SEC(".maps");

static __always_inline u64 group_of(struct task_struct *p)
{
	return task_of(p)->sched_task_group->css.cgroup->kn->id;
}

static __always_inline bool in_root_group(struct task_struct *p)
{
	return !task_of(p)->sched_task_group->css.cgroup->level;
}

/* Counts a child of this weight for the epoch. True if it is the first one. */
static __always_inline bool group_count(struct group *group, u32 rank, u64 epoch, u32 weight)
{
	u64 before;
	bool first = 0;

	if (rank >= SCHED_RANKS)
		return 0;
	before = group->sum[rank].epoch;
	if (before != epoch && __sync_val_compare_and_swap(&group->sum[rank].epoch, before, epoch) == before) {
		group->sum[rank].last = group->sum[rank].now;
		group->sum[rank].now = 0;
		first = 1;
	}
	__sync_fetch_and_add(&group->sum[rank].now, weight);
	return first;
}

/* Reckons the share of a flow, a child of this weight in its group; counts it for the epoch, if that is not 0. */
__noinline u64 flow_inverse(u64 group_id, u32 rank, u64 epoch, u32 child_weight, u32 weight)
{
	u64 inverse = ((u64)PRISM_WEIGHT_ONE << INVERSE_SHIFT) / (weight ?: PRISM_WEIGHT_ONE);
	bool count = epoch;
	int i;

	if (rank >= SCHED_RANKS)
		return inverse;
#pragma clang loop unroll(disable)
	for (i = 0; i < GROUP_DEPTH_MAX; i++) {
		struct group *group = bpf_map_lookup_elem(&sched_groups, &group_id);
		u64 sum = WEIGHT_ONE;

		/* Below the root the sum is the same for all: it is left out, and what comes and goes there changes
		 * nothing. */
		if (group && group->parent) {
			if (count)
				count = group_count(group, rank, epoch, child_weight);
			sum = group->sum[rank].last ?: group->sum[rank].now;
			sum = sum > child_weight ? sum : child_weight;
		}
		inverse = inverse * sum / (child_weight ?: 1);
		if (inverse > INVERSE_MAX)
			inverse = INVERSE_MAX;
		if (!group || !group->parent)
			break;
		child_weight = group->weight;
		group_id = group->parent;
	}
	return inverse ?: 1;
}

/* ---- the flows --------------------------------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOWS_MAX);
	__type(key, u32);
	__type(value, struct flow);
} sched_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, FLOWS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, u32);
} sched_flow_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, FLOWS_MAX);
	__type(value, u32);
} sched_free_flows SEC(".maps");

static u32 sched_flows_taken = 0; /* indices given out for the first time; 0 is nobody's */

static __always_inline bool same_key(const struct flow_key *a, const struct flow_key *b)
{
	return a->group == b->group && a->identity == b->identity && a->rank == b->rank;
}

static __always_inline void flow_put(u32 index)
{
	struct flow *flow = bpf_map_lookup_elem(&sched_flows, &index);
	struct flow_key key;

	if (!index || !flow)
		return;
	key = flow->key;
	if (__sync_fetch_and_add(&flow->users, -1) != 1)
		return;
	bpf_map_delete_elem(&sched_flow_index, &key);
	bpf_map_push_elem(&sched_free_flows, &index, 0);
}

/* The index of a living flow of this key, with one user more; 0 if there is none. */
static __always_inline u32 flow_find(const struct flow_key *key)
{
	u32 *index = bpf_map_lookup_elem(&sched_flow_index, key), at, users;
	struct flow *flow;

	if (!index)
		return 0;
	at = *index;
	flow = bpf_map_lookup_elem(&sched_flows, &at);
	if (!flow)
		return 0;
	users = flow->users;
	if (!users || __sync_val_compare_and_swap(&flow->users, users, users + 1) != users)
		return 0;
	if (same_key(&flow->key, key))
		return at;
	flow_put(at); /* another flow's by now */
	return 0;
}

static __always_inline bool flows_exhausted(void)
{
	return sched_flows_taken >= FLOWS_MAX - 1;
}

/* An index that is nobody's; 0 if there is none. */
static __always_inline u32 flow_take(void)
{
	u32 index;

	if (!bpf_map_pop_elem(&sched_free_flows, &index))
		return index;
	if (flows_exhausted())
		return 0;
	index = __sync_fetch_and_add(&sched_flows_taken, 1) + 1;
	return index < FLOWS_MAX ? index : 0;
}

static __always_inline u32 flow_make(const struct flow_key *key)
{
	u32 index = flow_take();
	struct flow *flow = bpf_map_lookup_elem(&sched_flows, &index);

	if (!index || !flow)
		return 0;
	flow->tag = key->rank < SCHED_RANKS ? sched_clock[key->rank].now : 0;
	flow->inverse = 1ull << INVERSE_SHIFT;
	flow->step = 0;
	flow->key = *key;
	flow->users = 1;
	if (!bpf_map_update_elem(&sched_flow_index, key, &index, BPF_NOEXIST))
		return index;
	flow->users = 0;
	bpf_map_push_elem(&sched_free_flows, &index, 0);
	return 0;
}

/* 0: no memory, or more flows than fit; the task is then a flow of its own. */
static __noinline u32 flow_get(struct flow_key *key)
{
	u32 index;
	int i;

	if (!key)
		return 0;
	for (i = 0; i < 4; i++) {
		index = flow_find(key);
		if (!index)
			index = flow_make(key);
		if (index)
			return index;
	}
	return 0;
}

/* That of the task as it was last placed. */
static __always_inline struct flow *flow_of(struct task *task)
{
	u32 index = task->flow;
	struct flow *flow;

	if (!index)
		return &task->own;
	flow = bpf_map_lookup_elem(&sched_flows, &index);
	return flow ?: &task->own;
}

static __always_inline void flow_refresh(struct flow *flow, struct task_struct *p, const struct task *task, u64 now)
{
	u64 step = now >> STEP_SHIFT, epoch = now >> EPOCH_SHIFT, before = flow->step;
	u32 child;

	if (before == step)
		return;
	flow->step = step;
	if (before >> (EPOCH_SHIFT - STEP_SHIFT) == epoch)
		epoch = 0;
	child = task->flow ? WEIGHT_ONE : task_of(p)->scx.weight;
	flow->inverse = flow_inverse(flow->key.group, flow->key.rank, epoch, child, flow->weight);
}

static __always_inline s64 virtual_ns(const struct flow *flow, s64 ns)
{
	return ns < 0 ? -(s64)((u64)-ns * flow->inverse >> INVERSE_SHIFT)
		      : (s64)((u64)ns * flow->inverse >> INVERSE_SHIFT);
}

static __always_inline void flow_charge(struct flow *flow, s64 ns)
{
	__sync_fetch_and_add(&flow->tag, virtual_ns(flow, ns));
}

/* The tag that its next request will have: start-time fair queueing. What a flow did not want before is gone, but for
 * `credit` of it. */
static __always_inline u64 flow_next(const struct flow *flow, u32 rank, u64 credit)
{
	u64 floor = rank < SCHED_RANKS ? sched_clock[rank].now - credit : 0;
	u64 tag = flow->tag;

	if ((s64)(tag - floor) < 0)
		return floor;
	return tag - floor > LEAD_MAX ? floor + LEAD_MAX : tag;
}

/* A new request for ns of CPU time: its tag. */
static __always_inline u64 flow_request(struct flow *flow, u32 rank, u64 ns, u64 credit)
{
	u64 tag = flow->tag, next = flow_next(flow, rank, credit);

	if (tag != next)
		__sync_val_compare_and_swap(&flow->tag, tag, next);
	return __sync_fetch_and_add(&flow->tag, virtual_ns(flow, ns));
}

#endif
