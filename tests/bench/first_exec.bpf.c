/* SPDX-License-Identifier: GPL-2.0-only */
/* A consumer: which identity does the kernel see at each exec of the watched process's children? */
#include <prism/bus.bpf.h>

#include <bpf/bpf_tracing.h>

#include "first_exec.h"

struct task_struct___bench {
	struct task_struct___bench *real_parent;
	int tgid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FIRST_EXEC_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

/* Process group of the bench's children. */
__u32 watched_parent;
/* The identity they shall have. */
__u32 expected;

static __always_inline void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&seen, &what);

	if (n)
		__sync_fetch_and_add(n, 1);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	struct prism_lookup found;
	struct prism_identity *leaf;
	__u64 id;

	if (!watched_parent || ((const struct task_struct___bench *)task)->real_parent->tgid != (int)watched_parent)
		return 0;
	found = prism_lookup_task(task);
	count(FIRST_EXEC_TOTAL);
	if (found.state == PRISM_KNOWN && found.identity == expected)
		count(FIRST_EXEC_LOOKUP);
	id = bpf_get_current_cgroup_id();
	leaf = bpf_map_lookup_elem(&prism_identity, &id);
	if (leaf && leaf->identity == expected)
		count(FIRST_EXEC_LEAF);
	return 0;
}

char _license[] SEC("license") = "GPL";
