/* SPDX-License-Identifier: GPL-2.0-only */
/* What user space hears of a verdict: counts by identity and rule, and an event at the identity's rate. */
#ifndef LSM_REPORT_BPF_H
#define LSM_REPORT_BPF_H

#include "armed.bpf.h"

#define RATE_TRIES 8

const volatile __u32 lsm_epoch = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, struct lsm_count_key);
	__type(value, struct lsm_count);
} lsm_counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, __u64);
} lsm_rates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct lsm_stats);
} lsm_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} lsm_ring SEC(".maps");

/* What was decided, by which rule. */
struct lsm_verdict {
	__u64 rule;
	__u32 action;
	__u32 error;
	_Bool by_posture;
	_Bool blocked;
};

/* What a call is about: a path, an address, or else a capability. */
struct lsm_subject {
	const struct lsm_key *path; /* its bytes */
	__u64 path_size;            /* with the NUL; 0: none could be had */
	__u32 bits;                 /* of lsm_event, for a path */
	__u32 capability;
	const struct lsm_address *address;
	_Bool quiet; /* the kernel only wants to know: counted, not reported */
};

/*
 * Two generations of the programs are attached for a moment while one replaces the other, site by site, and the kernel
 * runs the newest one first. It leaves its epoch in the task's mark, and an older one that finds it there says nothing
 * of this call. Without a mark there is nowhere to look: both speak.
 */
static __always_inline _Bool superseded(const struct lsm_call *call)
{
	volatile __u32 *turn = call->turn;

	if (!turn)
		return 0;
	if (*turn > lsm_epoch)
		return 1;
	*turn = lsm_epoch;
	return 0;
}

static __always_inline void count(struct lsm_stats *stats, const struct lsm_call *call,
				  const struct lsm_verdict *verdict)
{
	struct lsm_count_key key = {.rule = verdict->rule, .identity = call->who.identity};
	struct lsm_count *row = bpf_map_lookup_elem(&lsm_counts, &key);

	if (!row) {
		static const struct lsm_count empty;

		bpf_map_update_elem(&lsm_counts, &key, &empty, BPF_NOEXIST);
		row = bpf_map_lookup_elem(&lsm_counts, &key);
	}
	if (!row) {
		__sync_fetch_and_add(&stats->uncounted, 1);
		return;
	}
	/* This CPU's own, and atomic still: a task can be preempted between the load and the store of an addition. */
	__sync_fetch_and_add(&row->matched, 1);
	if (verdict->blocked)
		__sync_fetch_and_add(&row->blocked, 1);
}

static __always_inline void count_error(struct lsm_stats *stats, const struct lsm_verdict *verdict)
{
	if (verdict->error < LSM_ERRORS)
		__sync_fetch_and_add(&stats->errors[verdict->error], 1);
	if (verdict->blocked)
		__sync_fetch_and_add(&stats->errors_blocked, 1);
}

/*
 * A token bucket as one word (GCRA): tat is when all that has been let through would be paid for. One that keeps losing
 * the race for it is let through without being charged.
 */
static __always_inline _Bool within_rate(struct lsm_stats *stats, const struct lsm_config *config, __u32 identity,
					 __u64 now)
{
	const __u64 none = 0;
	__u64 *tat;
	int i;

	if (!config->interval_ns)
		return 1;
	tat = bpf_map_lookup_elem(&lsm_rates, &identity);
	if (!tat) {
		bpf_map_update_elem(&lsm_rates, &identity, &none, BPF_NOEXIST);
		tat = bpf_map_lookup_elem(&lsm_rates, &identity);
	}
	if (!tat) {
		__sync_fetch_and_add(&stats->unrated, 1);
		return 1;
	}
	for (i = 0; i < RATE_TRIES; i++) {
		__u64 old = *(volatile __u64 *)tat;
		__u64 next = old > now ? old : now;

		if (next - now > config->burst_ns) {
			/* No call of these options could have left that: it is of a lower rate, or a greater burst. */
			if (old <= bpf_ktime_get_ns() + config->burst_ns + config->interval_ns)
				return 0;
			next = now + config->burst_ns;
		}
		if (__sync_val_compare_and_swap(tat, old, next + config->interval_ns) == old)
			return 1;
	}
	return 1;
}

static __always_inline void fill_event(struct lsm_event *event, const struct lsm_call *call,
				       const struct lsm_verdict *verdict, __u64 now)
{
	struct task_struct___lsm *task = (void *)bpf_get_current_task_btf();
	__u64 ids = bpf_get_current_pid_tgid();

	event->ktime_ns = now;
	event->rule = verdict->rule;
	event->cgroup_id = call->who.cgroup_id;
	event->identity = call->who.identity;
	event->flags = call->who.flags;
	event->set = call->binding->set;
	event->pid = ids >> 32;
	event->tid = ids;
	event->uid = task->cred->uid.val;
	event->hook = call->hook;
	event->action = verdict->action;
	event->error = verdict->error;
	event->bits = (verdict->blocked ? LSM_ENFORCED : 0) | (verdict->by_posture ? LSM_BY_POSTURE : 0);
	event->size = 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
}

static __always_inline void fill_subject(struct lsm_event *event, const struct lsm_subject *subject)
{
	__u64 size = subject->path_size;

	if (subject->address) {
		event->address = *subject->address;
	} else if (subject->path) {
		asm volatile("" : "+r"(size)); /* or the bound is put on another register */
		if (size && size <= LSM_PATH_MAX && !bpf_probe_read_kernel(event->path, size, subject->path->bytes))
			event->size = size;
		event->bits |= subject->bits;
	} else {
		event->capability = subject->capability;
	}
}

static __always_inline void report(struct lsm_stats *stats, const struct lsm_call *call,
				   const struct lsm_verdict *verdict, const struct lsm_subject *subject)
{
	__u64 now = bpf_ktime_get_ns();
	struct lsm_event *event;

	__sync_fetch_and_add(&stats->seen, 1);
	if (!within_rate(stats, call->config, call->who.identity, now)) {
		__sync_fetch_and_add(&stats->limited, 1);
		return;
	}
	event = bpf_ringbuf_reserve(&lsm_ring, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&stats->dropped, 1);
		return;
	}
	fill_event(event, call, verdict, now);
	fill_subject(event, subject);
	__sync_fetch_and_add(&stats->emitted, 1);
	bpf_ringbuf_submit(event, 0);
}

#endif
