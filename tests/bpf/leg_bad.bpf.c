// SPDX-License-Identifier: GPL-2.0-only
/* A leg that the verifier refuses, after its pinned map has been made. */
#include <prism/bus.bpf.h>

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} left_over SEC(".maps");

SEC("raw_tp")
int unchecked(void *ctx)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(&left_over, &zero);

	return *value;
}
