// SPDX-License-Identifier: Apache-2.0
/*
 * Everything at once, for as many seconds as the argument says: the kernel has no reason to eject the scheduler, and
 * nobody stops getting on. The kernel's own warnings are the guest's business (tests/vm).
 */
#include "stress.h"

#include <stdlib.h>
#include <time.h>

#include "scx.h"

#define LOOK_MS 200
#define SILENCE 150 /* looks in which each kind must get on: 30 s, on a machine that others hold up */

static int seconds = 15;
static struct stress *running;

static void goes_on(struct stress *stress, uint64_t seen[STRESS_KINDS], int silent[STRESS_KINDS])
{
	for (int i = 0; i < STRESS_KINDS; i++) {
		silent[i] = stress->turns[i] == seen[i] ? silent[i] + 1 : 0;
		seen[i] = stress->turns[i];
		if (stress->pids[i] && silent[i] > SILENCE)
			fail_msg("%s has stopped after %lu turns", stress_names[i], seen[i]);
	}
}

static void report(const struct policy *policy, const struct stress *stress)
{
	struct sched_stats stats;

	policy_stats(policy, &stats);
	for (int i = 0; i < STRESS_KINDS; i++)
		print_message("%-20s %lu turns\n", stress_names[i], stress->turns[i]);
	print_message("switches to a task that could not be moved: %lu\n", stress->stayed);
	for (int i = 0; i < SCHED_RANKS; i++)
		print_message("class %d: longest wait %llu ms, %llu above the bound of the moment\n", i,
			      stats.class[i].waits.longest_ns / 1000000, stats.class[i].waits.violations);
	print_message("unplaced: %llu\n", stats.unplaced);
}

static int stop(void **state)
{
	(void)state;
	if (running)
		stress_stop(running);
	running = NULL;
	return 0;
}

static int down(void **state)
{
	stop(state);
	return policy_down(state);
}

static void everything_at_once(void **state)
{
	struct policy *policy = *state;
	struct stress *stress = running = stress_start(policy);
	uint64_t seen[STRESS_KINDS] = {0};
	int silent[STRESS_KINDS] = {0};
	time_t end = time(NULL) + seconds;

	while (time(NULL) < end) {
		let_run(LOOK_MS);
		policy_in_force(policy);
		stress_going(stress);
		goes_on(stress, seen, silent);
	}
	report(policy, stress);
	for (int i = 0; i < STRESS_KINDS; i++)
		assert_true(!stress->pids[i] || stress->turns[i] > 0);
	/* Otherwise nothing was shown of such tasks. */
	assert_true(stress->stayed > 0);
	stop(state);
	policy_in_force(policy);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_at_once, policy_up, down),
	};

	if (argc > 1)
		seconds = atoi(argv[1]);
	world_require();
	scx_require();
	return cmocka_run_group_tests_name("sched_stress", tests, NULL, NULL);
}
