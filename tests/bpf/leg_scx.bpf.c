// SPDX-License-Identifier: GPL-2.0-only
/* The smallest scheduler there is: everything by sched_ext's defaults, and a count of the tasks that it let run. */
#include <prism/bus.bpf.h>

#include <bpf/bpf_tracing.h>

char _license[] SEC("license") = "GPL";

struct task_struct;

struct sched_ext_ops {
	void (*running)(struct task_struct *p);
	__u64 hotplug_seq;
	__u64 flags;
	char name[128];
};

const volatile __u32 variant;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ran SEC(".maps");

SEC("struct_ops/running")
void BPF_PROG(scx_running, struct task_struct *p)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&ran, &zero);

	if (n)
		__sync_fetch_and_add(n, 1 + variant);
}

SEC(".struct_ops.link")
struct sched_ext_ops test_scx = {
	.running = (void *)scx_running,
	.name = "prism_test",
};
