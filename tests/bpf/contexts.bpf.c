// SPDX-License-Identifier: GPL-2.0-only
/* One program for each kind of hook that a lookup is for. The verifier must take each; none is run. */
#define PRISM_BUS_CACHE
#include <prism/bus.bpf.h>

char _license[] SEC("license") = "GPL";

/* Weak, or a kernel before 6.2 would refuse the programs that do without them as well. */
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;

__u32 seen;

static __always_inline void use(struct prism_lookup who)
{
	if (who.state == PRISM_KNOWN && prism_has_facets(who.flags, prism_facet_mask))
		seen = who.identity + prism_class(who.flags) + prism_weight(who.flags) + (__u32)who.label_hash;
}

SEC("tp_btf/sched_process_exec")
int tp_btf_task(__u64 *ctx)
{
	use(prism_lookup_task((void *)ctx[0]));
	return 0;
}

SEC("tp_btf/sched_switch")
int tp_btf_cached(__u64 *ctx)
{
	use(prism_lookup_task_cached((void *)ctx[2]));
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int tp_btf_cgroup(__u64 *ctx)
{
	use(prism_lookup_cgroup((void *)ctx[0]));
	return 0;
}

SEC("raw_tp/sched_process_exec")
int raw_tp_task(__u64 *ctx)
{
	use(prism_lookup_task_raw((void *)ctx[0]));
	return 0;
}

SEC("raw_tp/cgroup_mkdir")
int raw_tp_cgroup(__u64 *ctx)
{
	use(prism_lookup_cgroup_raw((void *)ctx[0]));
	return 0;
}

SEC("raw_tp/sched_process_exec")
int raw_tp_current_cached(__u64 *ctx)
{
	use(prism_lookup_current_cached());
	return 0;
}

SEC("tracepoint/sched/sched_process_exec")
int tracepoint_current(void *ctx)
{
	use(prism_lookup_current());
	return 0;
}

SEC("tracepoint/sched/sched_process_exec")
int tracepoint_cached(void *ctx)
{
	use(prism_lookup_current_cached());
	return 0;
}

SEC("iter/task")
int iter_task(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[1];

	if (task)
		use(prism_lookup_task(task));
	return 0;
}

SEC("syscall")
int syscall_current(void *ctx)
{
	bpf_rcu_read_lock();
	use(prism_lookup_current());
	bpf_rcu_read_unlock();
	return 0;
}

SEC("perf_event")
int perf_event_current(void *ctx)
{
	use(prism_lookup_current());
	return 0;
}

SEC("cgroup_skb/ingress")
int cgroup_skb_ingress(struct __sk_buff *skb)
{
	use(prism_lookup_skb(skb));
	return 1;
}

SEC("cgroup_skb/egress")
int cgroup_skb_sk(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	if (sk)
		use(prism_lookup_sk(sk));
	return 1;
}

SEC("tc")
int tc_skb(struct __sk_buff *skb)
{
	use(prism_lookup_skb(skb));
	return 0;
}

SEC("cgroup/connect4")
int connect_current(struct bpf_sock_addr *ctx)
{
	use(prism_lookup_current());
	return 1;
}

SEC("cgroup/connect4")
int connect_helper(struct bpf_sock_addr *ctx)
{
	use(prism_lookup_current_helper());
	return 1;
}

SEC("cgroup/sendmsg6")
int sendmsg_helper(struct bpf_sock_addr *ctx)
{
	use(prism_lookup_current_helper());
	return 1;
}

SEC("cgroup/sock_create")
int sock_create_helper(struct bpf_sock *ctx)
{
	use(prism_lookup_current_helper());
	return 1;
}

SEC("cgroup/post_bind4")
int post_bind_helper(struct bpf_sock *ctx)
{
	use(prism_lookup_current_helper());
	return 1;
}

SEC("xdp")
int xdp_id(struct xdp_md *ctx)
{
	use(prism_lookup_id(ctx->rx_queue_index));
	return XDP_PASS;
}
