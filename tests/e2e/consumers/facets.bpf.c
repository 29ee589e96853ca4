/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "Is this workload net-policed and scheduler-managed?", asked at each exec: counts[the facet bits 0..7 of the
 * workload]. A workload without an entry is not counted.
 */
#include "published.h"

SEC("raw_tp/sched_process_exec")
int which_facets(void *ctx)
{
	__u64 cgroup_id = bpf_get_current_cgroup_id();
	struct workload_identity *w = bpf_map_lookup_elem(&prism_identity, &cgroup_id);

	if (w)
		count(w->flags & 0xff, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
