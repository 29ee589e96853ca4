/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts execs of each identity. */
#include "published.h"

SEC("raw_tp/sched_process_exec")
int trace_exec(void *ctx)
{
	count(identity_of(bpf_get_current_cgroup_id()), 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
