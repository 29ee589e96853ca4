// SPDX-License-Identifier: GPL-2.0-only
/*
 * Partial mode: looks at every task once and tells those whose scheduling policy has to change. Tasks of workloads that
 * carry the module's facet become SCHED_EXT, others that this made so get back what they had. Whoever is realtime, idle
 * or SCHED_EXT by his own choice is left alone.
 */
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

struct task_struct___partial {
	unsigned int flags;
	unsigned int policy;
	int pid;
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

static int tell(struct bpf_iter__task___sched *ctx, __u32 tid, __u32 policy)
{
	struct partial_task record = {.tid = tid, .policy = policy};

	return bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
}

static int take(struct bpf_iter__task___sched *ctx, struct task_struct *task, __u32 tid, __u32 policy)
{
	struct mark *mark;

	if (policy != PARTIAL_POLICY_EXT && policy != PARTIAL_POLICY_NORMAL && policy != PARTIAL_POLICY_BATCH)
		return 0;
	mark = bpf_task_storage_get(&sched_partial, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!mark)
		return 0; /* no memory: the next look */
	/* Without a mark that says BATCH, a SCHED_EXT task is ours or the child of one that is: normal before. */
	if (policy != PARTIAL_POLICY_EXT) {
		mark->policy = policy;
		/* When the page is full the kernel shows this task again. */
		if (tell(ctx, tid, PARTIAL_POLICY_EXT))
			return 0;
	}
	partial_threads++;
	return 0;
}

static int give_back(struct bpf_iter__task___sched *ctx, struct task_struct *task, __u32 tid, __u32 policy)
{
	struct mark *mark = bpf_task_storage_get(&sched_partial, task, NULL, 0);

	if (!mark)
		return 0;
	if (policy == PARTIAL_POLICY_EXT && tell(ctx, tid, mark->policy))
		return 0;
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
		return take(ctx, task, (__u32)t->pid, t->policy);
	return give_back(ctx, task, (__u32)t->pid, t->policy);
}

char LICENSE[] SEC("license") = "GPL";
