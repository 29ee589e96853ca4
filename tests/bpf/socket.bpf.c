// SPDX-License-Identifier: GPL-2.0-only
/* Whose packet, whose socket, whose connect: the answers go where the test reads them. */
#include <prism/bus.bpf.h>

#include "lookup.h"

char _license[] SEC("license") = "GPL";

struct answer answers[ANSWERS];

static __always_inline void say(enum answer_slot slot, struct prism_lookup who)
{
	struct answer *answer = &answers[slot];

	answer->state = who.state;
	answer->identity = who.identity;
	answer->flags = who.flags;
	answer->label_hash = who.label_hash;
	answer->cgroup_id = who.cgroup_id;
}

static __always_inline void say_sk(enum answer_slot slot, struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (sk)
		say(slot, prism_lookup_sk(sk));
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	say(BY_SKB_INGRESS, prism_lookup_skb(skb));
	say_sk(BY_SK_INGRESS, skb);
	return 1;
}

SEC("cgroup_skb/egress")
int egress(struct __sk_buff *skb)
{
	say(BY_SKB_EGRESS, prism_lookup_skb(skb));
	say_sk(BY_SK_EGRESS, skb);
	return 1;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	say(BY_CONNECT, prism_lookup_current());
	say(BY_CONNECT_HELPER, prism_lookup_current_helper());
	return 1;
}
