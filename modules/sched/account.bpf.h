/* SPDX-License-Identifier: GPL-2.0-only */
/* What has been used, and how long it took to get it: charged to flow and class, counted for the class and the
 * identity. */
#ifndef SCHED_ACCOUNT_BPF_H
#define SCHED_ACCOUNT_BPF_H

#include "place.bpf.h"

#define USUAL_MIN (50 * NS_PER_US)
#define PERF_WINDOW (16 * NS_PER_MS)
#define PERF_STALE (4 * PERF_WINDOW)
/* What is left of a slice that is cut short is kept if it is worth a switch. */
#define REST_MIN (200 * NS_PER_US)

static __always_inline u32 bucket_of(u64 ns)
{
	u32 bucket = 0;

	ns >>= 12;
#pragma clang loop unroll(disable)
	while (ns && bucket < SCHED_BUCKETS - 1) {
		ns >>= 2;
		bucket++;
	}
	return bucket;
}

/* Of this CPU's own counters: nobody else writes them. */
static __always_inline void wait_count(struct sched_waits *waits, u64 ns, u32 bucket, u64 bound)
{
	waits->bucket[bucket]++;
	waits->total_ns += ns;
	if (ns > waits->longest_ns)
		waits->longest_ns = ns;
	if (ns > bound)
		waits->violations++;
}

/* Of a row, which all CPUs write. */
static __always_inline void wait_count_shared(struct sched_waits *waits, u64 ns, u32 bucket, u64 bound)
{
	__sync_fetch_and_add(&waits->bucket[bucket], 1);
	__sync_fetch_and_add(&waits->total_ns, ns);
	if (ns > waits->longest_ns)
		waits->longest_ns = ns;
	if (ns > bound)
		__sync_fetch_and_add(&waits->violations, 1);
}

static __always_inline void account_wait(const struct task *task, u64 now, const struct sched_config *config)
{
	u64 ns = task->ready_ns && now > task->ready_ns ? now - task->ready_ns : 0;
	struct sched_row *row = row_of(task);
	struct sched_stats *mine = stats();
	u32 bucket = bucket_of(ns);

	if (bucket >= SCHED_BUCKETS)
		return;
	if (mine && task->rank < SCHED_RANKS)
		wait_count(&mine->class[task->rank].waits, ns, bucket, config->max_wait_ns);
	if (row)
		wait_count_shared(&row->waits, ns, bucket, config->max_wait_ns);
}

/*
 * Shares of the classes on this CPU: CPU time of a class divided by its share; whoever has less is behind. An earlier
 * class may be behind as far as critical may burst, a later one by two grants: what it did not want before is gone.
 */
static __always_inline u64 class_lag_max(const struct sched_config *config, u32 ahead, u32 behind)
{
	if (behind < ahead)
		return config->burst_ns / (config->share[SCHED_CRITICAL] ?: 1);
	return 2 * config->grant_ns / (config->share[behind] ?: 1);
}

static __always_inline void account_class(struct cpu *cpu, u32 rank, u64 ns, const struct sched_config *config)
{
	u32 i;

	if (rank >= SCHED_RANKS)
		return;
	cpu->used[rank] += ns / (config->share[rank] ?: 1);
	for (i = 0; i < SCHED_RANKS; i++) {
		u64 lag = class_lag_max(config, rank, i);

		if ((s64)(cpu->used[rank] - cpu->used[i] - lag) > 0)
			cpu->used[i] = cpu->used[rank] - lag;
	}
}

/* The task has run from since_ns until now: settles the request as far as it was used. */
static __always_inline void account_run(struct cpu *cpu, struct task *task, bool sleeps, u64 now,
					const struct sched_config *config)
{
	/* Who was on the CPU when the scheduler was attached has not been seen to begin. */
	u64 ns = cpu->since_ns && now > cpu->since_ns ? now - cpu->since_ns : 0;
	struct sched_stats *mine = stats();
	struct sched_row *row = row_of(task);
	struct flow *flow = flow_of(task);

	cpu->since_ns = now;
	cpu->busy_ns += ns;
	flow_charge(flow, (s64)(ns - task->charged_ns));
	task->tag += virtual_ns(flow, (s64)ns);
	task->charged_ns = 0;
	task->slice_ns = task->slice_ns > ns + REST_MIN ? task->slice_ns - ns : 0;
	task->run_ns += ns;
	if (sleeps || !task->slice_ns) {
		task->usual_ns = (3 * task->usual_ns + task->run_ns) / 4;
		task->run_ns = 0;
	}
	account_class(cpu, task->rank, ns, config);
	if (mine && task->rank < SCHED_RANKS)
		mine->class[task->rank].run_ns += ns;
	if (row)
		__sync_fetch_and_add(&row->run_ns, ns);
}

#endif
