/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts openat calls of each identity. */
#include "published.h"

SEC("tp/syscalls/sys_enter_openat")
int count_openat(void *ctx)
{
	count(identity_of(bpf_get_current_cgroup_id()), 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
