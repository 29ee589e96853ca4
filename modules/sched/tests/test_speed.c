// SPDX-License-Identifier: Apache-2.0
/*
 * What a CPU is asked for with SCHED_F_CPUFREQ, as the kernel keeps it for a governor. Whether a CPU follows is not
 * seen: guests have no frequencies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "policy.h"
#include "scx.h"

#define FULL 1024
#define THERE 1 /* the CPU that is looked at; the test itself is on the other one */
#define CGROUP "there"
#define IDENTITY 400
#define TRIALS 50
#define PATIENCE_S 60

static void ask_for_speed(struct policy *policy, bool on)
{
	policy->config.flags = on ? policy->config.flags | SCHED_F_CPUFREQ : policy->config.flags & ~SCHED_F_CPUFREQ;
	policy_configure(policy);
}

static struct policy *begin(void **state, struct talker *talker)
{
	struct policy *policy = *state;

	assert_true(policy->cpus > THERE);
	pin_to(0, 0);
	policy_publish(policy, policy_cgroup(policy, CGROUP, 100), IDENTITY, PRISM_CLASS_NORMAL, 0);
	talker_start(policy, CGROUP, talker);
	pin_to(talker->pid, THERE);
	ask_for_speed(policy, true);
	return policy;
}

/* A load of next to nothing, with the pauses that make it so, until this is asked for. */
static void lightly_until(struct talker *talker, bool full)
{
	time_t end = time(NULL) + PATIENCE_S;

	do {
		assert_true(time(NULL) <= end);
		let_run(20);
		talker_wake(talker);
	} while ((scx_cpuperf(THERE) == FULL) != full);
}

static void test_full_speed_is_back_when_nobody_asks_any_more(void **state)
{
	struct talker talker;
	struct policy *policy = begin(state, &talker);

	lightly_until(&talker, false);
	ask_for_speed(policy, false);
	lightly_until(&talker, true);
	policy_in_force(policy);
	talker_end(&talker);
}

/*
 * One that has the CPU for itself gets it again and again without a switch. Others that come in between spoil a trial:
 * if nobody did, it has had one turn.
 */
static void test_a_task_that_goes_on_alone_is_asked_for(void **state)
{
	struct talker talker;
	struct policy *policy = begin(state, &talker);
	bool full = false;

	for (int trial = 0; trial < TRIALS && !full; trial++) {
		uint64_t turns;

		lightly_until(&talker, false);
		let_run(100);
		turns = policy_turns(policy, IDENTITY);
		talker_wake_for(&talker, 40);
		full = scx_cpuperf(THERE) == FULL && policy_turns(policy, IDENTITY) - turns == 1;
	}
	assert_true(full);
	policy_in_force(policy);
	talker_end(&talker);
}

/* Whoever else runs there in the meantime spoils a trial. */
static void test_a_long_rest_is_not_the_load_of_who_comes_then(void **state)
{
	struct talker talker;
	struct policy *policy = begin(state, &talker);
	bool full = false;

	for (int trial = 0; trial < TRIALS && !full; trial++) {
		let_run(100);
		talker_wake_for(&talker, 40);
		let_run(80);
		talker_wake(&talker);
		full = scx_cpuperf(THERE) == FULL;
	}
	assert_true(full);
	policy_in_force(policy);
	talker_end(&talker);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, policy_up, policy_down)
	const struct CMUnitTest tests[] = {
		TEST(test_full_speed_is_back_when_nobody_asks_any_more),
		TEST(test_a_task_that_goes_on_alone_is_asked_for),
		TEST(test_a_long_rest_is_not_the_load_of_who_comes_then),
	};

	scx_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
