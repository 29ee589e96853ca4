/* SPDX-License-Identifier: GPL-2.0-only */
/* Tries to make itself another identity. The verifier must refuse it. */
#include "published.h"

SEC("raw_tp/sched_process_exec")
int forge(void *ctx)
{
	__u64 id = bpf_get_current_cgroup_id();
	struct workload_identity *w = bpf_map_lookup_elem(&prism_identity, &id);

	if (w)
		w->identity = 1;
	return 0;
}

char _license[] SEC("license") = "GPL";
