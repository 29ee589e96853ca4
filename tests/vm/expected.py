# SPDX-License-Identifier: Apache-2.0
"""What each kernel cannot do, as patterns of the reasons that a test may give there for what it leaves out. Any other reason is
a failure: that a kernel has stopped being able to do something does not go unnoticed."""

NO_SCHED_EXT = [r"sched_ext", r"no kfunc scx_"]
BEFORE_6_2 = [r"no kfunc bpf_(task_from_pid|cgroup_from_id|rcu_read_lock)$"]
# struct_ops without links; or CONFIG_MODULES, without which TCP takes none
NO_BPF_CONGESTION_CONTROL = [r"refuses the map test_cc,", r"no tcp_congestion_ops", r"TCP congestion control by BPF"]

# Modules in Debian's kernels, and guests have no modules.
MODULES = [r"(overlayfs|sctp|tipc|veth) is not in this kernel's image"]

# A scheduler to compare with; the benchmark runs on newest.
BENCH_OF_NEWER_KERNELS = [r"^tests/bench/sched/bpf/strict\.bpf\.o: "]

# Reports of a kernel about itself that say nothing of Prism, as patterns of their first lines, each with how that was found.
KNOWN_TROUBLE = {
    # A CPU goes while any sched_ext scheduler runs, one whose only program does nothing too (modules/sched/tests/foreign.bpf.c), and none without a scheduler: the kernel stops the fair class's deadline server, which never began.
    "6.12-scx": [r"WARNING: .* at kernel/sched/deadline\.c:\d+ (task_non_contending|inactive_task_timer)\+"],
}

KERNELS = {
    "newest": MODULES,
    "6.12": MODULES + NO_SCHED_EXT,
    "6.1": MODULES + NO_SCHED_EXT + BEFORE_6_2 + NO_BPF_CONGESTION_CONTROL,
    "6.12-scx": MODULES + NO_BPF_CONGESTION_CONTROL + BENCH_OF_NEWER_KERNELS,
}
