/* SPDX-License-Identifier: GPL-2.0-only */
/* What the scheduler reads of the kernel's types, and the constants of sched_ext (include/linux/sched/ext.h,
 * kernel/sched/ext.c). */
#ifndef SCHED_KERNEL_BPF_H
#define SCHED_KERNEL_BPF_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <prism/bus.bpf.h>

typedef __u8 u8;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

#define PF_KTHREAD 0x00200000

#define SCX_DSQ_LOCAL 0x8000000000000002ull

#define SCX_ENQ_WAKEUP 1ull
#define SCX_ENQ_PREEMPT (1ull << 32)

#define SCX_WAKE_SYNC 0x10ull

#define SCX_KICK_IDLE 1ull
#define SCX_KICK_PREEMPT 2ull

#define SCX_TASK_QUEUED 1u

#define SCX_OPS_ENQ_EXITING 4ull

#define SCX_CPUPERF_ONE 1024

/* Complete, as libbpf compares the signatures of the kernel's functions: a declared type is not the kernel's structure.
 */
struct task_struct {
};

struct cpumask {
};

struct task_group___sched {
	struct cgroup_subsys_state___prism css;
} PRISM_CORE;

struct sched_ext_entity___sched {
	u32 flags;
	u32 weight; /* of the nice value: 1..10000, nice 0 is 100 */
	u64 slice;
	u64 dsq_vtime;
} PRISM_CORE;

struct task_struct___sched {
	unsigned int flags;
	int nr_cpus_allowed;
	const struct cpumask *cpus_ptr;
	struct task_group___sched *sched_task_group;
	struct sched_ext_entity___sched scx;
} PRISM_CORE;

struct scx_init_task_args;
struct scx_exit_task_args;
struct scx_cpu_release_args;

struct scx_cgroup_init_args {
	u32 weight;
} PRISM_CORE;

enum scx_exit_kind {
	SCX_EXIT_NONE,
};

struct scx_exit_info {
	enum scx_exit_kind kind;
	s64 exit_code;
	const char *reason;
	char *msg;
} PRISM_CORE;

/* libbpf matches members by name: these are the ones in use. */
struct sched_ext_ops {
	s32 (*select_cpu)(struct task_struct *p, s32 prev_cpu, u64 wake_flags);
	void (*enqueue)(struct task_struct *p, u64 enq_flags);
	void (*dispatch)(s32 cpu, struct task_struct *prev);
	void (*running)(struct task_struct *p);
	void (*stopping)(struct task_struct *p, bool runnable);
	bool (*yield)(struct task_struct *from, struct task_struct *to);
	s32 (*init_task)(struct task_struct *p, struct scx_init_task_args *args);
	void (*disable)(struct task_struct *p);
	void (*exit_task)(struct task_struct *p, struct scx_exit_task_args *args);
	void (*cpu_release)(s32 cpu, struct scx_cpu_release_args *args);
	void (*cpu_online)(s32 cpu);
	void (*cpu_offline)(s32 cpu);
	s32 (*cgroup_init)(struct cgroup *cgrp, struct scx_cgroup_init_args *args);
	void (*cgroup_exit)(struct cgroup *cgrp);
	void (*cgroup_move)(struct task_struct *p, struct cgroup *from, struct cgroup *to);
	void (*cgroup_set_weight)(struct cgroup *cgrp, u32 weight);
	s32 (*init)(void);
	void (*exit)(struct scx_exit_info *info);
	u64 flags;
	u64 hotplug_seq;
	u32 timeout_ms;
	char name[128];
};

/* As the kernel knows it; the programs get this pointer. */
static __always_inline struct task_struct___sched *task_of(struct task_struct *p)
{
	return (void *)p;
}

#endif
