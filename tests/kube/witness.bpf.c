/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A consumer in the kernel that remembers, for each cgroup, who its tasks were when they execed: at the first exec, and
 * at the last.
 */
#include <prism/bus.bpf.h>

#include <bpf/bpf_tracing.h>

struct sight {
	__u64 execs;
	__u32 first_state, first_identity;
	__u32 last_state, last_identity, last_flags;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64); /* id of the task's own cgroup */
	__type(value, struct sight);
} sights SEC(".maps");

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	struct prism_lookup who = prism_lookup_task(task);
	__u64 id = bpf_get_current_cgroup_id();
	struct sight *s = bpf_map_lookup_elem(&sights, &id);
	struct sight fresh = {
		.first_state = who.state,
		.first_identity = who.identity,
	};

	if (!s) {
		bpf_map_update_elem(&sights, &id, &fresh, BPF_NOEXIST);
		s = bpf_map_lookup_elem(&sights, &id);
	}
	if (!s)
		return 0;
	s->last_state = who.state;
	s->last_identity = who.identity;
	s->last_flags = who.flags;
	__sync_fetch_and_add(&s->execs, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
