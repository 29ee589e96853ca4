// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel knows of a task and of a CPU and does not tell user space. */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <prism/kernel.bpf.h>

struct sched_entity___peek {
	unsigned char custom_slice;
} PRISM_CORE;

struct task_struct___peek {
	struct sched_entity___peek se;
} PRISM_CORE;

struct scx_rq___peek {
	__u32 cpuperf_target;
} PRISM_CORE;

struct rq___peek {
	struct scx_rq___peek scx;
} PRISM_CORE;

struct task_struct {
};

struct rq {
};

extern const struct rq runqueues __ksym;
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;

__s32 peek_at; /* thread or CPU */
__s64 peek_result;

SEC("syscall")
int peek_custom_slice(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(peek_at);
	const struct task_struct___peek *known = (const void *)task;

	peek_result = -1;
	if (!task)
		return 0;
	if (bpf_core_field_exists(known->se.custom_slice))
		peek_result = known->se.custom_slice;
	bpf_task_release(task);
	return 0;
}

SEC("syscall")
int peek_cpuperf(void *ctx)
{
	const struct rq___peek *rq = bpf_per_cpu_ptr(&runqueues, (__u32)peek_at);

	peek_result = -1;
	if (rq && bpf_core_field_exists(rq->scx.cpuperf_target))
		peek_result = rq->scx.cpuperf_target;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
