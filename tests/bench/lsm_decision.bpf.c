// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lsm leg's own decision about an open, in a loop, where this machine's kernel does not load LSM programs: an
 * iterator over a task's files may ask for a path, as the hook may. Only what brings the kernel into the hook's program
 * and out of it is not in here.
 */
#include "../../modules/lsm/lsm.bpf.c"

#include "lsm_decision.h"

struct bpf_iter__task_file {
	void *meta;
	struct task_struct *task;
	__u32 fd;
	struct file___lsm *file;
} PRISM_CORE;

__u64 elapsed_ns; /* of the last run */
__u64 denied;     /* decisions of it that were not 0 */
__u32 wanted_fd;  /* the file that is decided about, of the task that reads the iterator */

struct with_file {
	struct file___lsm *file;
	__u64 denied;
};

#define LOOP(name, expression)                                                                                         \
	static long name##_body(__u32 i, struct with_file *with)                                                       \
	{                                                                                                              \
		with->denied += (expression) ? 1 : 0;                                                                  \
		return 0;                                                                                              \
	}                                                                                                              \
	SEC("iter/task_file")                                                                                          \
	int name(struct bpf_iter__task_file *ctx)                                                                      \
	{                                                                                                              \
		struct with_file with = {.file = ctx->file};                                                           \
		__u64 begin;                                                                                           \
                                                                                                                       \
		if (!with.file || ctx->fd != wanted_fd || ctx->task != bpf_get_current_task_btf())                     \
			return 0;                                                                                      \
		begin = bpf_ktime_get_ns();                                                                            \
		bpf_loop(DECISIONS_A_RUN, name##_body, &with, 0);                                                      \
		elapsed_ns = bpf_ktime_get_ns() - begin;                                                               \
		denied = with.denied;                                                                                  \
		return 0;                                                                                              \
	}

static __always_inline int path_alone(struct path___lsm *path)
{
	struct lsm_key key;

	return path_key(&key, path) < 0;
}

LOOP(empty, i & 1)
LOOP(decision, ____lsm_open(NULL, with->file))
LOOP(path, path_alone(&with->file->f_path))
