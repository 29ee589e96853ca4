// SPDX-License-Identifier: Apache-2.0
/* What is read from sysfs, on a directory that looks like it; what an exit means. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel.h"

static const char *const files[] = {"state", "enable_seq", "hotplug_seq", "root/ops"};
static char dir[] = "/tmp/prism-sched-XXXXXX";

static void path_of(char *path, size_t size, const char *name)
{
	assert_true((size_t)snprintf(path, size, "%s/%s", dir, name) < size);
}

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	path_of(path, sizeof(path), name);
	f = fopen(path, "we");
	assert_non_null(f);
	if (!f)
		return; /* for the analyzer, which does not know cmocka */
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void take(const char *name)
{
	char path[128];

	path_of(path, sizeof(path), name);
	assert_true(unlink(path) == 0 || errno == ENOENT);
}

static int make_dir(void **state)
{
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	path_of(path, sizeof(path), "root");
	return mkdir(path, 0700);
}

static int remove_dir(void **state)
{
	char path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		take(files[i]);
	path_of(path, sizeof(path), "root");
	rmdir(path);
	return rmdir(dir);
}

static void test_reads_a_scheduler(void **state)
{
	struct kernel_sched sched;

	(void)state;
	put("state", "enabled\n");
	put("enable_seq", "7\n");
	put("hotplug_seq", "3\n");
	put("root/ops", "lavd_1.0.1\n");
	assert_int_equal(kernel_sched_read(dir, &sched), 0);
	assert_int_equal(sched.state, KERNEL_SCHED_ENABLED);
	assert_string_equal(sched.ops, "lavd_1.0.1");
	assert_int_equal(sched.enable_seq, 7);
	assert_int_equal(sched.hotplug_seq, 3);
}

static void test_no_scheduler_has_no_name(void **state)
{
	struct kernel_sched sched;

	(void)state;
	put("state", "disabled\n");
	put("enable_seq", "0\n");
	put("hotplug_seq", "0\n");
	put("root/ops", "stale\n");
	assert_int_equal(kernel_sched_read(dir, &sched), 0);
	assert_int_equal(sched.state, KERNEL_SCHED_DISABLED);
	assert_string_equal(sched.ops, "");
}

static void test_one_that_comes_or_goes(void **state)
{
	struct kernel_sched sched;

	(void)state;
	put("enable_seq", "1\n");
	put("hotplug_seq", "0\n");
	take("root/ops");
	put("state", "enabling\n");
	assert_int_equal(kernel_sched_read(dir, &sched), 0);
	assert_int_equal(sched.state, KERNEL_SCHED_CHANGING);
	assert_string_equal(sched.ops, "");
	put("state", "disabling\n");
	assert_int_equal(kernel_sched_read(dir, &sched), 0);
	assert_int_equal(sched.state, KERNEL_SCHED_CHANGING);
}

static void test_a_kernel_without_it(void **state)
{
	struct kernel_sched sched = {.enable_seq = 99};

	(void)state;
	take("state");
	assert_int_equal(kernel_sched_read(dir, &sched), -ENOENT);
	assert_int_equal(sched.enable_seq, 99);
	put("state", "disabled\n");
	put("enable_seq", "many\n");
	assert_int_equal(kernel_sched_read(dir, &sched), -EPROTO);
}

static void test_exits(void **state)
{
	static const struct {
		uint32_t kind;
		int64_t code;
		enum recovery_cause cause;
		const char *word;
	} exits[] = {
		{66, 1ll << 48 | 1ll << 32, RECOVERY_RESTART, "hotplug"},
		{65, 1ll << 48, RECOVERY_RESTART, "other"},
		{65, 0, RECOVERY_FAULT, "other"},
		{64, 0, RECOVERY_OPERATOR, "operator"},
		{67, 0, RECOVERY_OPERATOR, "operator"},
		{1024, 0, RECOVERY_FAULT, "error"},
		{1025, 0, RECOVERY_FAULT, "error"},
		{1026, 0, RECOVERY_FAULT, "stall"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
		assert_int_equal(kernel_exit_cause(exits[i].kind, exits[i].code), exits[i].cause);
		assert_string_equal(kernel_exit_word(kernel_exit(exits[i].kind, exits[i].code)), exits[i].word);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_a_scheduler),
		cmocka_unit_test(test_no_scheduler_has_no_name),
		cmocka_unit_test(test_one_that_comes_or_goes),
		cmocka_unit_test(test_a_kernel_without_it),
		cmocka_unit_test(test_exits),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
