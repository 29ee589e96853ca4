// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recovery.h"

#define SECOND 1000000000ull
#define MINUTE (60 * SECOND)

static const struct recovery_limits limits = {.tries = 3, .window_ns = 10 * MINUTE, .delay_ns = 5 * SECOND};

static uint64_t again(struct recovery *recovery, enum recovery_cause cause, uint64_t now)
{
	uint64_t delay = UINT64_MAX;

	assert_int_equal(recovery_next(recovery, &limits, cause, now, &delay), RECOVERY_AGAIN);
	return delay;
}

static enum recovery_step step(struct recovery *recovery, const struct recovery_limits *with, enum recovery_cause cause,
			       uint64_t now)
{
	uint64_t delay = UINT64_MAX;
	enum recovery_step step = recovery_next(recovery, with, cause, now, &delay);

	assert_true(step == RECOVERY_AGAIN || delay == 0);
	return step;
}

static void test_each_fault_waits_twice_as_long(void **state)
{
	struct recovery recovery = {0};

	(void)state;
	assert_int_equal(again(&recovery, RECOVERY_FAULT, 1 * MINUTE), 5 * SECOND);
	assert_int_equal(again(&recovery, RECOVERY_FAULT, 2 * MINUTE), 10 * SECOND);
	assert_int_equal(again(&recovery, RECOVERY_FAULT, 3 * MINUTE), 20 * SECOND);
	assert_int_equal(step(&recovery, &limits, RECOVERY_FAULT, 4 * MINUTE), RECOVERY_GIVEN_UP);
}

static void test_a_fault_counts_for_the_window_alone(void **state)
{
	struct recovery recovery = {0};

	(void)state;
	again(&recovery, RECOVERY_FAULT, 1 * MINUTE);
	again(&recovery, RECOVERY_FAULT, 2 * MINUTE);
	again(&recovery, RECOVERY_FAULT, 3 * MINUTE);
	assert_int_equal(step(&recovery, &limits, RECOVERY_FAULT, 11 * MINUTE - 1), RECOVERY_GIVEN_UP);
	/* The first one is forgotten, two are left. */
	assert_int_equal(again(&recovery, RECOVERY_FAULT, 11 * MINUTE), 20 * SECOND);
	assert_int_equal(step(&recovery, &limits, RECOVERY_FAULT, 11 * MINUTE + 1), RECOVERY_GIVEN_UP);
	assert_int_equal(again(&recovery, RECOVERY_FAULT, 60 * MINUTE), 5 * SECOND);
}

static void test_no_tries_means_never(void **state)
{
	const struct recovery_limits none = {.tries = 0, .window_ns = MINUTE, .delay_ns = SECOND};
	struct recovery recovery = {0};

	(void)state;
	assert_int_equal(step(&recovery, &none, RECOVERY_FAULT, MINUTE), RECOVERY_GIVEN_UP);
	assert_int_equal(step(&recovery, &none, RECOVERY_RESTART, MINUTE), RECOVERY_AGAIN);
}

static void test_the_wait_ends_with_the_window(void **state)
{
	const struct recovery_limits many = {.tries = RECOVERY_TRIES_MAX, .window_ns = MINUTE, .delay_ns = SECOND};
	struct recovery recovery = {0};
	uint64_t delay = 0;

	(void)state;
	for (uint32_t i = 0; i < RECOVERY_TRIES_MAX; i++) {
		assert_int_equal(recovery_next(&recovery, &many, RECOVERY_FAULT, MINUTE + i, &delay), RECOVERY_AGAIN);
		assert_true(delay <= MINUTE);
	}
	assert_int_equal(delay, MINUTE);
	assert_int_equal(step(&recovery, &many, RECOVERY_FAULT, MINUTE + RECOVERY_TRIES_MAX), RECOVERY_GIVEN_UP);
}

static void test_a_restart_is_at_once_but_not_in_a_loop(void **state)
{
	struct recovery recovery = {0};

	(void)state;
	assert_int_equal(again(&recovery, RECOVERY_RESTART, MINUTE), 0);
	assert_int_equal(again(&recovery, RECOVERY_RESTART, MINUTE + 1), SECOND - 1);
	/* Counted from when that one was due. */
	assert_int_equal(again(&recovery, RECOVERY_RESTART, MINUTE + SECOND), SECOND);
	assert_int_equal(again(&recovery, RECOVERY_RESTART, 2 * MINUTE), 0);
}

static void test_restarts_use_no_tries(void **state)
{
	struct recovery recovery = {0};

	(void)state;
	for (uint64_t i = 1; i < 100; i++)
		again(&recovery, RECOVERY_RESTART, i * 2 * SECOND);
	assert_int_equal(again(&recovery, RECOVERY_FAULT, 5 * MINUTE), 5 * SECOND);
}

static void test_what_an_operator_does_is_left_alone(void **state)
{
	struct recovery recovery = {0};

	(void)state;
	assert_int_equal(step(&recovery, &limits, RECOVERY_OPERATOR, MINUTE), RECOVERY_LEFT_ALONE);
	assert_int_equal(again(&recovery, RECOVERY_FAULT, 2 * MINUTE), 5 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_fault_waits_twice_as_long),
		cmocka_unit_test(test_a_fault_counts_for_the_window_alone),
		cmocka_unit_test(test_no_tries_means_never),
		cmocka_unit_test(test_the_wait_ends_with_the_window),
		cmocka_unit_test(test_a_restart_is_at_once_but_not_in_a_loop),
		cmocka_unit_test(test_restarts_use_no_tries),
		cmocka_unit_test(test_what_an_operator_does_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
