/* SPDX-License-Identifier: GPL-2.0-only */
/* Tells prismd the kernel's jiffies64, which user space cannot read: stale_jiffies of the meta map is stated in it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct clock_context {
	__u64 jiffies;
};

SEC("syscall")
int read_clock(struct clock_context *ctx)
{
	ctx->jiffies = bpf_jiffies64();
	return 0;
}

char _license[] SEC("license") = "GPL";
