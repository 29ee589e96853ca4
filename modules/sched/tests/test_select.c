// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <prism/bus.h>

#include "select.h"

static uint32_t flags_of(uint32_t class)
{
	return PRISM_FLAGS_POLICY(class, 0);
}

static void test_nothing_matches_an_empty_one(void **state)
{
	struct select select = {0};

	(void)state;
	assert_true(select_empty(&select));
	assert_false(select_matches(&select, "shop/checkout", flags_of(PRISM_CLASS_UNSET)));
	select_done(&select);
}

static void test_names_are_patterns(void **state)
{
	struct select select = {0};

	(void)state;
	assert_int_equal(select_add(&select, "shop/*"), 0);
	assert_int_equal(select_add(&select, "db"), 0);
	assert_false(select_empty(&select));
	assert_true(select_matches(&select, "shop/checkout", 0));
	assert_true(select_matches(&select, "db", 0));
	assert_false(select_matches(&select, "shop", 0));
	assert_false(select_matches(&select, "a-shop/checkout", 0));
	assert_false(select_matches(&select, "db2", 0));
	select_done(&select);
	assert_true(select_empty(&select));
}

static void test_classes(void **state)
{
	struct select select = {0};

	(void)state;
	assert_int_equal(select_add(&select, "class:critical"), 0);
	assert_int_equal(select_add(&select, "class:unset"), 0);
	assert_true(select_matches(&select, "x", flags_of(PRISM_CLASS_CRITICAL)));
	assert_true(select_matches(&select, "x", flags_of(PRISM_CLASS_UNSET)));
	assert_false(select_matches(&select, "x", flags_of(PRISM_CLASS_NORMAL)));
	assert_false(select_matches(&select, "x", flags_of(PRISM_CLASS_BATCH)));
	select_done(&select);
}

static void test_what_is_no_selection(void **state)
{
	struct select select = {0};

	(void)state;
	assert_int_equal(select_add(&select, ""), -EINVAL);
	assert_int_equal(select_add(&select, "class:"), -EINVAL);
	assert_int_equal(select_add(&select, "class:urgent"), -EINVAL);
	assert_true(select_empty(&select));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_matches_an_empty_one),
		cmocka_unit_test(test_names_are_patterns),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_what_is_no_selection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
