// SPDX-License-Identifier: GPL-2.0-only
#include <prism/bus.bpf.h>

char _license[] SEC("license") = "GPL";

__u64 execs; /* of workloads that have our facet */

SEC("tp_btf/sched_process_exec")
int on_exec(__u64 *ctx)
{
	struct prism_lookup who = prism_lookup_task((void *)ctx[0]);

	if (who.state == PRISM_KNOWN && prism_has_facets(who.flags, prism_facet_mask))
		__sync_fetch_and_add(&execs, 1);
	return 0;
}
