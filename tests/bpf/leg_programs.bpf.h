/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The leg of the test module. STEP: how much one event counts, so that two builds of it can be told apart. */
#include <prism/bus.bpf.h>

#include "leg_counts.h"

char _license[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, COUNTS_MAX);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counts SEC(".maps");

/* Only what happens in this cgroup counts. */
const volatile __u64 watched_cgroup;

static __always_inline void put(__u32 slot, __u64 value, _Bool add)
{
	__u64 *count = bpf_map_lookup_elem(&counts, &slot);

	if (!count)
		return;
	if (add)
		__sync_fetch_and_add(count, value);
	else
		*count = value;
}

static __always_inline _Bool watched(struct prism_lookup who)
{
	return who.cgroup_id == watched_cgroup;
}

SEC("tp_btf/sched_process_exec")
int on_exec(__u64 *ctx)
{
	if (watched(prism_lookup_task((void *)ctx[0])))
		put(COUNT_TP_BTF, STEP, 1);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int on_raw(__u64 *ctx)
{
	struct prism_lookup who = prism_lookup_task_raw((void *)ctx[0]);

	if (!watched(who))
		return 0;
	put(COUNT_RAW_TP, STEP, 1);
	put(COUNT_IDENTITY, who.identity, 0);
	put(COUNT_FACET, prism_facet_mask, 0);
	return 0;
}

SEC("tracepoint/sched/sched_process_exec")
int on_tracepoint(void *ctx)
{
	if (watched(prism_lookup_current()))
		put(COUNT_TRACEPOINT, STEP, 1);
	return 0;
}

SEC("cgroup_skb/ingress")
int ingress(struct __sk_buff *skb)
{
	if (watched(prism_lookup_skb(skb)))
		put(COUNT_INGRESS, STEP, 1);
	return 1;
}
