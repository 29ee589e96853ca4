// SPDX-License-Identifier: GPL-2.0-only
/* Counts openat(2) by workload. The map is pinned: the counts outlive prismd and its upgrades. */
#define PRISM_BUS_CACHE
#include <prism/bus.bpf.h>

#include "openat.h"

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, OPENAT_IDENTITIES);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} openat_count SEC(".maps");

/* What a full map did not count; never silent. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} openat_lost SEC(".maps");

static __always_inline void count(__u32 identity)
{
	__u64 *n = bpf_map_lookup_elem(&openat_count, &identity), one = 1;
	__u32 zero = 0;

	if (!n && !bpf_map_update_elem(&openat_count, &identity, &one, BPF_NOEXIST))
		return;
	/* Another CPU made the entry meanwhile, or the map is full. */
	if (!n)
		n = bpf_map_lookup_elem(&openat_count, &identity);
	if (!n)
		n = bpf_map_lookup_elem(&openat_lost, &zero);
	if (n)
		(*n)++;
}

SEC("tracepoint/syscalls/sys_enter_openat")
int on_openat(void *ctx)
{
	struct prism_lookup who = prism_lookup_current_cached();

	/* Our facet: the module was asked to take care of this workload. A stale bus still knows its own. */
	if (who.state != PRISM_UNKNOWN && prism_has_facets(who.flags, prism_facet_mask))
		count(who.identity);
	return 0;
}
