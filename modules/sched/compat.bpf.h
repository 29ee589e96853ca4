/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's functions for schedulers, under the names that they had from 6.12 on. Each is weak, what the running
 * kernel has is chosen when the program is loaded; the branches not taken are removed by the verifier.
 *
 * A name of the kernel that itself ends in ___v2 is declared with one more suffix: libbpf strips the last one.
 */
#ifndef SCHED_COMPAT_BPF_H
#define SCHED_COMPAT_BPF_H

#include "kernel.bpf.h"

struct bpf_iter_scx_dsq {
	u64 opaque[6];
};

struct scx_bpf_dsq_insert_vtime_args {
	u64 dsq_id;
	u64 slice;
	u64 vtime;
	u64 enq_flags;
} PRISM_CORE;

/* 6.12 */
extern void scx_bpf_dispatch(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;
extern void scx_bpf_dispatch_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime, u64 flags) __ksym __weak;
extern bool scx_bpf_consume(u64 dsq_id) __ksym __weak;
extern u32 scx_bpf_reenqueue_local(void) __ksym __weak;
/* 6.13 */
extern void scx_bpf_dsq_insert(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;
extern void scx_bpf_dsq_insert_vtime(struct task_struct *p, u64 dsq_id, u64 slice, u64 vtime, u64 flags) __ksym __weak;
extern bool scx_bpf_dsq_move_to_local(u64 dsq_id) __ksym __weak;
/* 6.14 */
extern u64 scx_bpf_now(void) __ksym __weak;
/* 6.19 */
extern bool scx_bpf_dsq_insert___v2___k(struct task_struct *p, u64 dsq_id, u64 slice, u64 enq_flags) __ksym __weak;
extern bool __scx_bpf_dsq_insert_vtime(struct task_struct *p, struct scx_bpf_dsq_insert_vtime_args *args) __ksym __weak;
extern struct task_struct *scx_bpf_dsq_peek(u64 dsq_id) __ksym __weak;
extern bool scx_bpf_task_set_slice(struct task_struct *p, u64 slice) __ksym __weak;
extern void scx_bpf_reenqueue_local___v2___k(void) __ksym __weak;
/* 7.1 */
extern bool scx_bpf_dsq_move_to_local___v2___k(u64 dsq_id, u64 enq_flags) __ksym __weak;

/* All of them. */
extern s32 scx_bpf_create_dsq(u64 dsq_id, s32 node) __ksym;
extern s32 scx_bpf_dsq_nr_queued(u64 dsq_id) __ksym;
extern void scx_bpf_kick_cpu(s32 cpu, u64 flags) __ksym;
extern s32 scx_bpf_task_cpu(const struct task_struct *p) __ksym;
extern u32 scx_bpf_nr_cpu_ids(void) __ksym;
extern const struct cpumask *scx_bpf_get_online_cpumask(void) __ksym;
extern const struct cpumask *scx_bpf_get_idle_cpumask(void) __ksym;
extern void scx_bpf_put_cpumask(const struct cpumask *mask) __ksym;
extern void scx_bpf_put_idle_cpumask(const struct cpumask *mask) __ksym;
extern bool scx_bpf_test_and_clear_cpu_idle(s32 cpu) __ksym;
extern s32 scx_bpf_pick_idle_cpu(const struct cpumask *allowed, u64 flags) __ksym;
extern void scx_bpf_cpuperf_set(s32 cpu, u32 perf) __ksym __weak;
extern int bpf_iter_scx_dsq_new(struct bpf_iter_scx_dsq *it, u64 dsq_id, u64 flags) __ksym;
extern struct task_struct *bpf_iter_scx_dsq_next(struct bpf_iter_scx_dsq *it) __ksym;
extern void bpf_iter_scx_dsq_destroy(struct bpf_iter_scx_dsq *it) __ksym;
extern bool bpf_cpumask_test_cpu(u32 cpu, const struct cpumask *mask) __ksym;
extern bool bpf_cpumask_empty(const struct cpumask *cpumask) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

static __always_inline u64 now_ns(void)
{
	return bpf_ksym_exists(scx_bpf_now) ? scx_bpf_now() : bpf_ktime_get_ns();
}

static __always_inline void dsq_insert(struct task_struct *p, u64 dsq, u64 slice, u64 enq_flags)
{
	if (bpf_ksym_exists(scx_bpf_dsq_insert___v2___k))
		scx_bpf_dsq_insert___v2___k(p, dsq, slice, enq_flags);
	else if (bpf_ksym_exists(scx_bpf_dsq_insert))
		scx_bpf_dsq_insert(p, dsq, slice, enq_flags);
	else
		scx_bpf_dispatch(p, dsq, slice, enq_flags);
}

static __always_inline void dsq_insert_vtime(struct task_struct *p, u64 dsq, u64 slice, u64 vtime, u64 enq_flags)
{
	if (bpf_ksym_exists(__scx_bpf_dsq_insert_vtime)) {
		struct scx_bpf_dsq_insert_vtime_args args = {.dsq_id = dsq,
							     .slice = slice,
							     .vtime = vtime,
							     .enq_flags = enq_flags};

		__scx_bpf_dsq_insert_vtime(p, &args);
	} else if (bpf_ksym_exists(scx_bpf_dsq_insert_vtime)) {
		scx_bpf_dsq_insert_vtime(p, dsq, slice, vtime, enq_flags);
	} else {
		scx_bpf_dispatch_vtime(p, dsq, slice, vtime, enq_flags);
	}
}

/* To this CPU's own queue, from where it runs: the first task that may run here. False if there is none. */
static __always_inline bool dsq_move_to_local(u64 dsq)
{
	if (bpf_ksym_exists(scx_bpf_dsq_move_to_local___v2___k))
		return scx_bpf_dsq_move_to_local___v2___k(dsq, 0);
	if (bpf_ksym_exists(scx_bpf_dsq_move_to_local))
		return scx_bpf_dsq_move_to_local(dsq);
	return scx_bpf_consume(dsq);
}

/* The key of its first task; false if it is empty. */
static __always_inline bool dsq_first(u64 dsq, u64 *ret_vtime)
{
	struct task_struct *p;

	if (bpf_ksym_exists(scx_bpf_dsq_peek)) {
		p = scx_bpf_dsq_peek(dsq);
		if (p)
			*ret_vtime = task_of(p)->scx.dsq_vtime;
		return !!p;
	} else {
		struct bpf_iter_scx_dsq it;
		bool found = 0;

		if (!bpf_iter_scx_dsq_new(&it, dsq, 0)) {
			p = bpf_iter_scx_dsq_next(&it);
			if (p) {
				*ret_vtime = task_of(p)->scx.dsq_vtime;
				found = 1;
			}
		}
		bpf_iter_scx_dsq_destroy(&it);
		return found;
	}
}

static __always_inline void task_set_slice(struct task_struct *p, u64 slice)
{
	if (bpf_ksym_exists(scx_bpf_task_set_slice))
		scx_bpf_task_set_slice(p, slice);
	else
		task_of(p)->scx.slice = slice;
}

/* What a higher scheduling class found on this CPU's own queue goes back to enqueue. */
static __always_inline void reenqueue_local(void)
{
	if (bpf_ksym_exists(scx_bpf_reenqueue_local___v2___k))
		scx_bpf_reenqueue_local___v2___k();
	else if (bpf_ksym_exists(scx_bpf_reenqueue_local))
		scx_bpf_reenqueue_local();
}

static __always_inline bool any_cpu_idle(void)
{
	const struct cpumask *idle = scx_bpf_get_idle_cpumask();
	bool any = !bpf_cpumask_empty(idle);

	scx_bpf_put_idle_cpumask(idle);
	return any;
}

#endif
