// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounting of packets and bytes by identity: cgroup_skb programs at the root of the v2 hierarchy, which the kernel
 * runs for the socket's cgroup and with the network header at skb->data. They count and let pass.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <prism/bus.bpf.h>

#include "net.h"

#define PASS 1
#define LOOPBACK_IFINDEX 1 /* of every network namespace */

const volatile _Bool net_skip_loopback = 0;

/* Identity -> its row. User space makes the row when the identity appears; net_row_of() makes what it has not yet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct net_row);
} net_rows SEC(".maps");

/* What found no row because the map is full or memory short: the sum over all rows and this one is every packet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct net_row);
} net_overflow SEC(".maps");

/* Whose row it is: identity -> label_hash. User space alone reads and writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, __u64);
} net_owners SEC(".maps");

/* A row of this identity made on the way; another CPU may win, so the answer is what lies there afterwards. */
static __noinline struct net_row *net_row_make(__u32 identity)
{
	static const struct net_row empty;
	__u32 zero = 0;
	struct net_row *row;

	bpf_map_update_elem(&net_rows, &identity, &empty, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&net_rows, &identity);
	return row ? row : bpf_map_lookup_elem(&net_overflow, &zero);
}

static __always_inline void net_account(struct __sk_buff *skb, const enum net_direction direction)
{
	const __u32 family = skb->protocol == bpf_htons(ETH_P_IPV6) ? NET_IPV6 : NET_IPV4;
	const __u32 bytes = skb->len;
	struct prism_lookup who;
	struct net_count *count;
	struct net_row *row;

	if (net_skip_loopback && skb->ifindex == LOOPBACK_IFINDEX)
		return;
	who = prism_lookup_skb(skb);
	row = bpf_map_lookup_elem(&net_rows, &who.identity);
	if (!row)
		row = net_row_make(who.identity);
	if (!row)
		return;
	/*
	 * The row is this CPU's own and still needs atomic adds: egress in process context can be preempted, and is
	 * interrupted by the softirq that delivers what came in, between the load and the store of an addition.
	 */
	count = &row->count[direction][family];
	__sync_fetch_and_add(&count->packets, 1);
	__sync_fetch_and_add(&count->bytes, bytes);
}

SEC("cgroup_skb/ingress")
int net_ingress(struct __sk_buff *skb)
{
	net_account(skb, NET_INGRESS);
	return PASS;
}

SEC("cgroup_skb/egress")
int net_egress(struct __sk_buff *skb)
{
	net_account(skb, NET_EGRESS);
	return PASS;
}

char LICENSE[] SEC("license") = "GPL";
