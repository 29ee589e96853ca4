// SPDX-License-Identifier: GPL-2.0-only
/* Every task and cgroup lookup, one program each; the test runs them with BPF_PROG_TEST_RUN. */
#define PRISM_BUS_CACHE
#include <prism/bus.bpf.h>

#include "lookup.h"

char _license[] SEC("license") = "GPL";

struct answer answer;
int pid;
__u64 id;

/* libbpf compares the kfuncs' types with the kernel's: a structure that is only declared matches none. */
struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

struct cgroup {
	int level;
} __attribute__((preserve_access_index));

/* Weak, or a kernel before 6.2 would refuse the programs that do without them as well. */
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *task) __ksym __weak;
extern struct cgroup *bpf_cgroup_from_id(__u64 id) __ksym __weak;
extern void bpf_cgroup_release(struct cgroup *cgroup) __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;

static __always_inline int say(struct prism_lookup who)
{
	answer.state = who.state;
	answer.identity = who.identity;
	answer.flags = who.flags;
	answer.label_hash = who.label_hash;
	answer.cgroup_id = who.cgroup_id;
	return 0;
}

SEC("raw_tp")
int by_current(void *ctx)
{
	return say(prism_lookup_current());
}

SEC("raw_tp")
int by_current_helper(void *ctx)
{
	return say(prism_lookup_current_helper());
}

SEC("raw_tp")
int by_current_cached(void *ctx)
{
	return say(prism_lookup_current_cached());
}

SEC("raw_tp")
int by_task_raw(void *ctx)
{
	return say(prism_lookup_task_raw((void *)bpf_get_current_task()));
}

SEC("raw_tp")
int by_id(void *ctx)
{
	return say(prism_lookup_id(id));
}

SEC("syscall")
int by_task(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(pid);

	if (!task)
		return 1;
	bpf_rcu_read_lock();
	say(prism_lookup_task(task));
	bpf_rcu_read_unlock();
	bpf_task_release(task);
	return 0;
}

SEC("syscall")
int by_task_cached(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(pid);

	if (!task)
		return 1;
	bpf_rcu_read_lock();
	say(prism_lookup_task_cached(task));
	bpf_rcu_read_unlock();
	bpf_task_release(task);
	return 0;
}

SEC("syscall")
int by_cgroup(void *ctx)
{
	struct cgroup *cgroup = bpf_cgroup_from_id(id);

	if (!cgroup)
		return 1;
	bpf_rcu_read_lock();
	say(prism_lookup_cgroup(cgroup));
	bpf_rcu_read_unlock();
	bpf_cgroup_release(cgroup);
	return 0;
}
