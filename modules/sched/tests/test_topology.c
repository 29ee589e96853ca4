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

static char dir[32];

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

/* In sysfs it is a link, and stays when the CPU goes offline. */
static void put_node(uint32_t cpu, uint32_t node)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/cpu%u/node%u", dir, cpu, node);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int make_dir(void **state)
{
	char path[256];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/prism-topology-XXXXXX");
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
		for (uint32_t node = 0; node < 2; node++) {
			snprintf(path, sizeof(path), "%s/cpu%u/node%u", dir, cpu, node);
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

/* Two sockets whose CPUs alternate; CPU 5 is offline and has no caches. */
static void put_two(void)
{
	for (uint32_t cpu = 0; cpu < CPUS - 1; cpu++) {
		put_cache(cpu, 0, "1", cpu == 0 ? "0" : "1");
		put_cache(cpu, 3, "3", cpu % 2 ? "1,3" : "0,2,4");
	}
}

static void test_the_highest_level_counts(void **state)
{
	const uint32_t expected[CPUS] = {0, 1, 0, 1, 0, 0}; /* the neighbour of CPU 5 */
	uint32_t llc_of[CPUS];

	(void)state;
	put_two();
	assert_int_equal(topology_llcs(dir, CPUS, 64, llc_of), 2);
	assert_memory_equal(llc_of, expected, sizeof(expected));
}

/* CPU 5 is of the second socket; its nearest neighbour is not. */
static void test_one_that_is_offline_goes_by_its_node(void **state)
{
	const uint32_t expected[CPUS] = {0, 1, 0, 1, 0, 1};
	uint32_t llc_of[CPUS];

	(void)state;
	put_two();
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		put_node(cpu, cpu % 2);
	assert_int_equal(topology_llcs(dir, CPUS, 64, llc_of), 2);
	assert_memory_equal(llc_of, expected, sizeof(expected));
}

/* Three sockets of two neighbours each, in one node: CPU 2 goes by 3, as 1 is offline, too. */
static void test_one_that_is_offline_goes_by_who_is_known(void **state)
{
	const uint32_t expected[CPUS] = {0, 0, 1, 1, 2, 2};
	uint32_t llc_of[CPUS];

	(void)state;
	put_cache(0, 3, "3", "0");
	put_cache(3, 3, "3", "3");
	put_cache(4, 3, "3", "4");
	assert_int_equal(topology_llcs(dir, CPUS, 64, llc_of), 3);
	assert_memory_equal(llc_of, expected, sizeof(expected));
}

static void test_more_than_there_is_room_for_share_the_last(void **state)
{
	const uint32_t expected[CPUS] = {0, 1, 1, 1, 1, 1};
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		TEST(test_a_machine_that_tells_nothing_has_one),
		TEST(test_the_highest_level_counts),
		TEST(test_one_that_is_offline_goes_by_its_node),
		TEST(test_one_that_is_offline_goes_by_who_is_known),
		TEST(test_more_than_there_is_room_for_share_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
