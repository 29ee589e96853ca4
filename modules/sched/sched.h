/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the scheduler's programs and its user side share: configuration, counters, rows by identity, the exit record.
 *
 * Maps of sched.bpf.c that user space uses; all are pinned by name.
 *
 *   sched_config      ARRAY[1] of struct sched_config. Written whole by user space at any time; the programs read it at
 *                     each decision. Has to be filled before the scheduler is attached.
 *   sched_about       ARRAY[1] of struct sched_about. User space's own note.
 *   sched_stats       PERCPU_ARRAY[1] of struct sched_stats. Each CPU writes its own.
 *   sched_rows        ARRAY[max_identities] of struct sched_row, one for each identity that has run. Its size is set
 *                     before load.
 *   sched_row_index   HASH[as many] of __u32 identity -> __u32 index into sched_rows.
 *   sched_free_rows   QUEUE[as many] of __u32: rows that user space gives back. To forget an identity: delete its key
 *                     from sched_row_index, write a zeroed row, push the index here; after the bus has let it go.
 *   sched_exit        ARRAY[1] of struct sched_exit: why the kernel let go of the scheduler; kind 0 while it runs.
 *   sched_events      RINGBUF of struct sched_event.
 *
 * Set in .rodata before load: sched_llcs, sched_llc_of[cpu].
 */
#ifndef SCHED_H
#define SCHED_H

#include <linux/types.h>

#define SCHED_CPUS_MAX 1024 /* CPU numbers above are refused by user space before load */
#define SCHED_LLCS_MAX 64   /* last-level caches that have queues of their own; more share the last one's */

/* The classes of the bus in the order in which they are served; unset is treated as normal. */
enum sched_rank {
	SCHED_CRITICAL = 0,
	SCHED_NORMAL = 1,
	SCHED_BATCH = 2,
	SCHED_RANKS = 3,
};

/* sched_config.flags */
#define SCHED_F_PREEMPT (1u << 0) /* a task that wakes up may take the CPU: wake.bpf.h */
#define SCHED_F_CPUFREQ (1u << 1) /* ask for the CPU's full speed for critical, for what the load needs otherwise */

/* All times in ns. Ranges: what user space lets through; the programs take any value without harm but the one said. */
struct sched_config {
	__u64 max_wait_ns;           /* bound on the wait of a runnable task: 20 ms..5 s, default 250 ms */
	__u64 slice_ns[SCHED_RANKS]; /* 100 us..100 ms, default 2 ms, 3 ms, 5 ms */
	__u64 grant_ns;              /* what a task that is owed service gets at least: 200 us..10 ms, default 1 ms */
	__u64 burst_ns;           /* CPU time that critical may use above its share at once: 0..10 s, default 100 ms */
	__u32 share[SCHED_RANKS]; /* of a CPU when each class could use all of it: 1..1000, default 16, 4, 1 */
	__u32 flags;              /* SCHED_F_*, default SCHED_F_PREEMPT */
};

struct sched_about {
	__u64 told_ns; /* the end of the scheduler (sched_exit.ktime_ns) that an operator has been told of */
	/* What it was loaded with. CPUs come and go: what the kernel tells of caches now may be something else. */
	__u32 llcs; /* 0: none was attached yet */
	__u32 llc_of[SCHED_CPUS_MAX];
	__u32 reserved;
};

/* Waits by length: bucket i counts those below 4096 ns << 2 * i, the last one all others. */
#define SCHED_BUCKETS 12
#define SCHED_BUCKET_NS(i) (4096ull << 2 * (i))

/* A wait is the time from getting runnable, or from losing the CPU, to running. */
struct sched_waits {
	__u64 bucket[SCHED_BUCKETS];
	__u64 total_ns;
	__u64 longest_ns;
	__u64 violations; /* longer than max_wait_ns */
};

struct sched_class_stats {
	__u64 run_ns;
	__u64 preempted;   /* lost the CPU to a wake-up before the end of its slice */
	__u64 preemptions; /* wake-ups that took a CPU from a later rank */
	__u64 overtakes;   /* wake-ups that took one from a task of their own rank that was ahead of them */
	__u64 grants;      /* served because it was owed, not because it was its turn */
	struct sched_waits waits;
};

struct sched_stats {
	struct sched_class_stats class[SCHED_RANKS];
	__u64 direct;     /* woke up onto an idle CPU, or was handed the waker's */
	__u64 unplaced;   /* enqueued without storage, flow or row of their own: no memory, or more than fit */
	__u64 reenqueued; /* taken back from a CPU that a higher scheduling class took over */
	__u64 stolen;     /* run by a CPU of another last-level cache */
};

/* One identity. Sums over all CPUs. */
struct sched_row {
	__u32 identity; /* 0: free */
	__u32 rank;     /* enum sched_rank, of the last task that ran */
	__u32 weight;   /* 1..127 */
	__u32 reserved;
	__u64 label_hash; /* of whom it was made for: a number gets another owner some day */
	__u64 run_ns;
	__u64 preempted;
	struct sched_waits waits;
};

#define SCHED_REASON 128
#define SCHED_MESSAGE 1024

/* kind: enum scx_exit_kind of the kernel (1 done, 64 unregistered, 65 by BPF, 66 by the kernel, 67 SysRq, 1024..
 * error). */
struct sched_exit {
	__s64 code;
	__u64 ktime_ns;
	__u32 kind;
	__u32 reserved;
	char reason[SCHED_REASON];
	char message[SCHED_MESSAGE];
};

enum sched_event_type {
	SCHED_EVENT_EXIT = 0, /* sched_exit has been written */
};

struct sched_event {
	__u32 type; /* enum sched_event_type */
	__u32 kind; /* of the exit */
	__s64 code;
	__u64 ktime_ns;
};

#endif
