// SPDX-License-Identifier: GPL-2.0-only
/*
 * Partial mode: looks at every task once and tells those whose scheduling policy has to change. Tasks of workloads that
 * carry the module's facet become SCHED_EXT, others that this made so get back what they had. Whoever is realtime, idle
 * or SCHED_EXT by his own choice is left alone. What forks between two looks is followed.
 */
#include <linux/bpf.h>
#include <bpf/bpf_tracing.h>
#include <prism/bus.bpf.h>

#include "partial_task.h"

#define PF_EXITING 0x00000004
#define PF_KTHREAD 0x00200000

struct seq_file;

struct bpf_iter_meta___sched {
	struct seq_file *seq;
} PRISM_CORE;

struct bpf_iter__task___sched {
	struct bpf_iter_meta___sched *meta;
	struct task_struct *task;
} PRISM_CORE;

struct sched_entity___partial {
	unsigned char custom_slice;
} PRISM_CORE;

struct task_struct___partial {
	unsigned int flags;
	unsigned int policy;
	int pid;
	struct sched_entity___partial se;
} PRISM_CORE;

struct mark {
	__u32 policy; /* to give back */
};

/* On every task that is SCHED_EXT by our doing; outlives prismd, as their policy does. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, int);
	__type(value, struct mark);
} sched_partial SEC(".maps");

_Bool partial_give_back; /* all of them, whatever their facets */
__u64 partial_threads;   /* that are SCHED_EXT by our doing; user space clears it before a look */

static __u32 policy_of(const struct task_struct *task)
{
	return ((const struct task_struct___partial *)task)->policy;
}

static int tell(struct bpf_iter__task___sched *ctx, const struct task_struct *task, __u32 policy)
{
	const struct task_struct___partial *t = (const void *)task;
	struct partial_task record = {.tid = (__u32)t->pid, .policy = policy};

	if (bpf_core_field_exists(t->se.custom_slice))
		record.custom_slice = t->se.custom_slice;
	/* When the page is full the kernel shows this task again. */
	return bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
}

static int take(struct bpf_iter__task___sched *ctx, struct task_struct *task)
{
	__u32 policy = policy_of(task);
	struct mark *mark;

	if (policy != PARTIAL_POLICY_EXT && policy != PARTIAL_POLICY_NORMAL && policy != PARTIAL_POLICY_BATCH)
		return 0;
	mark = bpf_task_storage_get(&sched_partial, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!mark)
		return 0; /* no memory: the next look */
	/* One that is SCHED_EXT without a mark may be a child for whose mark there was no memory: normal before. */
	if (policy != PARTIAL_POLICY_EXT) {
		mark->policy = policy;
		if (tell(ctx, task, PARTIAL_POLICY_EXT))
			return 0;
	}
	partial_threads++;
	return 0;
}

/* The mark stays until the policy is what it was: so it is known whose children are SCHED_EXT by our doing. */
static int give_back(struct bpf_iter__task___sched *ctx, struct task_struct *task)
{
	struct mark *mark = bpf_task_storage_get(&sched_partial, task, NULL, 0);

	if (!mark)
		return 0;
	if (policy_of(task) == PARTIAL_POLICY_EXT)
		tell(ctx, task, mark->policy);
	else
		bpf_task_storage_delete(&sched_partial, task);
	return 0;
}

SEC("iter/task")
int partial_look(struct bpf_iter__task___sched *ctx)
{
	struct task_struct *task = ctx->task;
	const struct task_struct___partial *t = (const void *)task;
	struct prism_lookup who;

	if (!task || t->flags & (PF_KTHREAD | PF_EXITING))
		return 0;
	who = prism_lookup_task(task);
	if (!partial_give_back && prism_has_facets(who.flags, prism_facet_mask))
		return take(ctx, task);
	return give_back(ctx, task);
}

/* A child, or a thread, inherits the policy and no mark. */
SEC("tp_btf/task_newtask")
int BPF_PROG(partial_fork, struct task_struct *child, unsigned long clone_flags)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct mark *mark, normal = {.policy = PARTIAL_POLICY_NORMAL};

	if (policy_of(child) != PARTIAL_POLICY_EXT)
		return 0;
	mark = bpf_task_storage_get(&sched_partial, parent, NULL, 0);
	/* It was given back, and looked at once more, while it forked. */
	if (!mark && policy_of(parent) != PARTIAL_POLICY_EXT)
		mark = &normal;
	if (mark)
		bpf_task_storage_get(&sched_partial, child, mark, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
