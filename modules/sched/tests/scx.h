/* SPDX-License-Identifier: Apache-2.0 */
/* What a test does to the kernel's scheduler class from outside, and sees of it. Each function fails the test when it
 * cannot. */
#ifndef SCHED_TESTS_SCX_H
#define SCHED_TESTS_SCX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

bool scx_exists(void);

/* Ends with a skip (77) unless root runs this, on a kernel with sched_ext, and nobody's scheduler is loaded. */
void scx_require(void);

/* Another scheduler, called foreign_toy, until it is let go. */
void scx_foreign_load(void);
void scx_foreign_unload(void);

/* The kernel lets go of what runs: for an error; with this exit code; because an operator pressed SysRq-S. */
void scx_eject(void);
void scx_exit(int64_t code);
void scx_sysrq(void);

/* Of /sys/kernel/sched_ext. */
bool scx_enabled(const char *ops);
bool scx_disabled(void);
void scx_await_disabled(void);
uint64_t scx_enable_seq(void);

/* The thread has a slice of its own choice, in the kernel's fair class. */
bool scx_custom_slice(pid_t tid);
/* What the CPU was asked for last, of 1024: what a governor would take. */
uint32_t scx_cpuperf(int cpu);

#endif
