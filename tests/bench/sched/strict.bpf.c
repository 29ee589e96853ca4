// SPDX-License-Identifier: GPL-2.0-only
/*
 * Strict priority by class, as an anchor: a critical task runs as soon as there is one, whatever becomes of the others.
 * One first-come queue a class for all CPUs. Not meant for use: batch may wait for ever. Kernel 6.13 and later.
 */
#include <prism/kernel.bpf.h>
#include <bpf/bpf_tracing.h>

#define PRISM_BUS_CACHE
#include <prism/bus.bpf.h>

#define CPUS_MAX 4 /* of the machine that the bench boots */
#define SLICE_NS 4000000
#define LOCAL (1ull << 63 | 2) /* SCX_DSQ_LOCAL */
#define LOCAL_ON (3ull << 62)  /* SCX_DSQ_LOCAL_ON */
#define ENQ_PREEMPT (1ull << 32)
#define KICK_PREEMPT 2

enum rank {
	CRITICAL,
	NORMAL,
	BATCH,
	RANKS,
};

/* Complete, because a kfunc's types are compared. */
struct cpumask {
	unsigned long bits[1];
};

struct task_struct {
	const struct cpumask *cpus_ptr;
	int nr_cpus_allowed;
	unsigned int flags;
} PRISM_CORE;

#define PF_KTHREAD 0x00200000

struct sched_ext_ops {
	__s32 (*select_cpu)(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags);
	void (*enqueue)(struct task_struct *p, __u64 enq_flags);
	void (*dispatch)(__s32 cpu, struct task_struct *prev);
	void (*running)(struct task_struct *p);
	__s32 (*init)(void);
	__u32 timeout_ms;
	char name[128];
} PRISM_CORE;

extern __s32 scx_bpf_create_dsq(__u64 dsq_id, __s32 node) __ksym;
extern void scx_bpf_dsq_insert(struct task_struct *p, __u64 dsq_id, __u64 slice, __u64 enq_flags) __ksym;
extern _Bool scx_bpf_dsq_move_to_local(__u64 dsq_id) __ksym;
extern __s32 scx_bpf_select_cpu_dfl(struct task_struct *p, __s32 prev_cpu, __u64 wake_flags, _Bool *is_idle) __ksym;
extern void scx_bpf_kick_cpu(__s32 cpu, __u64 flags) __ksym;
extern __u32 scx_bpf_nr_cpu_ids(void) __ksym;
extern _Bool bpf_cpumask_test_cpu(__u32 cpu, const struct cpumask *cpumask) __ksym;

static __u8 runs[CPUS_MAX]; /* enum rank of what each CPU runs, or ran last */

static enum rank rank_of(struct task_struct *p)
{
	switch (prism_class(prism_lookup_task_cached(p).flags)) {
	case PRISM_CLASS_CRITICAL:
		return CRITICAL;
	case PRISM_CLASS_BATCH:
		return BATCH;
	default:
		return NORMAL;
	}
}

SEC("struct_ops/strict_select_cpu")
__s32 BPF_PROG(strict_select_cpu, struct task_struct *p, __s32 prev_cpu, __u64 wake_flags)
{
	_Bool idle = 0;
	__s32 cpu = scx_bpf_select_cpu_dfl(p, prev_cpu, wake_flags, &idle);

	if (idle)
		scx_bpf_dsq_insert(p, LOCAL, SLICE_NS, 0);
	return cpu;
}

/* The CPU, of those that it may use, that runs what matters least and less than this. */
static void preempt(struct task_struct *p, enum rank rank)
{
	__u32 cpus = scx_bpf_nr_cpu_ids(), cpu;
	enum rank worst = rank;
	__s32 victim = -1;

	for (cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (cpu >= cpus)
			break;
		if (runs[cpu] > worst && bpf_cpumask_test_cpu(cpu, p->cpus_ptr)) {
			worst = runs[cpu];
			victim = (__s32)cpu;
		}
	}
	if (victim < 0)
		return;
	runs[victim & (CPUS_MAX - 1)] = rank;
	scx_bpf_kick_cpu(victim, KICK_PREEMPT);
}

SEC("struct_ops/strict_enqueue")
void BPF_PROG(strict_enqueue, struct task_struct *p, __u64 enq_flags)
{
	enum rank rank;

	if (p->nr_cpus_allowed == 1 || p->flags & PF_KTHREAD) {
		scx_bpf_dsq_insert(p, LOCAL, SLICE_NS, enq_flags | (p->flags & PF_KTHREAD ? ENQ_PREEMPT : 0));
		return;
	}
	rank = rank_of(p);
	scx_bpf_dsq_insert(p, rank, SLICE_NS, enq_flags);
	preempt(p, rank);
}

SEC("struct_ops/strict_dispatch")
void BPF_PROG(strict_dispatch, __s32 cpu, struct task_struct *prev)
{
	if (!scx_bpf_dsq_move_to_local(CRITICAL) && !scx_bpf_dsq_move_to_local(NORMAL))
		scx_bpf_dsq_move_to_local(BATCH);
}

SEC("struct_ops/strict_running")
void BPF_PROG(strict_running, struct task_struct *p)
{
	runs[bpf_get_smp_processor_id() & (CPUS_MAX - 1)] = rank_of(p);
}

SEC("struct_ops.s/strict_init")
__s32 BPF_PROG(strict_init)
{
	__s32 r = 0;
	int rank;

	for (rank = CRITICAL; rank < RANKS && !r; rank++)
		r = scx_bpf_create_dsq(rank, -1);
	return r;
}

SEC(".struct_ops.link")
struct sched_ext_ops strict = {
	.select_cpu = (void *)strict_select_cpu,
	.enqueue = (void *)strict_enqueue,
	.dispatch = (void *)strict_dispatch,
	.running = (void *)strict_running,
	.init = (void *)strict_init,
	.timeout_ms = 30000,
	.name = "strict",
};

char LICENSE[] SEC("license") = "GPL";
