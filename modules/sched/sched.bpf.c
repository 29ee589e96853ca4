// SPDX-License-Identifier: GPL-2.0-only
/*
 * The scheduler: what the kernel calls, in the order of a task's life. Who shares with whom is in flow.bpf.h, whose
 * task it is in place.bpf.h, where it waits in queue.bpf.h, where it wakes up in wake.bpf.h, for whom the one that runs
 * has to go early in overtake.bpf.h, and who is next in turn.bpf.h.
 *
 * sched_ops.flags, set by user space before load: SCX_OPS_SWITCH_PARTIAL; SCX_OPS_HAS_CGROUP_WEIGHT where the kernel
 * has it (6.12 warns without); SCX_OPS_ENQ_MIGRATION_DISABLED where the kernel has it.
 */
#include "account.bpf.h"
#include "queue.bpf.h"
#include "turn.bpf.h"
#include "wake.bpf.h"

char _license[] SEC("license") = "GPL";

#ifndef WATCHDOG_MS
#define WATCHDOG_MS 10000 /* a task that was not run for so long makes the kernel eject the scheduler */
#endif

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* The nice value counts among the tasks of a flow: they take turns, with slices as long as their weight says. */
static __always_inline u64 slice_of(struct task_struct *p, const struct task *task, const struct sched_config *config)
{
	u64 slice = task->rank < SCHED_RANKS ? config->slice_ns[task->rank] : 0;
	u32 weight = task_of(p)->scx.weight;

	if (slice < 100 * NS_PER_US)
		slice = 100 * NS_PER_US;
	if (weight == WEIGHT_ONE || !task->flow)
		return slice;
	weight = weight < WEIGHT_ONE / 4 ? WEIGHT_ONE / 4 : weight > 4 * WEIGHT_ONE ? 4 * WEIGHT_ONE : weight;
	slice = slice * weight / WEIGHT_ONE;
	return slice < config->max_wait_ns / 2 ? slice : config->max_wait_ns / 2;
}

/* A new request: tag and slice. The flow is charged for what the task usually uses of it. */
static __always_inline void request(struct task_struct *p, struct task *task, u64 now,
				    const struct sched_config *config)
{
	struct flow *flow = flow_of(task);
	u64 ns = task->usual_ns > USUAL_MIN ? task->usual_ns : USUAL_MIN;

	flow_refresh(flow, p, task, now);
	task->slice_ns = slice_of(p, task, config);
	task->until_ns = 0;
	task->charged_ns = ns < task->slice_ns ? ns : task->slice_ns;
	task->tag = flow_request(flow, task->rank, task->charged_ns, task->slice_ns / 2);
}

/* ---- waking up --------------------------------------------------------------------------------------------------- */

static __always_inline void run_at(struct task_struct *p, struct task *task, u64 now, u64 enq_flags,
				   const struct sched_config *config)
{
	struct sched_stats *mine = stats();

	task->ready_ns = now;
	request(p, task, now, config);
	dsq_insert(p, SCX_DSQ_LOCAL, task->slice_ns, enq_flags);
	if (mine)
		mine->direct++;
}

/*
 * The waker is about to sleep and leaves the rest of its slice to p: not later than the slice ends, however long the
 * waker goes on, and not past those who come before both. What wakes up in an interrupt has whoever was interrupted for
 * a waker, so one of another class leaves nothing to it.
 */
static __always_inline bool hand_over(struct task_struct *p, struct task *task, struct cpu *cpu, u32 number, u64 now)
{
	struct sched_stats *mine = stats();
	u64 until = cpu->until_ns;

	if (cpu->rank != task->rank || cpu->claimed < SCHED_NONE || (s64)(until - now - HANDOVER_MIN) < 0 ||
	    (s64)(now - cpu->next_turn_ns) >= 0 || first_waiting(llc_of(number)) < task->rank ||
	    scx_bpf_dsq_nr_queued(SCX_DSQ_LOCAL))
		return 0;
	task->ready_ns = now;
	task->charged_ns = 0;
	task->slice_ns = until - now;
	task->until_ns = until;
	task->tag = sched_clock[task->rank < SCHED_RANKS ? task->rank : 0].now;
	dsq_insert(p, SCX_DSQ_LOCAL, task->slice_ns, 0);
	if (mine)
		mine->direct++;
	return 1;
}

/* A task of this class that were put on this CPU's own queue, past the others, would be the next one anyway. */
static __always_inline bool nobody_before(const struct cpu *cpu, u32 number, u32 rank, u64 now,
					  const struct sched_config *config)
{
	u32 llc = llc_of(number);

	return !scx_bpf_dsq_nr_queued(SCX_DSQ_LOCAL) && first_waiting(llc) > rank &&
	       (s64)(now - cpu->next_turn_ns) < 0 && rank_owed(cpu, llc, rank, config) == rank;
}

static __always_inline bool overtakes(struct task_struct *p, struct task *task, const struct cpu *cpu, u64 now,
				      const struct sched_config *config)
{
	u64 tag = flow_next(flow_of(task), task->rank, slice_of(p, task, config) / 2);

	return !overtake_in(cpu, task->rank, overtake_bar(task, tag), now);
}

SEC("struct_ops/select_cpu")
s32 BPF_PROG(sched_select_cpu, struct task_struct *p, s32 prev, u64 wake_flags)
{
	const struct sched_config *set = config();
	s32 here = bpf_get_smp_processor_id(), idle;
	struct task *task = task_place(p);
	struct cpu *cpu = cpu_state(here);
	u64 now;

	if (!task || !set || !cpu)
		return prev;
	now = now_ns();
	if (wake_flags & SCX_WAKE_SYNC && may_run_on(p, here) && hand_over(p, task, cpu, here, now))
		return here;
	idle = claim_idle(p, here, prev);
	if (idle >= 0) {
		run_at(p, task, now, 0, set);
		return idle;
	}
	if (set->flags & SCHED_F_PREEMPT && may_take(cpu, task->rank, now) && may_run_on(p, here)) {
		cpu->claimed = task->rank;
		count_preemption(task->rank);
		run_at(p, task, now, SCX_ENQ_PREEMPT, set);
		return here;
	}
	task->patient = free_soon(cpu, now) && may_run_on(p, here);
	if (task->patient) {
		if (cpu->rank == task->rank && nobody_before(cpu, here, task->rank, now, set))
			run_at(p, task, now, 0, set);
		return here;
	}
	if (set->flags & SCHED_F_PREEMPT && overtakes(p, task, cpu, now, set) && may_run_on(p, here)) {
		cpu->claimed = task->rank;
		count_overtake(task->rank);
		run_at(p, task, now, SCX_ENQ_PREEMPT, set);
		return here;
	}
	return prev;
}

/* A kernel thread that serves this one CPU: it runs at once, and it is not made to wait for other tasks of the CPU. */
static __always_inline bool serves_one_cpu(struct task_struct *p)
{
	return task_of(p)->flags & PF_KTHREAD && task_of(p)->nr_cpus_allowed == 1;
}

SEC("struct_ops/enqueue")
void BPF_PROG(sched_enqueue, struct task_struct *p, u64 enq_flags)
{
	const struct sched_config *set = config();
	struct task *task = task_place(p);
	s32 number = scx_bpf_task_cpu(p), idle;
	struct sched_stats *mine = stats();
	u64 now = now_ns();
	u32 llc = llc_of(number);
	bool patient;

	if (!task || !set) {
		if (mine)
			mine->unplaced++;
		queue_push(p, llc, SCHED_NORMAL, 3 * NS_PER_MS, sched_clock[SCHED_NORMAL].now, now, enq_flags);
		return;
	}
	if (enq_flags & SCX_ENQ_WAKEUP && serves_one_cpu(p)) {
		run_at(p, task, now, enq_flags | SCX_ENQ_PREEMPT, set);
		return;
	}
	if (enq_flags & SCX_ENQ_WAKEUP || !task->ready_ns)
		task->ready_ns = now; /* one that waits already goes on waiting */
	patient = enq_flags & SCX_ENQ_WAKEUP && task->patient;
	task->patient = 0; /* of this wake-up: the next one may come without select_cpu */
	task->until_ns = 0;
	if (mine && (!task->row || !task->cgroup))
		mine->unplaced++;
	if (enq_flags & SCX_ENQ_WAKEUP || !task->slice_ns)
		request(p, task, now, set);
	queue_push(p, llc, task->rank, task->slice_ns, task->tag, now, enq_flags);
	if (any_cpu_idle()) {
		idle = scx_bpf_pick_idle_cpu(task_of(p)->cpus_ptr, 0);
		if (idle >= 0) {
			scx_bpf_kick_cpu(idle, SCX_KICK_IDLE);
			return;
		}
	}
	if (enq_flags & SCX_ENQ_WAKEUP && !patient)
		interrupt_one(p, task, number, now, set->flags & SCHED_F_PREEMPT);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* It may go on, and then it is not enqueued: a move or a relabel since it was has to be seen here. */
static __always_inline struct task *task_going_on(struct task_struct *prev, struct cpu *cpu, u64 now,
						  const struct sched_config *set)
{
	struct task *task = task_state(prev);

	if (!task || task_is_placed(prev, task))
		return task;
	account_run(cpu, task, 0, now, set);
	task = task_place(prev);
	if (task)
		cpu->rank = task->rank;
	return task;
}

/* The load of a window that was long and mostly idle is not that of the task that runs now. */
static __always_inline bool load_is_known(const struct cpu *cpu, u64 window)
{
	return window >= PERF_WINDOW && (window < PERF_STALE || cpu->busy_ns >= window / 2);
}

/* At least 1: 0 is a CPU that was never asked for anything. */
static __always_inline u32 speed_for(u64 busy, u64 window)
{
	u64 speed = SCX_CPUPERF_ONE * 5 / 4 * busy / window;

	return speed >= SCX_CPUPERF_ONE ? SCX_CPUPERF_ONE : speed ? speed : 1;
}

/* A task begins to run, or goes on. What is asked for stays in force: when this is turned off, full speed is. */
static __always_inline void ask_speed(struct cpu *cpu, u32 number, u32 rank, u64 now, const struct sched_config *set)
{
	bool on = set->flags & SCHED_F_CPUFREQ;
	u64 window = now - cpu->window_ns;
	u32 speed = cpu->speed;

	if (!bpf_ksym_exists(scx_bpf_cpuperf_set) || (!on && (!speed || speed == SCX_CPUPERF_ONE)))
		return;
	if (!on || rank == SCHED_CRITICAL)
		speed = SCX_CPUPERF_ONE;
	else if (load_is_known(cpu, window))
		speed = speed_for(cpu->busy_ns, window);
	if (window >= PERF_WINDOW) {
		cpu->window_ns = now;
		cpu->busy_ns = 0;
	}
	if (speed != cpu->speed)
		scx_bpf_cpuperf_set(number, speed);
	cpu->speed = speed;
}

static __always_inline void keep(struct task_struct *prev, struct task *task, struct cpu *cpu, u64 now,
				 const struct sched_config *set)
{
	barrier_var(prev); /* task says that there is one; the verifier does not know */
	if (!prev)
		return;
	account_run(cpu, task, 0, now, set);
	ask_speed(cpu, (u32)scx_bpf_task_cpu(prev), task->rank, now, set);
	request(prev, task, now, set);
	task_set_slice(prev, task->slice_ns);
	cpu->until_ns = now + task->slice_ns;
	cpu->claimed = SCHED_NONE;
	cpu->protected_ns = 0;
	overtake_begin(cpu, task);
}

/* Would prev's next request come before the first one that waits? */
static __always_inline bool still_first(struct task *task, struct cpu *cpu, u32 llc, u64 now)
{
	struct queue *queue = queue_state(llc, task->rank);
	struct flow *flow = flow_of(task);
	u64 tag, first;

	if (!queue || task->yielded)
		return 0;
	if (!queue_first(queue, llc, task->rank, &first))
		return 1;
	tag = flow->tag + virtual_ns(flow, (s64)(now - cpu->since_ns - task->charged_ns));
	return (s64)(tag - first) < 0;
}

static __noinline bool steal(u32 number, u32 own, u64 now)
{
	struct cpu *cpu = cpu_state(number);
	u32 i, rank;

	if (!cpu)
		return 0;
#pragma clang loop unroll(disable)
	for (i = 1; i < SCHED_LLCS_MAX && i < sched_llcs; i++) {
		u32 llc = own + i < sched_llcs ? own + i : own + i - sched_llcs;

		for (rank = 0; rank < SCHED_RANKS; rank++)
			if (queue_pop(cpu, llc, rank, now))
				return 1;
	}
	return 0;
}

SEC("struct_ops/dispatch")
void BPF_PROG(sched_dispatch, s32 number, struct task_struct *prev)
{
	const struct sched_config *set = config();
	struct cpu *cpu = cpu_state(number);
	u32 llc = llc_of(number), first, rank;
	struct task *task = NULL;
	u64 now;

	if (!set || !cpu)
		return;
	now = now_ns();
	if (prev && task_of(prev)->scx.flags & SCX_TASK_QUEUED)
		task = task_going_on(prev, cpu, now, set);
	if ((s64)(now - cpu->next_turn_ns) >= 0 && turn_by_age(cpu, number, now, set))
		return;
	first = first_waiting(llc);
	if (task && task->rank < first)
		first = task->rank;
	rank = rank_owed(cpu, llc, first, set);
	if (rank != first && queue_pop(cpu, llc, rank, now)) {
		grant(cpu, number, set->grant_ns, now);
		return;
	}
	for (rank = 0; rank < SCHED_RANKS; rank++) {
		if (task && task->rank == rank && still_first(task, cpu, llc, now))
			break;
		if (queue_pop(cpu, llc, rank, now))
			return;
		if (task && task->rank == rank)
			break;
	}
	if (sched_llcs > 1 && !task && steal(number, llc, now)) {
		struct sched_stats *mine = stats();

		if (mine)
			mine->stolen++;
		return;
	}
	if (task)
		keep(prev, task, cpu, now, set);
	else
		queue_look_twice(number, llc, now);
}

/* The end of its slice, or what was left of the one that it has been handed. */
static __always_inline void run_until(struct task_struct *p, struct task *task, struct cpu *cpu, u64 now)
{
	if (task->until_ns) {
		task->slice_ns = (s64)(task->until_ns - now) > 0 ? task->until_ns - now : 1;
		task_set_slice(p, task->slice_ns);
		task->until_ns = 0;
	}
	cpu->until_ns = now + task->slice_ns;
}

/* This and stopping are also called from another CPU, when a task that runs gets other CPUs, class or cgroup. */
SEC("struct_ops/running")
void BPF_PROG(sched_running, struct task_struct *p)
{
	u32 number = scx_bpf_task_cpu(p), rank;
	const struct sched_config *set = config();
	struct cpu *cpu = cpu_state(number);
	struct task *task = task_state(p);
	u32 clock_rule;
	u64 now, tag;

	if (!set || !cpu)
		return;
	now = now_ns();
	rank = task && task->rank < SCHED_RANKS ? task->rank : SCHED_NORMAL;
	cpu->rank = rank;
	cpu->claimed = SCHED_NONE;
	cpu->since_ns = now;
	if (cpu->granted_ns) {
		struct sched_stats *mine = stats();

		cpu->protected_ns = now + cpu->granted_ns;
		cpu->granted_ns = 0;
		if (mine)
			mine->class[rank].grants++;
	}
	ask_speed(cpu, number, rank, now, set);
	clock_rule = cpu->clock_rule;
	cpu->clock_rule = CLOCK_TO_TAG;
	if (!task)
		return;
	run_until(p, task, cpu, now);
	cpu->soon_ns = now + (task->usual_ns > task->run_ns ? task->usual_ns - task->run_ns : 0);
	overtake_begin(cpu, task);
	tag = clock_rule == CLOCK_LIMITED && (s64)(cpu->clock_limit - task->tag) < 0 ? cpu->clock_limit : task->tag;
	if (clock_rule != CLOCK_STAYS && (s64)(tag - sched_clock[rank].now) > 0)
		sched_clock[rank].now = tag;
	account_wait(task, now, set);
	task->ready_ns = 0;
}

SEC("struct_ops/stopping")
void BPF_PROG(sched_stopping, struct task_struct *p, bool runnable)
{
	const struct sched_config *set = config();
	struct cpu *cpu = cpu_state(scx_bpf_task_cpu(p));
	struct task *task = task_state(p);
	u64 now;

	if (!set || !cpu)
		return;
	now = now_ns();
	cpu->rank = SCHED_NONE;
	cpu->protected_ns = 0;
	if (!task)
		return;
	account_run(cpu, task, !runnable, now, set);
	if (task->yielded) {
		task->yielded = 0;
		task->slice_ns = 0;
	}
	if (runnable && cpu->claimed < SCHED_NONE) {
		struct sched_stats *mine = stats();
		struct sched_row *row = row_of(task);

		if (mine && task->rank < SCHED_RANKS)
			mine->class[task->rank].preempted++;
		if (row)
			__sync_fetch_and_add(&row->preempted, 1);
	}
	task->ready_ns = runnable ? now : 0;
}

/* Others first: what is left of the slice is given away, and charged. */
SEC("struct_ops/yield")
bool BPF_PROG(sched_yield, struct task_struct *from, struct task_struct *to)
{
	struct task *task = task_state(from);

	if (to)
		return 0;
	if (task)
		task->yielded = 1;
	task_set_slice(from, 0);
	return 0;
}

/* A higher scheduling class has taken the CPU: what waits on its own queue goes where another CPU finds it. */
SEC("struct_ops/cpu_release")
void BPF_PROG(sched_cpu_release, s32 cpu, struct scx_cpu_release_args *args)
{
	s32 waiting = scx_bpf_dsq_nr_queued(SCX_DSQ_LOCAL);
	struct sched_stats *mine = stats();

	reenqueue_local();
	if (mine && waiting > 0)
		mine->reenqueued += waiting;
}

/* ---- tasks, cgroups and CPUs come and go ------------------------------------------------------------------------- */

SEC("struct_ops/init_task")
s32 BPF_PROG(sched_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	bpf_task_storage_get(&sched_tasks, p, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0; /* without memory now it is tried again at its first request */
}

/* To a higher scheduling class: that it waits for nothing here. */
SEC("struct_ops/disable")
void BPF_PROG(sched_disable, struct task_struct *p)
{
	struct task *task = task_state(p);

	if (task)
		task->ready_ns = 0;
}

SEC("struct_ops/exit_task")
void BPF_PROG(sched_exit_task, struct task_struct *p, struct scx_exit_task_args *args)
{
	struct task *task = task_state(p);

	if (!task)
		return;
	flow_put(task->flow);
	task->flow = 0;
	task->cgroup = 0;
}

SEC("struct_ops.s/cgroup_init")
s32 BPF_PROG(sched_cgroup_init, struct cgroup *cgrp, struct scx_cgroup_init_args *args)
{
	const struct cgroup___prism *cgroup = (void *)cgrp;
	const struct cgroup_subsys_state___prism *parent = cgroup->self.parent;
	struct group group = {.weight = args->weight};
	u64 id = cgroup->kn->id;
	u32 i;

	if (parent)
		group.parent = parent->cgroup->kn->id;
	/* The kernel refills what maps are made of in between. One that does not fit counts with what is above it. */
	for (i = 0; i < 8 && bpf_map_update_elem(&sched_groups, &id, &group, BPF_ANY) == -12 /* ENOMEM */; i++)
		;
	return 0;
}

SEC("struct_ops.s/cgroup_exit")
void BPF_PROG(sched_cgroup_exit, struct cgroup *cgrp)
{
	u64 id = ((const struct cgroup___prism *)cgrp)->kn->id;

	bpf_map_delete_elem(&sched_groups, &id);
}

/* Also when the cpu controller is turned on or off above a task that stays in its cgroup. */
SEC("struct_ops/cgroup_move")
void BPF_PROG(sched_cgroup_move, struct task_struct *p, struct cgroup *from, struct cgroup *to)
{
	struct task *task = task_state(p);

	if (task)
		task->cgroup = 0;
}

SEC("struct_ops/cgroup_set_weight")
void BPF_PROG(sched_cgroup_set_weight, struct cgroup *cgrp, u32 weight)
{
	u64 id = ((const struct cgroup___prism *)cgrp)->kn->id;
	struct group *group = bpf_map_lookup_elem(&sched_groups, &id);

	if (group)
		group->weight = weight;
}

static __always_inline void cpu_comes(u32 number)
{
	struct cpu *cpu = cpu_state(number);

	if (!cpu || cpu->online)
		return;
	cpu->online = 1;
	cpu->rank = SCHED_NONE;
	cpu->claimed = SCHED_NONE;
	__sync_fetch_and_add(&sched_llc_cpus[llc_of(number)], 1);
}

SEC("struct_ops.s/cpu_online")
void BPF_PROG(sched_cpu_online, s32 number)
{
	cpu_comes(number);
}

SEC("struct_ops.s/cpu_offline")
void BPF_PROG(sched_cpu_offline, s32 number)
{
	struct cpu *cpu = cpu_state(number);

	if (!cpu || !cpu->online)
		return;
	cpu->online = 0;
	cpu->rank = SCHED_NONE;
	__sync_fetch_and_add(&sched_llc_cpus[llc_of(number)], -1);
}

/* ---- the scheduler comes and goes -------------------------------------------------------------------------------- */

static __always_inline s32 make_queues(void)
{
	u32 id;
	s32 r;

	bpf_for(id, 0, SCHED_LLCS_MAX * SCHED_RANKS * 2)
	{
		if (id >= sched_llcs * SCHED_RANKS * 2)
			break;
		r = scx_bpf_create_dsq(id, -1);
		if (r)
			return r;
	}
	return 0;
}

static __always_inline s32 make_cpus(void)
{
	const struct cpumask *online = scx_bpf_get_online_cpumask();
	u32 n = scx_bpf_nr_cpu_ids(), i;
	s32 r = 0;

	bpf_for(i, 0, SCHED_CPUS_MAX)
	{
		if (i >= n)
			break;
		r = timer_make(i);
		if (r)
			break;
		if (bpf_cpumask_test_cpu(i, online))
			cpu_comes(i);
	}
	scx_bpf_put_cpumask(online);
	return r;
}

SEC("struct_ops.s/init")
s32 BPF_PROG(sched_init)
{
	s32 r = make_queues();

	return r ?: make_cpus();
}

SEC("struct_ops.s/exit")
void BPF_PROG(sched_exit_, struct scx_exit_info *info)
{
	struct sched_exit *record = bpf_map_lookup_elem(&sched_exit, &sched_zero);
	struct sched_event *event;

	if (!record)
		return;
	record->code = info->exit_code;
	record->ktime_ns = bpf_ktime_get_ns();
	bpf_probe_read_kernel_str(record->reason, sizeof(record->reason), info->reason);
	bpf_probe_read_kernel_str(record->message, sizeof(record->message), info->msg);
	*(volatile u32 *)&record->kind = info->kind;
	event = bpf_ringbuf_reserve(&sched_events, sizeof(*event), 0);
	if (!event)
		return;
	*event = (struct sched_event){SCHED_EVENT_EXIT, info->kind, info->exit_code, record->ktime_ns};
	bpf_ringbuf_submit(event, 0);
}

SEC(".struct_ops.link")
struct sched_ext_ops sched_ops = {
	.select_cpu = (void *)sched_select_cpu,
	.enqueue = (void *)sched_enqueue,
	.dispatch = (void *)sched_dispatch,
	.running = (void *)sched_running,
	.stopping = (void *)sched_stopping,
	.yield = (void *)sched_yield,
	.init_task = (void *)sched_init_task,
	.disable = (void *)sched_disable,
	.exit_task = (void *)sched_exit_task,
	.cpu_release = (void *)sched_cpu_release,
	.cpu_online = (void *)sched_cpu_online,
	.cpu_offline = (void *)sched_cpu_offline,
	.cgroup_init = (void *)sched_cgroup_init,
	.cgroup_exit = (void *)sched_cgroup_exit,
	.cgroup_move = (void *)sched_cgroup_move,
	.cgroup_set_weight = (void *)sched_cgroup_set_weight,
	.init = (void *)sched_init,
	.exit = (void *)sched_exit_,
	.flags = SCX_OPS_ENQ_EXITING,
	.timeout_ms = WATCHDOG_MS,
	.name = "prism",
};
