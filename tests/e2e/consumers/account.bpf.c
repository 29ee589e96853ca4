/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts packets that sockets of each identity send. */
#include "published.h"

SEC("cgroup_skb/egress")
int account(struct __sk_buff *skb)
{
	count(identity_of(bpf_skb_cgroup_id(skb)), 1);
	return 1;
}

char _license[] SEC("license") = "GPL";
