/* SPDX-License-Identifier: GPL-2.0-only */
/* What the scheduler remembers: of a task, a CPU, a queue; configuration and counters are in sched.h. */
#ifndef SCHED_STATE_BPF_H
#define SCHED_STATE_BPF_H

#include "compat.bpf.h"
#include "sched.h"

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull

/* No task of ours runs on this CPU; also later than every rank. */
#define SCHED_NONE SCHED_RANKS

/* ---- set by user space before load ------------------------------------------------------------------------------- */

const volatile __u32 sched_llcs = 1;
const volatile __u32 sched_llc_of[SCHED_CPUS_MAX] = {};

/* ---- flows: who shares with whom (flow.bpf.h) -------------------------------------------------------------------- */

struct flow_key {
	u64 group; /* id of the cgroup whose cpu.weight counts */
	u32 identity;
	u32 rank;
};

/* Virtual time is CPU time of a class, scaled so that each flow of the class that wants to run gets its share. */
struct flow {
	u64 tag;     /* virtual time of its next request */
	u64 inverse; /* virtual ns for each ns that it runs, 16 fractional bits */
	u64 step;    /* in which inverse was reckoned (flow.bpf.h) */
	struct flow_key key;
	u32 weight; /* the identity's */
	u32 users;  /* tasks; 0: free */
};

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

struct task {
	u64 cgroup;     /* the rest of this part holds in this cgroup */
	u64 generation; /* and at this generation of the bus */
	u32 identity;
	u32 rank;
	u32 weight;
	u32 flow; /* index; 0: own */
	u32 row;  /* index; 0: none */
	u32 yielded;
	u32 patient; /* wakes up where the CPU will be free soon: no other one is interrupted for it */

	u64 ready_ns;   /* runnable and not running since */
	u64 tag;        /* of what is left of its present request: the key in the queue */
	u64 slice_ns;   /* of its present request: what is left of it */
	u64 until_ns;   /* it was handed over and may run until then; 0: for slice_ns */
	u64 charged_ns; /* of its present request: what the flow has been charged for and was not used yet */
	u64 run_ns;     /* since it last slept or got a new slice */
	u64 usual_ns;   /* how much that gets, on average */
	struct flow own;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct task);
} sched_tasks SEC(".maps");

static __always_inline struct task *task_state(struct task_struct *p)
{
	return bpf_task_storage_get(&sched_tasks, p, NULL, 0);
}

/* ---- CPUs -------------------------------------------------------------------------------------------------------- */

enum {
	CLOCK_TO_TAG,
	CLOCK_LIMITED,
	CLOCK_STAYS,
};

struct cpu {
	u32 rank;              /* of the task that runs; SCHED_NONE */
	u32 claimed;           /* rank of a wake-up that is about to take this CPU; SCHED_NONE */
	u64 since_ns;          /* the task runs since, or was charged until */
	u64 until_ns;          /* end of its slice */
	u64 soon_ns;           /* when it will sleep, if it runs as long as it usually does */
	u64 protected_ns;      /* until then nobody takes the CPU from it */
	u64 tag;               /* of what it had left of its request at since_ns */
	u64 inverse;           /* its flow's: how fast that grows */
	u64 overtaker;         /* bar of a wake-up that waits until this task has got there (overtake.bpf.h) */
	u64 look_ns;           /* when its timer is due */
	u64 granted_ns;        /* for how long to protect what runs next */
	u64 clock_limit;       /* how far what runs next moves its class's virtual time, with CLOCK_LIMITED */
	u32 clock_rule;        /* CLOCK_*: whether it does */
	u64 used[SCHED_RANKS]; /* CPU time divided by the class's share */
	u64 next_turn_ns;      /* when to look for those who are owed for their age */
	u32 turn_rank;         /* of whom to look first */
	u32 online;
	u64 window_ns; /* the load is counted since */
	u64 busy_ns;
	u32 speed; /* what was asked for last, of SCX_CPUPERF_ONE */
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHED_CPUS_MAX);
	__type(key, u32);
	__type(value, struct cpu);
} sched_cpus SEC(".maps");

static __always_inline struct cpu *cpu_state(u32 cpu)
{
	return bpf_map_lookup_elem(&sched_cpus, &cpu);
}

static __always_inline u32 llc_of(u32 cpu)
{
	u32 llc;

	barrier_var(cpu); /* what is compared is what is used: otherwise a sign may be lost in between */
	llc = cpu < SCHED_CPUS_MAX ? sched_llc_of[cpu] : 0;

	return llc < SCHED_LLCS_MAX ? llc : 0;
}

/* ---- queues: of each class, for the CPUs of one last-level cache (queue.bpf.h) ----------------------------------- */

struct queue {
	u32 young;        /* 0 or 1: which of its two kernel queues takes new tasks */
	u32 waiting;      /* bit 0, 1: that kernel queue may have tasks */
	u64 insert_ns[2]; /* when one was begun last, of each */
	u64 sealed_ns;    /* since when the old one takes none any more */
	u32 sealed;       /* tasks it had then */
} __attribute__((aligned(64)));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCHED_LLCS_MAX *SCHED_RANKS);
	__type(key, u32);
	__type(value, struct queue);
} sched_queues SEC(".maps");

static __always_inline struct queue *queue_state(u32 llc, u32 rank)
{
	u32 at = llc * SCHED_RANKS + rank;

	return bpf_map_lookup_elem(&sched_queues, &at);
}

/* Where each class has got to in its virtual time; read at every request, so each has a cache line. */
struct clock {
	u64 now;
} __attribute__((aligned(64)));

static struct clock sched_clock[SCHED_RANKS] = {};

/* CPUs that are online, by last-level cache. */
static u32 sched_llc_cpus[SCHED_LLCS_MAX] = {};

/* ---- shared with user space -------------------------------------------------------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, struct sched_config);
} sched_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, struct sched_about);
} sched_about SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, struct sched_stats);
} sched_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, struct sched_row);
} sched_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, u32);
} sched_row_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4096);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(value, u32);
} sched_free_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, struct sched_exit);
} sched_exit SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} sched_events SEC(".maps");

static const u32 sched_zero = 0;

/* Never NULL; the verifier wants the check all the same. */
static __always_inline const struct sched_config *config(void)
{
	return bpf_map_lookup_elem(&sched_config, &sched_zero);
}

/* How long a task may wait until it is owed a turn for its age (turn.bpf.h). */
static __always_inline u64 patience(const struct sched_config *config)
{
	return config->max_wait_ns / 5;
}

static __always_inline struct sched_stats *stats(void)
{
	return bpf_map_lookup_elem(&sched_stats, &sched_zero);
}

#endif
