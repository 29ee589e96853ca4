// SPDX-License-Identifier: GPL-2.0-only
/* Keeps one exec of a cgroup inside the tracepoint until it is let go, or until a given time. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define TURNS (1u << 23) /* as many as bpf_loop() takes */
#define LOOKS 1024u

volatile __u64 hold_cgroup;   /* whose */
volatile __u64 hold_until_ns; /* CLOCK_MONOTONIC */
volatile __u32 hold_inside;   /* 1: it is there */
volatile __u32 hold_released; /* set by the test */

static long look(__u32 i, void *arg)
{
	return hold_released != 0;
}

static long turn(__u32 i, void *arg)
{
	bpf_loop(LOOKS, look, NULL, 0);
	return hold_released || bpf_ktime_get_ns() > hold_until_ns;
}

SEC("tp_btf/sched_process_exec")
int hold_exec(void *ctx)
{
	if (bpf_get_current_cgroup_id() == hold_cgroup && !__sync_lock_test_and_set(&hold_inside, 1))
		bpf_loop(TURNS, turn, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
