// SPDX-License-Identifier: GPL-2.0-only
/* Loops around one lookup each. elapsed_ns is that of the last run; the caller takes off that of empty(). */
#define PRISM_BUS_CACHE
#include <prism/bus.bpf.h>

#include "lookup_slots.h"

char _license[] SEC("license") = "GPL";

__u64 elapsed_ns;
__u64 cgroup_id;
__u64 sum; /* of what was found: keeps the compiler from leaving the work out, and shows the caller what answered */

#define LOOP(name, expression)                                                                                         \
	static long name##_body(__u32 i, __u64 *total)                                                                 \
	{                                                                                                              \
		*total += (expression);                                                                                \
		return 0;                                                                                              \
	}                                                                                                              \
	SEC("raw_tp")                                                                                                  \
	int name(void *ctx)                                                                                            \
	{                                                                                                              \
		__u64 total = 0, begin = bpf_ktime_get_ns();                                                           \
                                                                                                                       \
		bpf_loop(LOOKUPS_A_RUN, name##_body, &total, 0);                                                       \
		elapsed_ns = bpf_ktime_get_ns() - begin;                                                               \
		sum = total;                                                                                           \
		return 0;                                                                                              \
	}

static __always_inline __u64 probe_raw(void)
{
	__u64 id = *(volatile __u64 *)&cgroup_id;
	struct prism_identity *entry = bpf_map_lookup_elem(&prism_identity, &id);

	return entry ? entry->identity : 0;
}

LOOP(empty, i & 1)
LOOP(probe, probe_raw())
LOOP(current, prism_lookup_current().identity)
LOOP(cached, prism_lookup_current_cached().identity)
/* A hook that has the task at hand, as the scheduler's have. */
struct with_task {
	struct task_struct *task;
	__u64 total;
};

static long task_body(__u32 i, struct with_task *with)
{
	with->total += prism_lookup_task(with->task).identity;
	return 0;
}

SEC("raw_tp")
int task(void *ctx)
{
	struct with_task with = {.task = bpf_get_current_task_btf()};
	__u64 begin = bpf_ktime_get_ns();

	bpf_loop(LOOKUPS_A_RUN, task_body, &with, 0);
	elapsed_ns = bpf_ktime_get_ns() - begin;
	sum = with.total;
	return 0;
}

static long task_cached_body(__u32 i, struct with_task *with)
{
	with->total += prism_lookup_task_cached(with->task).identity;
	return 0;
}

SEC("raw_tp")
int task_cached(void *ctx)
{
	struct with_task with = {.task = bpf_get_current_task_btf()};
	__u64 begin = bpf_ktime_get_ns();

	bpf_loop(LOOKUPS_A_RUN, task_cached_body, &with, 0);
	elapsed_ns = bpf_ktime_get_ns() - begin;
	sum = with.total;
	return 0;
}

/* What of it is the call that says which task runs: newer kernels inline it. */
LOOP(which_task, ((struct task_struct___prism *)bpf_get_current_task_btf())->cgroups != NULL)
LOOP(helper, prism_lookup_current_helper().identity)
