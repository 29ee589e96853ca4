// SPDX-License-Identifier: Apache-2.0
/* On a directory that looks like sysfs: which CPUs share a last-level cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "topology.h"

#define CPUS 6

static char dir[] = "/tmp/prism-topology-XXXXXX";

static void put(uint32_t cpu, uint32_t cache, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cpu%u/cache/index%u", dir, cpu, cache);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/cpu%u/cache/index%u/%s", dir, cpu, cache, name);
	f = fopen(path, "we");
	assert_non_null(f);
	if (!f)
		return; /* for the analyzer, which does not know cmocka */
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void put_cache(uint32_t cpu, uint32_t cache, const char *level, const char *shared)
{
	put(cpu, cache, "level", level);
	put(cpu, cache, "shared_cpu_list", shared);
}

static int make_dir(void **state)
{
	char path[256];

	(void)state;
	assert_non_null(mkdtemp(dir));
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		snprintf(path, sizeof(path), "%s/cpu%u", dir, cpu);
		assert_int_equal(mkdir(path, 0700), 0);
		snprintf(path, sizeof(path), "%s/cpu%u/cache", dir, cpu);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	return 0;
}

static int remove_dir(void **state)
{
	static const char *const files[] = {"level", "shared_cpu_list"};
	char path[256];

	(void)state;
	for (uint32_t cpu = 0; cpu < CPUS; cpu++) {
		for (uint32_t cache = 0; cache < 4; cache++) {
			for (int i = 0; i < 2; i++) {
				snprintf(path, sizeof(path), "%s/cpu%u/cache/index%u/%s", dir, cpu, cache, files[i]);
				unlink(path);
			}
			snprintf(path, sizeof(path), "%s/cpu%u/cache/index%u", dir, cpu, cache);
			rmdir(path);
		}
		snprintf(path, sizeof(path), "%s/cpu%u/cache", dir, cpu);
		rmdir(path);
		snprintf(path, sizeof(path), "%s/cpu%u", dir, cpu);
		rmdir(path);
	}
	return rmdir(dir);
}

static void test_a_machine_that_tells_nothing_has_one(void **state)
{
	uint32_t llc_of[CPUS] = {9, 9, 9, 9, 9, 9};

	(void)state;
	assert_int_equal(topology_llcs(dir, CPUS, 64, llc_of), 1);
	for (int i = 0; i < CPUS; i++)
		assert_int_equal(llc_of[i], 0);
}

/* Two sockets whose CPUs alternate; CPU 5 is offline and tells nothing. */
static void put_two(void)
{
	for (uint32_t cpu = 0; cpu < CPUS - 1; cpu++) {
		put_cache(cpu, 0, "1", cpu == 0 ? "0" : "1");
		put_cache(cpu, 3, "3", cpu % 2 ? "1,3" : "0,2,4");
	}
}

static void test_the_highest_level_counts(void **state)
{
	const uint32_t expected[CPUS] = {0, 1, 0, 1, 0, 0};
	uint32_t llc_of[CPUS];

	(void)state;
	put_two();
	assert_int_equal(topology_llcs(dir, CPUS, 64, llc_of), 2);
	assert_memory_equal(llc_of, expected, sizeof(expected));
}

static void test_more_than_there_is_room_for_share_the_last(void **state)
{
	const uint32_t expected[CPUS] = {0, 1, 1, 1, 1, 0};
	uint32_t llc_of[CPUS];

	(void)state;
	for (uint32_t cpu = 0; cpu < CPUS - 1; cpu++) {
		char own[2] = {(char)('0' + cpu), '\0'};

		put_cache(cpu, 3, "3", own);
	}
	assert_int_equal(topology_llcs(dir, CPUS, 2, llc_of), 2);
	assert_memory_equal(llc_of, expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_machine_that_tells_nothing_has_one),
		cmocka_unit_test(test_the_highest_level_counts),
		cmocka_unit_test(test_more_than_there_is_room_for_share_the_last),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
