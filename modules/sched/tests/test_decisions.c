// SPDX-License-Identifier: Apache-2.0
/*
 * How soon a change is seen by a task that runs on and on because nobody else wants its CPU: at the next decision,
 * which is when its slice ends. Means something where time is the count of instructions (tests/vm/run --timing).
 */
#include "policy.h"

#include "scx.h"

#define FIRST 300
#define SECOND 301
#define FLIPS 20
#define SLICE_NS 10000000ull
#define TICK_NS 4000000ull /* when the kernel sees that a slice is over */

static void configure(struct policy *policy)
{
	for (int i = 0; i < SCHED_RANKS; i++)
		policy->config.slice_ns[i] = SLICE_NS;
	policy_configure(policy);
	pin_to(0, 0);
}

/*
 * A decision that is under way while the change is made may still be of before, and is charged in a moment. The one
 * after it comes when its slice is over: from then on nothing more goes to this identity.
 */
static void assert_no_longer(const struct policy *policy, uint32_t identity)
{
	uint64_t until_then, more;

	let_run((SLICE_NS + TICK_NS) / 1000000 + 1);
	until_then = policy_row(policy, identity).run_ns;
	let_run(200);
	more = policy_row(policy, identity).run_ns - until_then;
	if (more)
		fail_msg("one decision after the change %lu us more were %u's", more / 1000, identity);
}

static void relabelled(void **state)
{
	struct policy *policy = *state;
	uint64_t id = policy_cgroup(policy, "one", 100);

	configure(policy);
	policy_publish(policy, id, FIRST, PRISM_CLASS_CRITICAL, 64);
	hog_start(policy, "one", policy->cpus - 1);
	let_run(200);
	for (int i = 0; i < FLIPS; i++) {
		uint32_t before = i % 2 ? SECOND : FIRST, now = i % 2 ? FIRST : SECOND;

		policy_publish(policy, id, now, i % 2 ? PRISM_CLASS_CRITICAL : PRISM_CLASS_BATCH, 64);
		assert_no_longer(policy, before);
		assert_true(policy_row(policy, now).run_ns > 0);
	}
}

static void moved(void **state)
{
	struct policy *policy = *state;
	uint64_t pod = policy_cgroup(policy, "pod", 100);
	struct talker hog = {0};

	configure(policy);
	policy_publish(policy, pod, FIRST, PRISM_CLASS_NORMAL, 64);
	policy_publish(policy, world_cgroup(&policy->world, "pod/sidecar/c"), SECOND, PRISM_CLASS_BATCH, 64);
	world_cgroup(&policy->world, "pod/main/c");
	hog.pid = hog_start(policy, "pod/main/c", policy->cpus - 1);
	let_run(200);
	for (int i = 0; i < FLIPS; i++) {
		uint32_t before = i % 2 ? SECOND : FIRST, now = i % 2 ? FIRST : SECOND;

		talker_move(policy, &hog, i % 2 ? "pod/main/c" : "pod/sidecar/c");
		assert_no_longer(policy, before);
		assert_true(policy_row(policy, now).run_ns > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(relabelled, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(moved, policy_up, policy_down),
	};

	world_require();
	scx_require();
	return cmocka_run_group_tests_name("sched_decisions", tests, NULL, NULL);
}
