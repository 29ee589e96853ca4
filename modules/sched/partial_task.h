/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What partial.bpf.c tells of a task whose policy is not the one that it should have. */
#ifndef SCHED_PARTIAL_TASK_H
#define SCHED_PARTIAL_TASK_H

#include <linux/types.h>

#define PARTIAL_POLICY_NORMAL 0u /* SCHED_* of <linux/sched.h> */
#define PARTIAL_POLICY_BATCH 3u
#define PARTIAL_POLICY_EXT 7u

struct partial_task {
	__u32 tid; /* in the initial pid namespace */
	__u32 policy;
	__u32 custom_slice; /* its slice in the kernel's fair class is of its own choice */
};

#endif
