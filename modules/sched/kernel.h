/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of its extensible scheduler class, and why it ended one (include/linux/sched/ext.h). */
#ifndef SCHED_KERNEL_H
#define SCHED_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "recovery.h"

#define KERNEL_SCHED_DIR "/sys/kernel/sched_ext"
#define KERNEL_OPS_NAME 128 /* SCX_OPS_NAME_LEN */

enum kernel_sched_state {
	KERNEL_SCHED_DISABLED,
	KERNEL_SCHED_ENABLED,
	KERNEL_SCHED_CHANGING, /* one comes or goes */
};

struct kernel_sched {
	enum kernel_sched_state state;
	char ops[KERNEL_OPS_NAME]; /* name of the scheduler; "" if there is none, or none to be named yet */
	uint64_t enable_seq;       /* schedulers that were enabled since boot */
	uint64_t hotplug_seq;      /* CPUs that came or went since boot */
};

/* -ENOENT: this kernel has no sched_ext. -errno: it cannot be read. dir: KERNEL_SCHED_DIR. */
int kernel_sched_read(const char *dir, struct kernel_sched *ret_sched);

/* Why the kernel let go of a scheduler, for metrics and events. */
enum kernel_exit {
	KERNEL_EXIT_HOTPLUG,
	KERNEL_EXIT_OPERATOR, /* SysRq-S, or its link was detached */
	KERNEL_EXIT_STALL,    /* the watchdog: a runnable task was not run for too long */
	KERNEL_EXIT_ERROR,
	KERNEL_EXIT_OTHER,
	KERNEL_EXITS,
};

/* kind, code: the kernel's enum scx_exit_kind and exit code, as an ended scheduler is told them. */
enum kernel_exit kernel_exit(uint32_t kind, int64_t code);
enum recovery_cause kernel_exit_cause(uint32_t kind, int64_t code);

/* One word. Static. */
const char *kernel_exit_word(enum kernel_exit exit);

#endif
