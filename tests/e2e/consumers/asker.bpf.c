/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "Who am I?", asked by any task that calls getpriority(2), answered by the SDK's plain and cached lookup side by side.
 * Only tasks that have an element in `answers` are answered: the rest of the machine is not the test's business.
 */
#define PRISM_BUS_CACHE
#include <prism/bus.bpf.h>

struct answer {
	__u64 asked;
	__u32 state, identity, flags;
	__u32 cached_state, cached_identity, cached_flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32); /* pid */
	__type(value, struct answer);
} answers SEC(".maps");

SEC("tp/syscalls/sys_enter_getpriority")
int ask(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct answer *a = bpf_map_lookup_elem(&answers, &pid);
	struct prism_lookup who;

	if (!a)
		return 0;
	who = prism_lookup_current();
	a->state = who.state;
	a->identity = who.identity;
	a->flags = who.flags;
	who = prism_lookup_current_cached();
	a->cached_state = who.state;
	a->cached_identity = who.identity;
	a->cached_flags = who.flags;
	a->asked++;
	return 0;
}

char _license[] SEC("license") = "GPL";
