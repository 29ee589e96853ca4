// SPDX-License-Identifier: Apache-2.0
#include "scx.h"

#include <err.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "eject.skel.h"
#include "foreign.skel.h"
#include "kernel.h"
#include "peek.skel.h"

#define SKIP 77

static struct foreign_bpf *foreign;
static struct bpf_link *foreign_link;

static struct kernel_sched look(void)
{
	struct kernel_sched kernel = {0};

	assert_int_equal(kernel_sched_read(KERNEL_SCHED_DIR, &kernel), 0);
	return kernel;
}

bool scx_enabled(const char *ops)
{
	struct kernel_sched kernel = look();

	return kernel.state == KERNEL_SCHED_ENABLED && !strcmp(kernel.ops, ops);
}

bool scx_disabled(void)
{
	return look().state == KERNEL_SCHED_DISABLED;
}

void scx_await_disabled(void)
{
	time_t end = time(NULL) + 60;

	while (!scx_disabled()) {
		assert_true(time(NULL) <= end);
		sched_yield();
	}
}

uint64_t scx_enable_seq(void)
{
	return look().enable_seq;
}

bool scx_exists(void)
{
	return access(KERNEL_SCHED_DIR, F_OK) == 0;
}

void scx_require(void)
{
	struct kernel_sched kernel;

	if (geteuid() != 0)
		errx(SKIP, "UNSUPPORTED: these tests load schedulers: run them as root");
	if (!scx_exists())
		errx(SKIP, "UNSUPPORTED: this kernel has no sched_ext");
	if (kernel_sched_read(KERNEL_SCHED_DIR, &kernel) < 0 || kernel.state != KERNEL_SCHED_DISABLED)
		errx(SKIP, "UNSUPPORTED: a scheduler is loaded: %s", kernel.ops);
}

void scx_foreign_load(void)
{
	foreign = foreign_bpf__open_and_load();
	assert_non_null(foreign);
	foreign_link = bpf_map__attach_struct_ops(foreign->maps.foreign_ops);
	assert_non_null(foreign_link);
	assert_true(scx_enabled("foreign_toy"));
}

void scx_foreign_unload(void)
{
	bpf_link__destroy(foreign_link);
	foreign_bpf__destroy(foreign);
	foreign_link = NULL;
	foreign = NULL;
}

static void run(struct eject_bpf *skel, const struct bpf_program *program)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	eject_bpf__destroy(skel);
	assert_int_equal(r, 0);
}

void scx_eject(void)
{
	struct eject_bpf *skel = eject_bpf__open_and_load();

	assert_non_null(skel);
	run(skel, skel->progs.eject_error);
}

void scx_exit(int64_t code)
{
	struct eject_bpf *skel = eject_bpf__open_and_load();

	assert_non_null(skel);
	skel->bss->eject_code = code;
	run(skel, skel->progs.eject_exit);
}

void scx_sysrq(void)
{
	FILE *f = fopen("/proc/sysrq-trigger", "we");

	assert_non_null(f);
	if (!f)
		return; /* for the analyzer, which does not know cmocka */
	assert_int_equal(fputs("S", f), 1);
	assert_int_equal(fclose(f), 0);
}

/* Loaded once: that wakes up others, who change what is to be seen. */
static int64_t peek(int32_t at, bool at_cpu)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	static struct peek_bpf *skel;
	int64_t result;
	int r;

	if (!skel)
		skel = peek_bpf__open_and_load();
	assert_non_null(skel);
	skel->bss->peek_at = at;
	r = bpf_prog_test_run_opts(bpf_program__fd(at_cpu ? skel->progs.peek_cpuperf : skel->progs.peek_custom_slice),
				   &opts);
	result = skel->bss->peek_result;
	assert_int_equal(r, 0);
	assert_true(result >= 0);
	return result;
}

bool scx_custom_slice(pid_t tid)
{
	return peek(tid, false);
}

uint32_t scx_cpuperf(int cpu)
{
	return (uint32_t)peek(cpu, true);
}
