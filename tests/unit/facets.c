/* SPDX-License-Identifier: Apache-2.0 */
/* The facet registry: bits, conflicts, memory across restarts, hostile state files. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/facets.h"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/prism-test-%d-XXXXXX", (int)getpid());
	return mkdtemp(dir) ? 0 : -1;
}

static const char *in_dir(const char *name)
{
	static char path[2][128];
	static unsigned int next;
	char *p = path[next++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static int drop_dir(void **state)
{
	(void)state;
	unlink(in_dir("facets"));
	unlink(in_dir("facets.damaged"));
	return rmdir(dir);
}

static struct facets *open_registry(void)
{
	struct facets *f = NULL;
	struct error e = {};

	if (facets_new(dir, &f, &e))
		fail_msg("%s: %s", e.where, e.text);
	return f;
}

static int claim(struct facets *f, const char *name, const char *owner)
{
	struct error e = {};
	int bit = -1, r = facets_claim(f, name, owner, &bit, &e);

	assert_int_equal(r, -e.code);
	return r ? r : bit;
}

static void test_bits(void **state)
{
	/* As the bus's ABI has them: four that are fixed, 4..7, then 18..30. */
	static const int expected[] = {4, 5, 6, 7, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30};
	struct facets *f = open_registry();
	char name[16];

	(void)state;
	assert_int_equal(claim(f, "net", "net"), 0);
	assert_int_equal(claim(f, "sched", "sched"), 1);
	assert_int_equal(claim(f, "trace", "trace"), 2);
	assert_int_equal(claim(f, "lsm", "lsm"), 3);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		snprintf(name, sizeof(name), "f%zu", i);
		assert_int_equal(claim(f, name, name), expected[i]);
	}
	assert_int_equal(claim(f, "one-more", "one-more"), -ENOSPC);
	facets_free(f);
}

static void test_conflict_names_both(void **state)
{
	struct facets *f = open_registry();
	struct error e = {};
	int bit = -1;

	(void)state;
	assert_int_equal(claim(f, "acct", "first"), 4);
	assert_int_equal(claim(f, "acct", "first"), 4);
	assert_int_equal(facets_claim(f, "acct", "second", &bit, &e), -EEXIST);
	assert_int_equal(bit, -1);
	assert_string_equal(e.text,
			    "facet \"acct\" belongs to module first, module second cannot have it too: disable one "
			    "of them");
	facets_release(f, "first");
	assert_int_equal(claim(f, "acct", "second"), 4);
	assert_string_equal(facets_owner(f, 4), "second");
	facets_free(f);
}

static void test_remembered(void **state)
{
	struct facets *f = open_registry();

	(void)state;
	assert_int_equal(claim(f, "one", "m1"), 4);
	assert_int_equal(claim(f, "two", "m2"), 5);
	facets_free(f);
	f = open_registry();
	assert_string_equal(facets_name(f, 5), "two");
	assert_string_equal(facets_owner(f, 5), "");
	/* In the other order, and a third between them: the bits stay. */
	assert_int_equal(claim(f, "two", "m2"), 5);
	assert_int_equal(claim(f, "three", "m3"), 6);
	assert_int_equal(claim(f, "one", "m1"), 4);
	facets_free(f);
}

static void test_hostile_names(void **state)
{
	static const char *const bad[] = {"", "Net", "a b", "../x", "1st", "a\nb", "abcdefghijklmnopqrstuvwxyzabcdef"};
	struct facets *f = open_registry();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(claim(f, bad[i], "m"), -EINVAL);
	assert_int_equal(access(in_dir("facets"), F_OK), -1);
	facets_free(f);
}

static void test_damaged(void **state)
{
	static const char *const damaged[] = {
		"4 one\n4 two\n", "4 one\n5 one\n",  "0 mine\n", "8 classbit\n", "17 weight\n",
		"31 sign\n",      "-1 x\n",          "4\n",      "4 one two\n",  "four one\n",
		"4 Net\n",        "99999999999 x\n", "5 net\n",
	};
	struct error e = {};

	(void)state;
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		struct facets *f;

		assert_int_equal(file_write_atomic(in_dir("facets"), damaged[i], strlen(damaged[i]), 0644, &e), 0);
		f = open_registry();
		if (access(in_dir("facets.damaged"), F_OK))
			fail_msg("taken: %s", damaged[i]);
		assert_int_equal(claim(f, "one", "m"), 4);
		facets_free(f);
		unlink(in_dir("facets.damaged"));
	}
}

static void test_nul_and_size(void **state)
{
	static char big[8192];
	struct error e = {};

	(void)state;
	assert_int_equal(file_write_atomic(in_dir("facets"), "4 one\0five", 10, 0644, &e), 0);
	facets_free(open_registry());
	assert_int_equal(access(in_dir("facets.damaged"), F_OK), 0);
	unlink(in_dir("facets.damaged"));
	memset(big, '\n', sizeof(big));
	assert_int_equal(file_write_atomic(in_dir("facets"), big, sizeof(big), 0644, &e), 0);
	facets_free(open_registry());
	assert_int_equal(access(in_dir("facets.damaged"), F_OK), 0);
}

/* A name that cannot be remembered is not given: after a restart its bit could be another one's. */
static void test_unwritable(void **state)
{
	struct facets *f = open_registry();

	(void)state;
	assert_int_equal(mkdir(in_dir("facets"), 0700), 0);
	assert_true(claim(f, "one", "m") < 0);
	assert_null(facets_name(f, 4));
	assert_int_equal(rmdir(in_dir("facets")), 0);
	assert_int_equal(claim(f, "one", "m"), 4);
	facets_free(f);
}

static void test_format(void **state)
{
	struct facets *f = open_registry();
	char buf[64], tiny[6];

	(void)state;
	assert_int_equal(claim(f, "acct", "m"), 4);
	assert_string_equal(facets_format(f, 0x80000000u | 3u << 8, buf, sizeof(buf)), "");
	assert_string_equal(facets_format(f, 1 | 4 | 16 | 32, buf, sizeof(buf)), "net,trace,acct,5");
	assert_string_equal(facets_format(f, 1 | 4 | 16, tiny, sizeof(tiny)), "net,t");
	facets_free(f);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, make_dir, drop_dir)
	const struct CMUnitTest tests[] = {
		TEST(test_bits),    TEST(test_conflict_names_both), TEST(test_remembered), TEST(test_hostile_names),
		TEST(test_damaged), TEST(test_nul_and_size),        TEST(test_unwritable), TEST(test_format),
	};

	log_setup((enum log_level)0, LOG_FORMAT_PLAIN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
