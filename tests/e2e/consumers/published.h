/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a program that knows nothing of the SDK has: its own copy of the frozen v1 layout. Compiled from this alone, the
 * programs beside it must load against the pinned bus, whatever shape that has. Do not include <prism/...> here.
 */
#ifndef PUBLISHED_H
#define PUBLISHED_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct workload_identity {
	__u32 identity;
	__u32 flags;
	__u64 label_hash;
	__u64 updated_ns;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 20);
	__uint(map_flags, 0x80);
	__type(key, __u64);
	__type(value, struct workload_identity);
#ifdef PIN_BY_NAME
	__uint(pinning, LIBBPF_PIN_BY_NAME);
#endif
} prism_identity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

#define UNMANAGED 3

static __always_inline __u32 identity_of(__u64 cgroup_id)
{
	struct workload_identity *w = bpf_map_lookup_elem(&prism_identity, &cgroup_id);

	return w ? w->identity : UNMANAGED;
}

static __always_inline void count(__u32 identity, __u64 by)
{
	__u64 zero = 0, *n;

	bpf_map_update_elem(&counts, &identity, &zero, BPF_NOEXIST);
	n = bpf_map_lookup_elem(&counts, &identity);
	if (n)
		__sync_fetch_and_add(n, by);
}

#endif
