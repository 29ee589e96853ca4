# SPDX-License-Identifier: Apache-2.0
"""What each kernel cannot do, as patterns of the reasons that a test may give there for what it leaves out. Any other reason is
a failure: that a kernel has stopped being able to do something does not go unnoticed."""

NO_SCHED_EXT = [r"sched_ext", r"no kfunc scx_"]
BEFORE_6_2 = [r"no kfunc bpf_(task_from_pid|cgroup_from_id|rcu_read_lock)$"]
BEFORE_6_4 = [r"refuses the map test_cc,"] # struct_ops without links

NO_BPF_LSM = [r"BPF LSM", r"bpf is not among the active security modules"]

KERNELS = {
    "newest": [],
    "6.12": NO_SCHED_EXT,
    "6.1": NO_SCHED_EXT + BEFORE_6_2 + BEFORE_6_4,
    "6.12-scx": NO_BPF_LSM,
}
