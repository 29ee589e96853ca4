// SPDX-License-Identifier: Apache-2.0
/* What class and weight do, and that each is what does it. Counts, never times: how fast it is tests/bench/sched says.
 */
#include "policy.h"

#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "sched.skel.h"
#include "scx.h"

#define WAKES 100

enum {
	WAKES_UP = 300,
	COMPUTES = 301,
	OTHER = 302,
	FLOOD = 303,
};

/* How often the one that wakes up takes the CPU from the one that computes, both on one CPU. */
static uint64_t taken(struct policy *policy, struct talker *talker)
{
	struct sched_stats before, after;
	uint64_t sum = 0;

	policy_stats(policy, &before);
	for (int i = 0; i < WAKES; i++)
		talker_wake(talker);
	policy_stats(policy, &after);
	for (int i = 0; i < SCHED_RANKS; i++)
		sum += after.class[i].preemptions - before.class[i].preemptions;
	return sum;
}

static void only_the_class_lets_it_preempt(void **state)
{
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 100), two = policy_cgroup(policy, "two", 100);
	struct talker talker;

	talker_start(policy, "one", &talker);
	pin_to(talker.pid, 0);
	pin_to(0, 1 % policy->cpus);
	/* Without identities: of the same class. */
	hog_start(policy, "two", 0);
	assert_int_equal(taken(policy, &talker), 0);
	/* One above the other. */
	policy_publish(policy, two, COMPUTES, PRISM_CLASS_BATCH, 64);
	policy_publish(policy, one, WAKES_UP, PRISM_CLASS_CRITICAL, 64);
	assert_true(taken(policy, &talker) >= WAKES / 2);
	assert_true(policy_row(policy, COMPUTES).preempted >= WAKES / 2);
	/* Both of the class of the one that computes, and both of the other's. */
	policy_publish(policy, one, WAKES_UP, PRISM_CLASS_BATCH, 64);
	talker_wake(&talker);
	policy_publish(policy, two, COMPUTES, PRISM_CLASS_CRITICAL, 64);
	policy_publish(policy, one, WAKES_UP, PRISM_CLASS_CRITICAL, 64);
	talker_wake(&talker);
	assert_int_equal(policy_row(policy, COMPUTES).rank, SCHED_CRITICAL);
	talker_end(&talker);
}

static void no_cpu_that_it_may_not_use_is_interrupted(void **state)
{
	struct policy *policy = *state;
	struct sched_stats before, after;
	struct talker talker;

	if (policy->cpus < 2)
		skip();
	policy_publish(policy, policy_cgroup(policy, "one", 100), WAKES_UP, PRISM_CLASS_CRITICAL, 64);
	policy_publish(policy, policy_cgroup(policy, "two", 100), COMPUTES, PRISM_CLASS_BATCH, 64);
	policy_publish(policy, policy_cgroup(policy, "three", 100), OTHER, PRISM_CLASS_CRITICAL, 64);
	talker_start(policy, "one", &talker);
	pin_to(talker.pid, 0);
	pin_to(0, 1);
	hog_start(policy, "three", 0);
	for (int cpu = 1; cpu < policy->cpus; cpu++)
		hog_start(policy, "two", cpu);
	talker_wake(&talker);
	policy_stats(policy, &before);
	for (int i = 0; i < WAKES; i++)
		talker_wake(&talker);
	policy_stats(policy, &after);
	assert_int_equal(after.class[SCHED_CRITICAL].preemptions, before.class[SCHED_CRITICAL].preemptions);
	policy_in_force(policy);
	talker_end(&talker);
}

static void preemption_can_be_turned_off(void **state)
{
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 100), two = policy_cgroup(policy, "two", 100);
	struct talker talker;

	policy_publish(policy, one, WAKES_UP, PRISM_CLASS_CRITICAL, 64);
	policy_publish(policy, two, COMPUTES, PRISM_CLASS_BATCH, 64);
	talker_start(policy, "one", &talker);
	pin_to(talker.pid, 0);
	hog_start(policy, "two", 0);
	policy->config.flags = 0;
	policy_configure(policy);
	assert_int_equal(taken(policy, &talker), 0);
	policy->config.flags = SCHED_F_PREEMPT;
	policy_configure(policy);
	assert_true(taken(policy, &talker) >= WAKES / 2);
	policy_in_force(policy);
	talker_end(&talker);
}

/* CPU time of one to that of the other, of hogs on every CPU, n each, until it is what it should be: a machine whose
 * CPUs are held up by another one shows the shares only in a time in which they are not.
 */
static void assert_ratio(struct policy *policy, const char *one, const char *other, int n, double wanted)
{
	double r = 0;

	for (int i = 0; i < n; i++) {
		hog_start(policy, one, -1);
		hog_start(policy, other, -1);
	}
	for (int tries = 0; tries < 8; tries++) {
		uint64_t at = policy_row(policy, COMPUTES).run_ns, other_at = policy_row(policy, OTHER).run_ns;

		let_run(1500);
		at = policy_row(policy, COMPUTES).run_ns - at;
		other_at = policy_row(policy, OTHER).run_ns - other_at;
		r = other_at ? (double)at / (double)other_at : 0;
		if (tries && r > 0.85 * wanted && r < 1.15 * wanted)
			break;
	}
	hogs_end();
	if (r < 0.85 * wanted || r > 1.15 * wanted)
		fail_msg("%.2f : 1, not %.2f : 1", r, wanted);
}

static void weight_of_the_identity(void **state)
{
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 100), two = policy_cgroup(policy, "two", 100);

	policy_publish(policy, one, COMPUTES, PRISM_CLASS_NORMAL, 96);
	policy_publish(policy, two, OTHER, PRISM_CLASS_NORMAL, 32);
	assert_ratio(policy, "one", "two", 2 * policy->cpus, 3);
	policy_in_force(policy);
}

static void weight_of_the_cgroup(void **state)
{
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 300), two = policy_cgroup(policy, "two", 100);

	policy_publish(policy, one, COMPUTES, PRISM_CLASS_BATCH, 64);
	policy_publish(policy, two, OTHER, PRISM_CLASS_BATCH, 64);
	assert_ratio(policy, "one", "two", 2 * policy->cpus, 3);
	/* It counts for its siblings, so what is below one counts as much as what is below the other. */
	policy_publish(policy, policy_cgroup(policy, "one/a", 25), COMPUTES, PRISM_CLASS_BATCH, 64);
	policy_publish(policy, policy_cgroup(policy, "two/b", 10000), OTHER, PRISM_CLASS_BATCH, 64);
	assert_ratio(policy, "one/a", "two/b", 2 * policy->cpus, 3);
	policy_in_force(policy);
}

/* Three times as many tasks, and not more CPU time. */
static void tasks_buy_no_share(void **state)
{
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 100), two = policy_cgroup(policy, "two", 100);

	policy_publish(policy, one, COMPUTES, PRISM_CLASS_NORMAL, 64);
	policy_publish(policy, two, OTHER, PRISM_CLASS_NORMAL, 64);
	for (int i = 0; i < 4 * policy->cpus; i++)
		hog_start(policy, "one", -1);
	assert_ratio(policy, "one", "two", 2 * policy->cpus, 1);
	policy_in_force(policy);
}

/* Batch tasks, some of them with next to no weight, and critical ones that never sleep. The bound is wide: here it is
 * whether there is one, however slow the machine is; what it says is tested by test_bound.c.
 */
static void everybody_runs(void **state)
{
	struct policy *policy = *state;
	const char *paths[] = {"a", "b", "c", "d"};
	const uint32_t weights[] = {1, 8, 64, 127};
	struct sched_stats stats;

	policy->config.max_wait_ns = 1000000000;
	policy_configure(policy);
	policy_publish(policy, policy_cgroup(policy, "flood", 10000), FLOOD, PRISM_CLASS_CRITICAL, 127);
	policy_publish(policy, policy_cgroup(policy, "meek", 1), WAKES_UP, PRISM_CLASS_CRITICAL, 1);
	for (uint32_t i = 0; i < 4; i++)
		policy_publish(policy, policy_cgroup(policy, paths[i], 1), 310 + i, PRISM_CLASS_BATCH, weights[i]);
	for (int cpu = 0; cpu < policy->cpus; cpu++) {
		for (int i = 0; i < 4; i++)
			hog_start(policy, paths[i], -1);
		hog_start(policy, "flood", -1);
	}
	hog_start(policy, "meek", -1);
	let_run(5000);
	policy_stats(policy, &stats);
	for (uint32_t i = 0; i < 4; i++) {
		struct sched_row row = policy_row(policy, 310 + i);

		if (!row.run_ns || row.waits.violations)
			fail_msg("weight %u: ran %llu ns, longest wait %llu ns", weights[i], row.run_ns,
				 row.waits.longest_ns);
		/* Nobody waits for it unseen, either. */
		assert_true(policy_turns(policy, 310 + i) >= 4);
	}
	assert_true(policy_turns(policy, WAKES_UP) >= 4);
	assert_true(stats.class[SCHED_BATCH].grants > 0);
	assert_int_equal(stats.class[SCHED_CRITICAL].waits.violations, 0);
	policy_in_force(policy);
}

/* What wakes it up says that it is about to sleep, and goes on: the CPU is critical's all the same. */
static void a_lower_class_hands_nothing_over(void **state)
{
	struct policy *policy = *state;
	struct sched_stats stats;
	struct talker talker;
	int ready[2];
	char c;

	policy_publish(policy, policy_cgroup(policy, "one", 100), WAKES_UP, PRISM_CLASS_CRITICAL, 64);
	policy_publish(policy, policy_cgroup(policy, "two", 100), COMPUTES, PRISM_CLASS_BATCH, 64);
	for (int cpu = 1; cpu < policy->cpus; cpu++)
		hog_start(policy, "two", cpu);
	talker_start(policy, "one", &talker);
	assert_int_equal(pipe(ready), 0);
	if (!child_start(policy, "two")) {
		pin_to(0, 0);
		for (int i = 0; i < WAKES; i++)
			talker_wake(&talker); /* by a pipe: with the hint */
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	policy_stats(policy, &stats);
	assert_true(stats.class[SCHED_CRITICAL].preemptions >= WAKES / 2);
	close(ready[0]);
	close(ready[1]);
}

static int hear(void *arg, void *data, size_t size)
{
	assert_int_equal(size, sizeof(struct sched_event));
	*(struct sched_event *)arg = *(struct sched_event *)data;
	return 0;
}

static void says_why_it_ended(void **state)
{
	struct policy *policy = *state;
	struct sched_event event = {.type = ~0u};
	struct ring_buffer *ring;
	struct sched_exit record;
	__u32 zero = 0;

	ring = ring_buffer__new(bpf_map__fd(policy->skel->maps.sched_events), hear, &event, NULL);
	assert_non_null(ring);
	policy_leave(policy);
	assert_int_equal(ring_buffer__poll(ring, 10000), 1);
	ring_buffer__free(ring);
	assert_int_equal(event.type, SCHED_EVENT_EXIT);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(policy->skel->maps.sched_exit), &zero, &record), 0);
	assert_int_equal(record.kind, 64);
	assert_int_equal(event.kind, record.kind);
	assert_true(record.ktime_ns > 0);
	assert_non_null(strstr(record.reason, "unregistered"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_the_class_lets_it_preempt, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(no_cpu_that_it_may_not_use_is_interrupted, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(preemption_can_be_turned_off, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(a_lower_class_hands_nothing_over, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(weight_of_the_identity, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(weight_of_the_cgroup, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(tasks_buy_no_share, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(everybody_runs, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(says_why_it_ended, policy_up, policy_down),
	};

	world_require();
	scx_require();
	return cmocka_run_group_tests_name("sched_policy", tests, NULL, NULL);
}
