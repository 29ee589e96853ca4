// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "args.h"

#define BYTES(text) text, sizeof(text)

static struct redact words(const char *a, const char *b)
{
	struct redact redact = {0};

	assert_int_equal(redact_add(&redact, a), 0);
	if (b)
		assert_int_equal(redact_add(&redact, b), 0);
	return redact;
}

static void test_plain(void **state)
{
	const struct redact none = {0};
	struct args args;

	(void)state;
	assert_int_equal(args_split(BYTES("ls\0-l\0\0/tmp"), 32, &none, &args), 0);
	assert_int_equal(args.n, 4);
	assert_string_equal(args.list[0], "ls");
	assert_string_equal(args.list[2], "");
	assert_string_equal(args.list[3], "/tmp");
	assert_false(args.cut);
	args_done(&args);
}

static void test_nothing(void **state)
{
	const struct redact none = {0};
	struct args args;

	(void)state;
	assert_int_equal(args_split("", 0, 32, &none, &args), 0);
	assert_int_equal(args.n, 0);
	args_done(&args);
}

static void test_too_many(void **state)
{
	const struct redact none = {0};
	struct args args;

	(void)state;
	assert_int_equal(args_split(BYTES("a\0b\0c"), 2, &none, &args), 0);
	assert_int_equal(args.n, 2);
	assert_true(args.cut);
	assert_string_equal(args.list[1], "b");
	args_done(&args);
	assert_int_equal(args_split(BYTES("a"), 0, &none, &args), 0);
	assert_int_equal(args.n, 0);
	assert_true(args.cut);
	args_done(&args);
}

/* The bytes may end within an argument. */
static void test_cut_in_the_middle(void **state)
{
	const struct redact none = {0};
	const char bytes[] = {'a', '\0', 'b', 'c'};
	struct args args;

	(void)state;
	assert_int_equal(args_split(bytes, sizeof(bytes), 32, &none, &args), 0);
	assert_int_equal(args.n, 2);
	assert_string_equal(args.list[1], "bc");
	args_done(&args);
}

static void test_redacted(void **state)
{
	struct redact redact = words("--password", "PGPASSWORD");
	struct args args;

	(void)state;
	assert_int_equal(args_split(BYTES("x\0--password\0hunter2\0--password=p=q\0PGPASSWORD=\0--passwords=1\0-p"), 32,
				    &redact, &args),
			 0);
	assert_int_equal(args.n, 7);
	assert_string_equal(args.list[1], "--password");
	assert_string_equal(args.list[2], "***");
	assert_string_equal(args.list[3], "--password=***");
	assert_string_equal(args.list[4], "PGPASSWORD=***");
	assert_string_equal(args.list[5], "--passwords=1");
	assert_string_equal(args.list[6], "-p");
	args_done(&args);
	redact_done(&redact);
}

/* A value that is itself a redacted word hides that one and nothing after it; the word may also come last. */
static void test_redacted_at_the_edges(void **state)
{
	struct redact redact = words("--token", NULL);
	struct args args;

	(void)state;
	assert_int_equal(args_split(BYTES("--token\0--token\0shown\0--token=\0--token"), 32, &redact, &args), 0);
	assert_int_equal(args.n, 5);
	assert_string_equal(args.list[1], "***");
	assert_string_equal(args.list[2], "shown");
	assert_string_equal(args.list[3], "--token=***");
	assert_string_equal(args.list[4], "--token");
	args_done(&args);
	redact_done(&redact);
}

/* As many short redacted values as there can be: the room for them is enough (the sanitizer says so otherwise). */
static void test_many_redacted(void **state)
{
	struct redact redact = words("t", NULL);
	char bytes[3 * 200];
	struct args args;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i += 3)
		memcpy(bytes + i, "t=", 3);
	assert_int_equal(args_split(bytes, sizeof(bytes), 1000, &redact, &args), 0);
	assert_int_equal(args.n, 200);
	assert_string_equal(args.list[199], "t=***");
	args_done(&args);
	redact_done(&redact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),         cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_too_many),      cmocka_unit_test(test_cut_in_the_middle),
		cmocka_unit_test(test_redacted),      cmocka_unit_test(test_redacted_at_the_edges),
		cmocka_unit_test(test_many_redacted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
