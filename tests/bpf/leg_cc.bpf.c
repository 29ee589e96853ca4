// SPDX-License-Identifier: GPL-2.0-only
/* A struct_ops map that any kernel with links for them takes: a congestion control that nobody uses. */
#include <prism/bus.bpf.h>

#include <bpf/bpf_tracing.h>

char _license[] SEC("license") = "GPL";

struct sock;

struct tcp_congestion_ops {
	__u32 (*ssthresh)(struct sock *sk);
	void (*cong_avoid)(struct sock *sk, __u32 ack, __u32 acked);
	__u32 (*undo_cwnd)(struct sock *sk);
	char name[16];
	__u32 (*prism_later)(struct sock *sk); /* no kernel has it */
};

const volatile __u32 variant;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} settings SEC(".maps");

SEC("struct_ops/ssthresh")
__u32 BPF_PROG(cc_ssthresh, struct sock *sk)
{
	return 2 + variant;
}

SEC("struct_ops/cong_avoid")
void BPF_PROG(cc_cong_avoid, struct sock *sk, __u32 ack, __u32 acked)
{
}

SEC("struct_ops/undo_cwnd")
__u32 BPF_PROG(cc_undo_cwnd, struct sock *sk)
{
	__u32 zero = 0;
	__u64 *cwnd = bpf_map_lookup_elem(&settings, &zero);

	return cwnd ? *cwnd : 2;
}

SEC("struct_ops/prism_later")
__u32 BPF_PROG(cc_later, struct sock *sk)
{
	return 0;
}

SEC(".struct_ops.link")
struct tcp_congestion_ops test_cc = {
	.ssthresh = (void *)cc_ssthresh,
	.cong_avoid = (void *)cc_cong_avoid,
	.undo_cwnd = (void *)cc_undo_cwnd,
	.prism_later = (void *)cc_later,
	.name = "prism_test",
};
