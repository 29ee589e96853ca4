// SPDX-License-Identifier: GPL-2.0-only
/*
 * A task that the kernel must not move to another CPU: it is in a BPF program that may sleep, which runs with migration
 * disabled, and copies from its own memory, where it can be preempted. No system call does the same.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct task_struct {
	int pid;
	unsigned short migration_disabled;
} __attribute__((preserve_access_index));

struct stay {
	__u64 address; /* of 8 bytes in the caller */
	__u32 times;
	__u32 reserved;
};

int stay_pid;
__u64 stay_switched; /* times that it got a CPU while it was in there */

static int copy(__u32 turn, __u64 *address)
{
	__u64 value;

	return bpf_copy_from_user(&value, sizeof(value), (void *)*address) != 0;
}

SEC("syscall")
int stay(struct stay *args)
{
	__u64 address = args->address;

	bpf_loop(args->times, copy, &address, 0);
	return 0;
}

/* next is not current, so what it has disabled it has not disabled for this program. */
SEC("tp_btf/sched_switch")
int BPF_PROG(stay_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	if (next->pid == stay_pid && next->migration_disabled)
		__sync_fetch_and_add(&stay_switched, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
