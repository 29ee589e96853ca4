// SPDX-License-Identifier: Apache-2.0
#include "partial.h"

#include <linux/sched/types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <prism/leg.h>

#include "partial.skel.h"
#include "partial_task.h"

#define LOOK_MS 1000u
#define LOOKS_AT_END 8u /* one that finds nobody ends it; the second or third does */
#define FORK_PROGRAM "partial_fork"
#define RESET_ON_FORK 1u /* SCHED_FLAG_RESET_ON_FORK, the one flag that sched_getattr(2) tells */

struct partial {
	struct prism_host *host;
	struct partial_bpf *skel;
	struct prism_leg *leg;
	struct bpf_link *link;
	struct prism_timer *timer; /* every LOOK_MS */
	struct prism_timer *soon;
	int told; /* errno of the last failed look; said once */
};

/* ---- one look at all tasks --------------------------------------------------------------------------------------- */

/*
 * Nice value, reset-on-fork and a slice of its own choice stay; the default slice, which the kernel tells as well,
 * would be one of its own choice if it were set. A thread that is gone is no error.
 */
static int set_policy(const struct partial_task *task)
{
	struct sched_attr attr = {.size = sizeof(attr)};

	if (syscall(SYS_sched_getattr, task->tid, &attr, sizeof(attr), 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	attr.size = sizeof(attr);
	attr.sched_policy = task->policy;
	attr.sched_flags &= RESET_ON_FORK;
	if (!task->custom_slice)
		attr.sched_runtime = 0;
	if (syscall(SYS_sched_setattr, task->tid, &attr, 0) < 0)
		return errno == ESRCH ? 0 : -errno;
	return 0;
}

static int apply(const struct partial_task *tasks, size_t n)
{
	int result = 0;

	for (size_t i = 0; i < n; i++) {
		int r = set_policy(&tasks[i]);

		result = result ? result : r;
	}
	return result;
}

/* *ret_n: those whose policy had to change. */
static int look(struct partial *partial, size_t *ret_n)
{
	struct partial_task tasks[512];
	int fd = bpf_iter_create(bpf_link__fd(partial->link)), r = 0;
	ssize_t n;

	*ret_n = 0;
	if (fd < 0)
		return fd;
	partial->skel->bss->partial_threads = 0;
	while ((n = read(fd, tasks, sizeof(tasks))) > 0) {
		int one = apply(tasks, (size_t)n / sizeof(tasks[0]));

		*ret_n += (size_t)n / sizeof(tasks[0]);
		r = r ? r : one;
	}
	if (n < 0)
		r = -errno;
	close(fd);
	return r;
}

static size_t look_and_tell(struct partial *partial)
{
	size_t n;
	int r = look(partial, &n);

	if (r < 0 && r != partial->told)
		prism_log(partial->host, PRISM_LOG_ERROR, "partial mode: not every thread got its policy: %s",
			  strerror(-r));
	partial->told = r;
	return n;
}

static void on_look(void *arg)
{
	look_and_tell(arg);
}

/* What forks while it is given back has children that are found by the next look. */
static void give_back_all(struct partial *partial)
{
	unsigned int looks = 0;

	partial->skel->bss->partial_give_back = true;
	while (look_and_tell(partial) && ++looks < LOOKS_AT_END)
		;
	prism_leg_detach(partial->leg, FORK_PROGRAM);
}

void partial_look_soon(struct partial *partial)
{
	prism_timer_stop(partial->host, partial->soon);
	partial->soon = NULL;
	/* Without memory for a timer: the regular one comes within a second. */
	prism_timer_start(partial->host, 0, 0, on_look, partial, &partial->soon);
}

uint64_t partial_threads(const struct partial *partial)
{
	return partial->skel->bss->partial_threads;
}

/* ---- up and down ------------------------------------------------------------------------------------------------- */

static void release(struct partial *partial)
{
	prism_timer_stop(partial->host, partial->timer);
	prism_timer_stop(partial->host, partial->soon);
	bpf_link__destroy(partial->link);
	/* The pinned marks go with the module's other pins. */
	prism_leg_close(partial->leg, PRISM_STOP_SHUTDOWN);
	partial_bpf__destroy(partial->skel);
	free(partial);
}

static int bring_up(struct partial *partial)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	int r;

	partial->skel = partial_bpf__open_opts(prism_leg_open_opts(partial->host, &opts));
	r = prism_leg_load(partial->host, partial->skel ? partial->skel->skeleton : NULL, &partial->leg);
	if (r < 0)
		return r;
	partial->link = bpf_program__attach_iter(partial->skel->progs.partial_look, NULL);
	if (!partial->link)
		return prism_fail(partial->host, errno, "sched: partial mode", "the task iterator: %s",
				  strerror(errno));
	r = prism_timer_start(partial->host, LOOK_MS, LOOK_MS, on_look, partial, &partial->timer);
	if (r < 0)
		return prism_fail(partial->host, -r, "sched: partial mode", "starting a timer: %s", strerror(-r));
	return prism_leg_attach(partial->leg, partial->skel->progs.partial_fork);
}

bool partial_is_left(struct prism_host *host)
{
	return prism_leg_pinned(host, FORK_PROGRAM, NULL) == 1;
}

int partial_start(struct prism_host *host, struct partial **ret_partial)
{
	struct partial *partial = calloc(1, sizeof(*partial));
	int r;

	if (!partial)
		return prism_fail(host, ENOMEM, "sched: partial mode", "no memory");
	partial->host = host;
	r = bring_up(partial);
	if (r < 0) {
		release(partial);
		return r;
	}
	partial_look_soon(partial);
	*ret_partial = partial;
	return 0;
}

void partial_stop(struct partial *partial, bool give_back)
{
	if (!partial)
		return;
	if (give_back)
		give_back_all(partial);
	release(partial);
}
