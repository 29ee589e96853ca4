/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose task is this: class, weight, flow, row. Kept in the task's storage while it is in the same cgroup and the bus's
 * generation has not moved, so that a relabel, a move and a cgroup published after the fork are seen at the task's next
 * request. Whether prismd lives makes no difference to that: the last answer stands.
 */
#ifndef SCHED_PLACE_BPF_H
#define SCHED_PLACE_BPF_H

#include "flow.bpf.h"

static __always_inline u32 rank_of(u32 flags)
{
	switch (prism_class(flags)) {
	case PRISM_CLASS_CRITICAL:
		return SCHED_CRITICAL;
	case PRISM_CLASS_BATCH:
		return SCHED_BATCH;
	default:
		return SCHED_NORMAL;
	}
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* Row 0 is nobody's: it counts the rows that have been given out for the first time. */
static __always_inline u32 row_take(void)
{
	struct sched_row *first = bpf_map_lookup_elem(&sched_rows, &sched_zero);
	u32 index;

	if (!bpf_map_pop_elem(&sched_free_rows, &index))
		return index;
	if (!first)
		return 0;
	index = first->reserved + 1;
	if (!bpf_map_lookup_elem(&sched_rows, &index))
		return 0;
	return __sync_fetch_and_add(&first->reserved, 1) + 1;
}

__noinline u32 row_get(u32 identity, u64 label_hash)
{
	u32 *found = bpf_map_lookup_elem(&sched_row_index, &identity), index;
	struct sched_row *row;

	if (found)
		return *found;
	index = row_take();
	row = bpf_map_lookup_elem(&sched_rows, &index);
	if (!index || !row)
		return 0;
	row->identity = identity;
	row->label_hash = label_hash;
	if (!bpf_map_update_elem(&sched_row_index, &identity, &index, BPF_NOEXIST))
		return index;
	row->identity = 0;
	bpf_map_push_elem(&sched_free_rows, &index, 0);
	found = bpf_map_lookup_elem(&sched_row_index, &identity); /* another CPU was faster */
	return found ? *found : 0;
}

static __always_inline struct sched_row *row_of(const struct task *task)
{
	u32 index = task->row;
	struct sched_row *row = index ? bpf_map_lookup_elem(&sched_rows, &index) : NULL;

	return row && row->identity == task->identity ? row : NULL;
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

static __always_inline bool task_is_a_flow(struct task_struct *p, const struct task *task)
{
	return task->identity == PRISM_ID_UNMANAGED && in_root_group(p);
}

static __always_inline void task_join(struct task_struct *p, struct task *task, struct flow_key *key)
{
	u32 before = task->flow;
	struct flow *flow;

	if (before) {
		flow = flow_of(task);
		if (same_key(&flow->key, key)) {
			flow->weight = task->weight;
			return;
		}
	}
	task->own.key = *key;
	task->own.weight = task->weight;
	task->own.step = 0;
	if (key->rank < SCHED_RANKS && (s64)(task->own.tag - sched_clock[key->rank].now) < 0)
		task->own.tag = sched_clock[key->rank].now;
	task->flow = task_is_a_flow(p, task) ? 0 : flow_get(key);
	flow = flow_of(task);
	flow->weight = task->weight;
	flow_put(before);
	task->charged_ns = 0;
	task->slice_ns = 0;
}

/* Global, like each function that has a loop and needs little to be known of its arguments: the verifier looks once. */
__noinline int task_settle(struct task_struct___prism *trusted __arg_trusted, u64 cgroup, u64 generation)
{
	struct task_struct *p = (struct task_struct *)trusted;
	struct task *task = bpf_task_storage_get(&sched_tasks, p, NULL, 0);
	struct prism_lookup who;
	struct flow_key key = {};
	struct sched_row *row;

	if (!task)
		return 0;
	who = prism_lookup_task(p);
	task->identity = who.identity ?: PRISM_ID_UNMANAGED;
	task->rank = rank_of(who.flags);
	task->weight = prism_weight(who.flags);
	key.group = group_of(p);
	key.identity = task->identity;
	key.rank = task->rank;
	task_join(p, task, &key);
	task->row = row_get(task->identity, who.label_hash);
	row = row_of(task);
	if (row) {
		row->rank = task->rank;
		row->weight = task->weight;
	}
	/* Without memory for its flow just now it is asked again at the next request. */
	task->cgroup = task->flow || task_is_a_flow(p, task) || flows_exhausted() ? cgroup : 0;
	task->generation = generation;
	return 0;
}

static __always_inline u64 cgroup_of(struct task_struct *p)
{
	return ((struct task_struct___prism *)p)->cgroups->dfl_cgrp->kn->id;
}

/* What the task's state says still holds. */
static __always_inline bool task_is_placed(struct task_struct *p, const struct task *task)
{
	const struct prism_meta *meta = prism_bus_meta();

	return meta && task->cgroup == cgroup_of(p) && task->generation == *(const volatile u64 *)&meta->generation;
}

/* The task's state, in force now; NULL when there is no memory for it. */
static __always_inline struct task *task_place(struct task_struct *p)
{
	const struct prism_meta *meta = prism_bus_meta();
	struct task *task = bpf_task_storage_get(&sched_tasks, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	u64 cgroup = cgroup_of(p), generation;

	if (!task || !meta)
		return NULL;
	generation = *(const volatile u64 *)&meta->generation;
	if (task->cgroup != cgroup || task->generation != generation)
		task_settle((struct task_struct___prism *)p, cgroup, generation);
	return task;
}

#endif
