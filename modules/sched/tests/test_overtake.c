// SPDX-License-Identifier: Apache-2.0
/* Wake-ups that take the CPU from a task of their own class: which do, and which do not. Counts, never times. */
#include "policy.h"

#include "sched.skel.h"
#include "scx.h"

#define WAKES 100

enum {
	WAKES_UP = 300,
	COMPUTES = 301,
};

/* How often one that wakes up takes the CPU from another one of its class. */
static uint64_t overtakes(struct policy *policy, struct talker *talker, uint32_t rank)
{
	struct sched_stats before, after;

	policy_stats(policy, &before);
	for (int i = 0; i < WAKES; i++)
		talker_wake(talker);
	policy_stats(policy, &after);
	return after.class[rank].overtakes - before.class[rank].overtakes;
}

/* Whoever wakes up and whoever computes share CPU 0; this test is on another. */
static void start(struct policy *policy, const char *cgroup, struct talker *talker)
{
	talker_start(policy, cgroup, talker);
	pin_to(talker->pid, 0);
	pin_to(0, 1 % policy->cpus);
}

static void one_that_is_ahead_gives_way(void **state)
{
	const uint32_t classes[] = {PRISM_CLASS_UNSET, PRISM_CLASS_NORMAL, PRISM_CLASS_CRITICAL};
	const uint32_t ranks[] = {SCHED_NORMAL, SCHED_NORMAL, SCHED_CRITICAL};
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 100), two = policy_cgroup(policy, "two", 100);
	struct talker talker;

	start(policy, "one", &talker);
	hog_start(policy, "two", 0);
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		policy_publish(policy, one, WAKES_UP, classes[i], 64);
		policy_publish(policy, two, COMPUTES, classes[i], 64);
		talker_wake(&talker);
		assert_true(overtakes(policy, &talker, ranks[i]) >= WAKES / 2);
	}
	assert_true(policy_row(policy, COMPUTES).preempted >= WAKES / 2);
	policy_in_force(policy);
	talker_end(&talker);
}

static void batch_does_not(void **state)
{
	struct policy *policy = *state;
	struct talker talker;

	policy_publish(policy, policy_cgroup(policy, "one", 100), WAKES_UP, PRISM_CLASS_BATCH, 64);
	policy_publish(policy, policy_cgroup(policy, "two", 100), COMPUTES, PRISM_CLASS_BATCH, 64);
	start(policy, "one", &talker);
	hog_start(policy, "two", 0);
	assert_int_equal(overtakes(policy, &talker, SCHED_BATCH), 0);
	talker_end(&talker);
}

static void nor_does_anybody_where_it_is_turned_off(void **state)
{
	struct policy *policy = *state;
	struct talker talker;

	policy->config.flags = 0;
	policy_configure(policy);
	policy_publish(policy, policy_cgroup(policy, "one", 100), WAKES_UP, PRISM_CLASS_NORMAL, 64);
	policy_publish(policy, policy_cgroup(policy, "two", 100), COMPUTES, PRISM_CLASS_NORMAL, 64);
	start(policy, "one", &talker);
	hog_start(policy, "two", 0);
	assert_int_equal(overtakes(policy, &talker, SCHED_NORMAL), 0);
	talker_end(&talker);
}

/* Two flows of which none is behind: they share, and that is no reason to interrupt each other all the time. */
static void hogs_do_not_interrupt_each_other(void **state)
{
	struct policy *policy = *state;
	struct sched_stats before, after;

	policy_publish(policy, policy_cgroup(policy, "one", 100), WAKES_UP, PRISM_CLASS_NORMAL, 64);
	policy_publish(policy, policy_cgroup(policy, "two", 100), COMPUTES, PRISM_CLASS_NORMAL, 64);
	for (int i = 0; i < policy->cpus; i++) {
		hog_start(policy, "one", -1);
		hog_start(policy, "two", -1);
	}
	let_run(300);
	policy_stats(policy, &before);
	let_run(1000);
	policy_stats(policy, &after);
	/* Not none: this machine has other tasks, too, and they wake up. */
	assert_true(after.class[SCHED_NORMAL].overtakes - before.class[SCHED_NORMAL].overtakes < 100);
	policy_in_force(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_that_is_ahead_gives_way, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(batch_does_not, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(nor_does_anybody_where_it_is_turned_off, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(hogs_do_not_interrupt_each_other, policy_up, policy_down),
	};

	world_require();
	scx_require();
	return cmocka_run_group_tests_name("sched_overtake", tests, NULL, NULL);
}
