// SPDX-License-Identifier: Apache-2.0
/* A task is treated by the identity that it has now: at its next turn, whatever changed before. */
#include "policy.h"

#include <bpf/bpf.h>

#include "sched.skel.h"
#include "scx.h"

#define FIRST 300
#define SECOND 301
#define THIRD 302

/* The next turn is the new owner's, and not the old one's. */
static void assert_next_turn(struct policy *policy, struct talker *talker, uint32_t before, uint32_t now, __u32 rank)
{
	uint64_t before_had = policy_turns(policy, before), now_had = policy_turns(policy, now);

	talker_wake(talker);
	assert_true(policy_turns(policy, now) > now_had);
	assert_int_equal(policy_turns(policy, before), before_had);
	assert_int_equal(policy_row(policy, now).rank, rank);
}

static void container_below_its_workload(void **state)
{
	struct policy *policy = *state;
	uint64_t pod = policy_cgroup(policy, "pod", 100);
	struct talker talker;

	policy_publish(policy, pod, FIRST, PRISM_CLASS_CRITICAL, 100);
	world_cgroup(&policy->world, "pod/a/b/container");
	talker_start(policy, "pod/a/b/container", &talker);
	assert_next_turn(policy, &talker, SECOND, FIRST, SCHED_CRITICAL);
	assert_int_equal(policy_row(policy, FIRST).weight, 100);
	assert_true(policy_row(policy, FIRST).run_ns > 0);
	talker_end(&talker);
}

static void moved(void **state)
{
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 100), two = policy_cgroup(policy, "two", 100);
	struct talker talker;

	policy_publish(policy, one, FIRST, PRISM_CLASS_BATCH, 64);
	policy_publish(policy, two, SECOND, PRISM_CLASS_CRITICAL, 64);
	talker_start(policy, "one", &talker);
	assert_next_turn(policy, &talker, SECOND, FIRST, SCHED_BATCH);
	talker_move(policy, &talker, "two");
	assert_next_turn(policy, &talker, FIRST, SECOND, SCHED_CRITICAL);
	talker_move(policy, &talker, "one");
	assert_next_turn(policy, &talker, SECOND, FIRST, SCHED_BATCH);
	talker_end(&talker);
}

static void relabelled(void **state)
{
	struct policy *policy = *state;
	uint64_t id = policy_cgroup(policy, "one", 100);
	struct talker talker;

	policy_publish(policy, id, FIRST, PRISM_CLASS_BATCH, 64);
	talker_start(policy, "one", &talker);
	assert_next_turn(policy, &talker, SECOND, FIRST, SCHED_BATCH);
	policy_publish(policy, id, SECOND, PRISM_CLASS_CRITICAL, 64);
	assert_next_turn(policy, &talker, FIRST, SECOND, SCHED_CRITICAL);
	/* The same number, another class. */
	policy_publish(policy, id, SECOND, PRISM_CLASS_BATCH, 1);
	assert_next_turn(policy, &talker, FIRST, SECOND, SCHED_BATCH);
	assert_int_equal(policy_row(policy, SECOND).weight, 1);
	talker_end(&talker);
}

static void forked_before_it_was_known(void **state)
{
	struct policy *policy = *state;
	uint64_t id = policy_cgroup(policy, "one", 100);
	struct talker talker;

	talker_start(policy, "one", &talker);
	talker_wake(&talker);
	assert_int_equal(policy_turns(policy, FIRST), 0);
	policy_publish(policy, id, FIRST, PRISM_CLASS_CRITICAL, 64);
	assert_next_turn(policy, &talker, SECOND, FIRST, SCHED_CRITICAL);
	world_withdraw(&policy->world, id);
	world_next_generation(&policy->world);
	assert_next_turn(policy, &talker, FIRST, PRISM_ID_UNMANAGED, SCHED_NORMAL);
	talker_end(&talker);
}

/* ---- tasks that never sleep -------------------------------------------------------------------------------------- */

#define DECISIONS_MS 200 /* in which there are many, also on a machine that others hold up */
#define PATIENCE 50

/* From some moment on all of its time is the new owner's: waits for that, and fails when it never comes. */
static void assert_runs_as(struct policy *policy, uint32_t now, uint32_t before, __u32 rank)
{
	uint64_t ran = 0, others = 1;

	for (int i = 0; i < PATIENCE && (!ran || others || policy_row(policy, now).rank != rank); i++) {
		ran = policy_row(policy, now).run_ns;
		others = policy_row(policy, before).run_ns;
		let_run(DECISIONS_MS);
		ran = policy_row(policy, now).run_ns - ran;
		others = policy_row(policy, before).run_ns - others;
	}
	if (!ran || others || policy_row(policy, now).rank != rank)
		fail_msg("%u ran for %lu ns, %u, which it is no longer, for %lu ns; rank %u, not %u", now, ran, before,
			 others, policy_row(policy, now).rank, rank);
}

/* Nobody wants its CPU, so it never waits. */
static void relabelled_while_it_runs(void **state)
{
	struct policy *policy = *state;
	uint64_t id = policy_cgroup(policy, "one", 100);

	policy_publish(policy, id, FIRST, PRISM_CLASS_CRITICAL, 64);
	hog_start(policy, "one", policy->cpus - 1);
	assert_runs_as(policy, FIRST, PRISM_ID_UNKNOWN, SCHED_CRITICAL);
	policy_publish(policy, id, SECOND, PRISM_CLASS_BATCH, 64);
	assert_runs_as(policy, SECOND, FIRST, SCHED_BATCH);
	policy_publish(policy, id, SECOND, PRISM_CLASS_NORMAL, 64);
	assert_runs_as(policy, SECOND, FIRST, SCHED_NORMAL);
}

/* One that is relabelled loses the CPU to what is now of an earlier class. */
static void relabelled_among_others(void **state)
{
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 100), two = policy_cgroup(policy, "two", 100);

	policy_publish(policy, one, FIRST, PRISM_CLASS_CRITICAL, 64);
	policy_publish(policy, two, THIRD, PRISM_CLASS_NORMAL, 64);
	hog_start(policy, "one", 0);
	hog_start(policy, "two", 0);
	assert_runs_as(policy, FIRST, SECOND, SCHED_CRITICAL);
	policy_publish(policy, one, SECOND, PRISM_CLASS_BATCH, 64);
	assert_runs_as(policy, SECOND, FIRST, SCHED_BATCH);
	assert_int_equal(policy_row(policy, THIRD).rank, SCHED_NORMAL);
}

static void moved_while_it_runs(void **state)
{
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 100), two = policy_cgroup(policy, "two", 100);
	struct talker hog = {0};

	policy_publish(policy, one, FIRST, PRISM_CLASS_BATCH, 64);
	policy_publish(policy, two, SECOND, PRISM_CLASS_CRITICAL, 64);
	world_cgroup(&policy->world, "one/below");
	world_cgroup(&policy->world, "two/below/container");
	hog.pid = hog_start(policy, "one", policy->cpus - 1);
	assert_runs_as(policy, FIRST, SECOND, SCHED_BATCH);
	talker_move(policy, &hog, "two/below/container");
	assert_runs_as(policy, SECOND, FIRST, SCHED_CRITICAL);
	talker_move(policy, &hog, "one/below");
	assert_runs_as(policy, FIRST, SECOND, SCHED_BATCH);
}

/* Below a cpu controller that is not turned on for it: the kernel's scheduler class does not hear of the move. */
static void a_move_that_the_kernel_does_not_tell_of(void **state)
{
	struct policy *policy = *state;
	uint64_t pod = policy_cgroup(policy, "pod", 100);
	struct talker talker, hog = {0};

	policy_publish(policy, pod, FIRST, PRISM_CLASS_NORMAL, 64);
	policy_publish(policy, world_cgroup(&policy->world, "pod/sidecar/c"), SECOND, PRISM_CLASS_BATCH, 64);
	world_cgroup(&policy->world, "pod/main/c");
	talker_start(policy, "pod/main/c", &talker);
	assert_next_turn(policy, &talker, SECOND, FIRST, SCHED_NORMAL);
	talker_move(policy, &talker, "pod/sidecar/c");
	assert_next_turn(policy, &talker, FIRST, SECOND, SCHED_BATCH);
	talker_end(&talker);
	hog.pid = hog_start(policy, "pod/main/c", policy->cpus - 1);
	assert_runs_as(policy, FIRST, SECOND, SCHED_NORMAL);
	talker_move(policy, &hog, "pod/sidecar/c");
	assert_runs_as(policy, SECOND, FIRST, SCHED_BATCH);
}

/* A new number for each of several, the same turn for each: what one task remembers is not another's. */
static void children_of_a_relabelled_one(void **state)
{
	struct policy *policy = *state;
	uint64_t id = policy_cgroup(policy, "one", 100);
	struct talker first, second;

	policy_publish(policy, id, FIRST, PRISM_CLASS_CRITICAL, 64);
	talker_start(policy, "one", &first);
	policy_publish(policy, id, SECOND, PRISM_CLASS_BATCH, 64);
	talker_start(policy, "one", &second);
	assert_next_turn(policy, &second, FIRST, SECOND, SCHED_BATCH);
	assert_next_turn(policy, &first, FIRST, SECOND, SCHED_BATCH);
	talker_end(&first);
	talker_end(&second);
}

/* ---- the bus and its rows ---------------------------------------------------------------------------------------- */

static void nobody_keeps_the_bus(void **state)
{
	struct policy *policy = *state;
	uint64_t id = policy_cgroup(policy, "one", 100);
	struct talker talker;

	policy_publish(policy, id, FIRST, PRISM_CLASS_CRITICAL, 64);
	policy->world.meta.stale_jiffies = 1;
	world_next_generation(&policy->world);
	talker_start(policy, "one", &talker);
	assert_next_turn(policy, &talker, SECOND, FIRST, SCHED_CRITICAL);
	talker_end(&talker);
}

/* A row that user space has given back is somebody else's, and the first owner gets another one. */
static void rows_are_given_back(void **state)
{
	struct policy *policy = *state;
	uint64_t one = policy_cgroup(policy, "one", 100), two = policy_cgroup(policy, "two", 100);
	const struct sched_row none = {0};
	struct talker first, second;
	__u32 identity = FIRST, index, again;

	policy_publish(policy, one, FIRST, PRISM_CLASS_NORMAL, 64);
	talker_start(policy, "one", &first);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(policy->skel->maps.sched_row_index), &identity, &index), 0);
	assert_int_not_equal(index, 0);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(policy->skel->maps.sched_row_index), &identity), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(policy->skel->maps.sched_rows), &index, &none, 0), 0);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(policy->skel->maps.sched_free_rows), NULL, &index, 0), 0);
	policy_publish(policy, two, SECOND, PRISM_CLASS_NORMAL, 64);
	talker_start(policy, "two", &second);
	assert_next_turn(policy, &second, PRISM_ID_UNKNOWN, SECOND, SCHED_NORMAL);
	assert_next_turn(policy, &first, PRISM_ID_UNKNOWN, FIRST, SCHED_NORMAL);
	identity = FIRST;
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(policy->skel->maps.sched_row_index), &identity, &index), 0);
	identity = SECOND;
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(policy->skel->maps.sched_row_index), &identity, &again), 0);
	assert_int_not_equal(index, again);
	talker_end(&first);
	talker_end(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(container_below_its_workload, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(moved, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(relabelled, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(forked_before_it_was_known, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(children_of_a_relabelled_one, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(relabelled_while_it_runs, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(relabelled_among_others, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(moved_while_it_runs, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(a_move_that_the_kernel_does_not_tell_of, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(nobody_keeps_the_bus, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(rows_are_given_back, policy_up, policy_down),
	};

	world_require();
	scx_require();
	return cmocka_run_group_tests_name("sched_identity", tests, NULL, NULL);
}
