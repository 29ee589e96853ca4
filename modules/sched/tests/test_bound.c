// SPDX-License-Identifier: Apache-2.0
/*
 * No runnable task waits longer than max_wait, whatever the others do: as many tasks a CPU as that is stated for, long
 * slices, wake-ups without an end, two that hand the CPU to each other. Means something where time is the count of
 * instructions (tests/vm/run --timing).
 */
#include "policy.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scx.h"

#define BOUND_MS 250u
#define TASKS_A_CPU (BOUND_MS / 4) /* the README's number */
#define RUN_MS 1000u
#define SLICE_NS 4000000 /* of a normal task, up to the next tick of 250 a second */
#define CHAT_NS 8000000  /* less than half of its slice */

enum {
	MEEK = 300, /* the one that has to wait */
	MANY = 310,
	FLOOD = 330,
};

static uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void compute(uint64_t ns)
{
	uint64_t end = monotonic_ns() + ns;

	while (monotonic_ns() < end)
		;
}

static void expect_bound(struct policy *policy)
{
	struct sched_stats stats;

	policy_in_force(policy);
	policy_stats(policy, &stats);
	for (int i = 0; i < SCHED_RANKS; i++)
		if (stats.class[i].waits.violations)
			fail_msg("class %d: %llu waits above %u ms, the longest %llu ms; %llu grants", i,
				 stats.class[i].waits.violations, BOUND_MS, stats.class[i].waits.longest_ns / 1000000,
				 stats.class[i].grants);
}

/* One that still waits at the end has not been counted. */
static void expect_turns(struct policy *policy, uint32_t identity)
{
	uint64_t before = policy_turns(policy, identity);

	let_run(BOUND_MS);
	assert_true(policy_turns(policy, identity) > before);
}

static void publish(struct policy *policy, const char *path, unsigned int cpu_weight, uint32_t identity, uint32_t class,
		    uint32_t weight)
{
	policy_publish(policy, policy_cgroup(policy, path, cpu_weight), identity, class, weight);
}

/* So many on this CPU (-1: wherever), of four workloads, beside critical ones that never sleep. */
static void crowd(struct policy *policy, unsigned int tasks, int on_cpu)
{
	static const char *const paths[] = {"a", "b", "c", "d"};
	static const uint32_t weights[] = {1, 8, 64, 127};

	for (uint32_t i = 0; i < 4; i++)
		publish(policy, paths[i], 1, MANY + i, PRISM_CLASS_BATCH, weights[i]);
	publish(policy, "flood", 10000, FLOOD, PRISM_CLASS_CRITICAL, 127);
	for (unsigned int i = 0; i < tasks; i++)
		hog_start(policy, paths[i % 4], on_cpu);
	for (int cpu = 0; cpu < policy->cpus; cpu++)
		hog_start(policy, "flood", -1);
	let_run(RUN_MS);
	expect_bound(policy);
	for (uint32_t i = 0; i < 4; i++)
		expect_turns(policy, MANY + i);
	assert_true(policy_row(policy, FLOOD).run_ns > 0);
}

static void as_many_as_stated(void **state)
{
	struct policy *policy = *state;

	crowd(policy, (TASKS_A_CPU - 2) * (unsigned int)policy->cpus, -1);
}

/* None of the others can serve what may run on one CPU only. */
static void many_of_one_cpu(void **state)
{
	crowd(*state, TASKS_A_CPU / 2, 0);
}

/* Sleepers that use little come before those that compute all the time, so they wait for what is left of a slice. */
static void nobody_passes_those_who_sleep(void **state)
{
	struct policy *policy = *state;
	uint64_t longest;

	publish(policy, "many", 100, MANY, PRISM_CLASS_NORMAL, 64);
	publish(policy, "meek", 100, MEEK, PRISM_CLASS_NORMAL, 64);
	for (int i = 0; i < 4 * policy->cpus; i++)
		hog_start(policy, "many", -1);
	for (int i = 0; i < 2 * policy->cpus; i++)
		if (!child_start(policy, "meek"))
			for (;;) {
				const struct timespec rest = {0, 900000};

				compute(40000);
				nanosleep(&rest, NULL);
			}
	let_run(10 * RUN_MS);
	longest = policy_row(policy, MEEK).waits.longest_ns;
	if (longest >= SLICE_NS * 3 / 2)
		fail_msg("one waited for %llu us", (unsigned long long)longest / 1000);
	assert_true(policy_turns(policy, MEEK) > 1000);
}

/* All of one class, and slices as long as they may be. */
static void long_slices(void **state)
{
	struct policy *policy = *state;

	for (int i = 0; i < SCHED_RANKS; i++)
		policy->config.slice_ns[i] = 100000000;
	policy_configure(policy);
	publish(policy, "many", 10000, MANY, PRISM_CLASS_BATCH, 127);
	publish(policy, "meek", 1, MEEK, PRISM_CLASS_BATCH, 1);
	for (int i = 0; i < 4 * policy->cpus; i++)
		hog_start(policy, "many", -1);
	hog_start(policy, "meek", -1);
	let_run(RUN_MS);
	expect_bound(policy);
	expect_turns(policy, MEEK);
}

/* Sleepers whose wake-ups never leave a millisecond without one, and one of next to no weight in their class. */
static void wake_ups_without_an_end(void **state)
{
	struct policy *policy = *state;

	publish(policy, "many", 10000, MANY, PRISM_CLASS_NORMAL, 127);
	publish(policy, "meek", 1, MEEK, PRISM_CLASS_NORMAL, 1);
	for (int i = 0; i < 8 * policy->cpus; i++)
		if (!child_start(policy, "many"))
			for (;;) {
				const struct timespec rest = {0, 100000};

				compute(40000);
				nanosleep(&rest, NULL);
			}
	hog_start(policy, "meek", -1);
	let_run(RUN_MS);
	expect_bound(policy);
	expect_turns(policy, MEEK);
}

/* One of two that wake each other, and go on for a while before they sleep. */
static void chat(int from, int to, bool begins)
{
	char c = '.';

	while (begins || read(from, &c, 1) == 1) {
		begins = false;
		if (write(to, &c, 1) != 1)
			break;
		compute(CHAT_NS);
	}
	_exit(1);
}

static void chat_start(struct policy *policy)
{
	int one[2], two[2];

	assert_int_equal(pipe(one) + pipe(two), 0);
	for (int i = 0; i < 2; i++)
		if (!child_start(policy, "many"))
			chat(i ? two[0] : one[0], i ? one[1] : two[1], i == 0);
	for (int i = 0; i < 2; i++) {
		close(one[i]);
		close(two[i]);
	}
}

/* Not on one CPU by force: the kernel asks nobody where a task that has no choice is to wake up. */
static void two_that_hand_over(void **state)
{
	struct policy *policy = *state;

	policy->config.slice_ns[SCHED_NORMAL] = 20000000;
	policy_configure(policy);
	publish(policy, "many", 100, MANY, PRISM_CLASS_NORMAL, 64);
	publish(policy, "meek", 100, MEEK, PRISM_CLASS_NORMAL, 64);
	for (int cpu = 0; cpu < policy->cpus; cpu++) {
		hog_start(policy, "meek", cpu);
		chat_start(policy);
	}
	let_run(RUN_MS);
	expect_bound(policy);
	expect_turns(policy, MEEK);
	/* They have the CPUs by turns with it, as one workload has with another. */
	assert_true(policy_row(policy, MEEK).run_ns > policy_row(policy, MANY).run_ns / 2);
	assert_true(policy_row(policy, MANY).run_ns > policy_row(policy, MEEK).run_ns / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_many_as_stated, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(many_of_one_cpu, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(long_slices, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(wake_ups_without_an_end, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(nobody_passes_those_who_sleep, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(two_that_hand_over, policy_up, policy_down),
	};

	world_require();
	scx_require();
	return cmocka_run_group_tests_name("sched_bound", tests, NULL, NULL);
}
