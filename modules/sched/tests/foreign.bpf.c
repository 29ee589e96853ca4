// SPDX-License-Identifier: GPL-2.0-only
/*
 * Somebody else's scheduler, without a policy of its own; and what makes the kernel let go of one: an error, a wish to
 * be started anew.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct sched_ext_ops {
	__u32 timeout_ms;
	char name[128];
};

SEC(".struct_ops.link")
struct sched_ext_ops foreign_ops = {
	.timeout_ms = 20000,
	.name = "foreign_toy",
};

char LICENSE[] SEC("license") = "GPL";
