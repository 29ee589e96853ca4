/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables: scalars, ranges, what is said of each mistake, tables of another size, unsound tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <prism/node.h>

#include "base/util.h"
#include "config/option.h"
#include "config/scalar.h"

#define US 1000ll
#define MS (1000 * US)
#define SEC (1000 * MS)

static const char *const modes[] = {"allow", "audit", "block", NULL};

/* clang-format off */
enum { BOOL, INT, SIZE, DURATION, ENUM, STRING, LIST, NODE, FREE };
static const struct prism_option table[] = {
	[BOOL] = {.name = "bool", .kind = PRISM_OPTION_BOOL, .fallback = "true", .help = "h"},
	[INT] = {.name = "int", .kind = PRISM_OPTION_INT, .min = -5, .max = 10, .fallback = "7", .help = "h"},
	[SIZE] = {.name = "size", .kind = PRISM_OPTION_SIZE, .min = 4096, .max = 1 << 30, .fallback = "64KiB", .help = "h"},
	[DURATION] = {.name = "duration", .kind = PRISM_OPTION_DURATION, .min = 250 * US, .max = 3600 * SEC,
		      .fallback = "10ms", .help = "h"},
	[ENUM] = {.name = "mode", .kind = PRISM_OPTION_ENUM, .choices = modes, .fallback = "audit", .help = "h"},
	[STRING] = {.name = "string", .kind = PRISM_OPTION_STRING, .min = 2, .max = 5, .help = "h"},
	[LIST] = {.name = "list", .kind = PRISM_OPTION_LIST, .fallback = "[a, 'b c']", .help = "h"},
	[NODE] = {.name = "node", .kind = PRISM_OPTION_NODE, .help = "h"},
	[FREE] = {.name = "free_int", .kind = PRISM_OPTION_INT, .help = "h"},
};
/* clang-format on */

struct fixture {
	struct tree *tree;
	struct problems p;
	struct prism_config *config;
	int r;
};

static void check(struct fixture *f, const struct prism_option *options, uint32_t n, const char *yaml)
{
	struct prism_node *root = NULL;

	memset(f, 0, sizeof(*f));
	f->tree = tree_new();
	if (yaml) {
		tree_parse_text(f->tree, "prismd.yaml", yaml, strlen(yaml), &root, &f->p);
		assert_int_equal(f->p.n, 0);
	}
	f->r = option_check(options, n, sizeof(*options), root, &f->config, &f->p);
}

static void done(struct fixture *f)
{
	option_config_free(f->config);
	problems_done(&f->p);
	tree_free(f->tree);
}

static void test_scalars(void **state)
{
	static const struct {
		int (*parse)(const char *s, int64_t *ret);
		const char *text;
		int r;
		int64_t value;
	} cases[] = {
		{scalar_bool, "true", 0, 1},
		{scalar_bool, "False", 0, 0},
		{scalar_bool, "yes", -EINVAL, 0},
		{scalar_bool, "", -EINVAL, 0},
		{scalar_int, "0", 0, 0},
		{scalar_int, "-12", 0, -12},
		{scalar_int, "+3", 0, 3},
		{scalar_int, "0x1F", 0, 31},
		{scalar_int, "-0x10", 0, -16},
		{scalar_int, "9223372036854775807", 0, INT64_MAX},
		{scalar_int, "9223372036854775808", -ERANGE, 0},
		{scalar_int, "99999999999999999999999", -ERANGE, 0},
		{scalar_int, "99999999999999999999999x", -EINVAL, 0},
		{scalar_int, "010", -EINVAL, 0},
		{scalar_int, "0x", -EINVAL, 0},
		{scalar_int, "", -EINVAL, 0},
		{scalar_int, "-", -EINVAL, 0},
		{scalar_int, "1.5", -EINVAL, 0},
		{scalar_int, " 1", -EINVAL, 0},
		{scalar_size, "4096", 0, 4096},
		{scalar_size, "64KiB", 0, 65536},
		{scalar_size, "1.5MiB", 0, 3 << 19},
		{scalar_size, "7B", 0, 7},
		{scalar_size, "1TiB", 0, 1ll << 40},
		{scalar_size, "8388608TiB", -ERANGE, 0},
		{scalar_size, "64KB", -EINVAL, 0},
		{scalar_size, "64 KiB", -EINVAL, 0},
		{scalar_size, "-1", -EINVAL, 0},
		{scalar_size, "1.B", -EINVAL, 0},
		{scalar_size, "0.3B", -EINVAL, 0},
		{scalar_duration, "0", 0, 0},
		{scalar_duration, "250us", 0, 250 * US},
		{scalar_duration, "1.5s", 0, 1500 * MS},
		{scalar_duration, "0.000000001s", 0, 1},
		{scalar_duration, "1.5ns", -EINVAL, 0},
		{scalar_duration, "2m", 0, 120 * SEC},
		{scalar_duration, "1h", 0, 3600 * SEC},
		{scalar_duration, "7d", 0, 7 * 86400 * SEC},
		{scalar_duration, "106752d", -ERANGE, 0},
		{scalar_duration, "10", -EINVAL, 0},
		{scalar_duration, "s", -EINVAL, 0},
		{scalar_duration, "1e3s", -EINVAL, 0},
		{scalar_duration, "1.0000000001s", -EINVAL, 0},
		{scalar_duration, "10 s", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t value = 0;

		if (cases[i].parse(cases[i].text, &value) != cases[i].r || value != cases[i].value)
			fail_msg("\"%s\" gives %lld", cases[i].text, (long long)value);
	}
}

static void test_formats(void **state)
{
	char buf[32];

	(void)state;
	assert_string_equal(scalar_format_size(0, buf, sizeof(buf)), "0");
	assert_string_equal(scalar_format_size(100, buf, sizeof(buf)), "100");
	assert_string_equal(scalar_format_size(65536, buf, sizeof(buf)), "64KiB");
	assert_string_equal(scalar_format_size(1 << 30, buf, sizeof(buf)), "1GiB");
	assert_string_equal(scalar_format_duration(0, buf, sizeof(buf)), "0s");
	assert_string_equal(scalar_format_duration(250 * US, buf, sizeof(buf)), "250us");
	assert_string_equal(scalar_format_duration(90 * SEC, buf, sizeof(buf)), "90s");
	assert_string_equal(scalar_format_duration(600 * SEC, buf, sizeof(buf)), "10m");
}

static void test_values(void **state)
{
	struct fixture f;
	const struct option_value *v;

	(void)state;
	check(&f, table, ARRAY_SIZE(table),
	      "bool: false\nint: -5\nsize: '1MiB'\nduration: 1.5s\nmode: block\nstring: abcde\nlist: [x]\n"
	      "node: {any: [thing]}\nfree_int: -9223372036854775807\n");
	assert_int_equal(f.r, 0);
	v = f.config->values;
	assert_int_equal(v[BOOL].number, 0);
	assert_int_equal(v[INT].number, -5);
	assert_int_equal(v[SIZE].number, 1 << 20);
	assert_int_equal(v[DURATION].number, 1500 * MS);
	assert_string_equal(v[DURATION].text, "1.5s");
	assert_int_equal(v[ENUM].number, 2);
	assert_string_equal(v[STRING].text, "abcde");
	assert_int_equal(v[LIST].node->n_child, 1);
	assert_null(v[LIST].text);
	assert_int_equal(v[NODE].node->kind, PRISM_NODE_MAP);
	assert_int_equal(v[FREE].number, -INT64_MAX);
	assert_int_equal(v[INT].node->line, 2);
	done(&f);
}

static void assert_defaults(const char *yaml)
{
	struct fixture f;
	const struct option_value *v;

	check(&f, table, ARRAY_SIZE(table), yaml);
	assert_int_equal(f.r, 0);
	v = f.config->values;
	assert_int_equal(v[BOOL].number, 1);
	assert_null(v[BOOL].node);
	assert_string_equal(v[BOOL].text, "true");
	assert_int_equal(v[INT].number, 7);
	assert_int_equal(v[SIZE].number, 65536);
	assert_int_equal(v[DURATION].number, 10 * MS);
	assert_int_equal(v[ENUM].number, 1);
	assert_string_equal(v[ENUM].text, "audit");
	assert_null(v[STRING].text);
	assert_null(v[STRING].node);
	assert_int_equal(v[LIST].node->n_child, 2);
	assert_int_equal(v[LIST].node->line, 0);
	assert_string_equal(v[LIST].node->child[1]->text, "b c");
	assert_null(v[NODE].node);
	done(&f);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_defaults(NULL);
	assert_defaults("");
	assert_defaults("bool:\nint: ~\nmode: null\nlist:\n");
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *yaml, *message;
	} cases[] = {
		{"bool: yes", "prismd.yaml:1:1: bool: \"yes\" is not true or false (did you mean \"true\"?)"},
		{"bool: OFF", "prismd.yaml:1:1: bool: \"OFF\" is not true or false (did you mean \"false\"?)"},
		{"bool: maybe", "prismd.yaml:1:1: bool: \"maybe\" is not true or false"},
		{"bool: 'true'",
		 "prismd.yaml:1:1: bool: \"true\" is text because of its quotes; write true or false without"},
		{"bool: [true]", "prismd.yaml:1:1: bool: expected true or false, found a list"},
		{"int: 11", "prismd.yaml:1:1: int: 11 is out of range: -5 to 10"},
		{"int: -6", "prismd.yaml:1:1: int: -6 is out of range: -5 to 10"},
		{"int: 99999999999999999999", "prismd.yaml:1:1: int: 99999999999999999999 is out of range: -5 to 10"},
		{"free_int: 99999999999999999999", "prismd.yaml:1:1: free_int: 99999999999999999999 is out of range"},
		{"int: many", "prismd.yaml:1:1: int: \"many\" is not a whole number"},
		{"int: 010", "prismd.yaml:1:1: int: \"010\" is not a whole number"},
		{"int: \"5\"", "prismd.yaml:1:1: int: \"5\" is text because of its quotes; write the number without"},
		{"int: {}", "prismd.yaml:1:1: int: expected a whole number, found a map"},
		{"size: 64KB",
		 "prismd.yaml:1:1: size: \"64KB\" is not a size: write bytes, or a number with KiB, MiB, GiB, TiB"},
		{"size: 1KiB", "prismd.yaml:1:1: size: 1KiB is out of range: 4KiB to 1GiB"},
		{"duration: 10",
		 "prismd.yaml:1:1: duration: \"10\" is not a duration: write a number with ns, us, ms, s, m, h, d"},
		{"duration: 0", "prismd.yaml:1:1: duration: 0 is out of range: 250us to 1h"},
		{"duration: 2h", "prismd.yaml:1:1: duration: 2h is out of range: 250us to 1h"},
		{"mode: bloc",
		 "prismd.yaml:1:1: mode: \"bloc\" is not one of allow, audit, block (did you mean \"block\"?)"},
		{"mode: Block",
		 "prismd.yaml:1:1: mode: \"Block\" is not one of allow, audit, block (did you mean \"block\"?)"},
		{"mode: permissive", "prismd.yaml:1:1: mode: \"permissive\" is not one of allow, audit, block"},
		{"mode: ''", "prismd.yaml:1:1: mode: \"\" is not one of allow, audit, block"},
		{"mode: \"\\e[31m\"", "prismd.yaml:1:1: mode: \"\\x1b[31m\" is not one of allow, audit, block"},
		{"string: a", "prismd.yaml:1:1: string: is 1 bytes long; allowed: 2 to 5 bytes"},
		{"string: abcdef", "prismd.yaml:1:1: string: is 6 bytes long; allowed: 2 to 5 bytes"},
		{"string: {}", "prismd.yaml:1:1: string: expected text, found a map"},
		{"list: x", "prismd.yaml:1:1: list: expected a list, found \"x\" (write it in [ ])"},
		{"list: {}", "prismd.yaml:1:1: list: expected a list, found a map"},
		{"list: [a, {b: c}]", "prismd.yaml:1:11: list[1]: expected text, found a map"},
		{"list: [a, ]\nint: 1\nlits: [b]",
		 "prismd.yaml:3:1: lits: unknown key (did you mean \"list\"?); known keys: bool, int, size, duration, "
		 "mode, string, list, node, free_int"},
		{"list:\n-", "prismd.yaml:2:2: list[0]: expected text, found nothing"},
		{"free-int: 1",
		 "prismd.yaml:1:1: free-int: unknown key (did you mean \"free_int\"?); known keys: bool, int, size, "
		 "duration, mode, string, list, node, free_int"},
		{"whatever: 1", "prismd.yaml:1:1: whatever: unknown key; known keys: bool, int, size, duration, mode, "
				"string, list, node, free_int"},
		{"[a]", "prismd.yaml:1:1: expected a map, found a list"},
		{"text", "prismd.yaml:1:1: expected a map, found \"text\""},
	};
	unsigned int wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char message[sizeof(struct error)] = "nothing";
		struct fixture f;

		check(&f, table, ARRAY_SIZE(table), cases[i].yaml);
		if (f.p.n)
			error_format(&f.p.list[0], message, sizeof(message));
		if (f.r != -EINVAL || f.config || f.p.n != 1 || strcmp(message, cases[i].message) != 0) {
			print_error("%s\n  %zu problems: %s\n  expected: %s\n", cases[i].yaml, f.p.n, message,
				    cases[i].message);
			wrong++;
		}
		done(&f);
	}
	assert_int_equal(wrong, 0);
}

static void test_every_mistake(void **state)
{
	struct fixture f;

	(void)state;
	check(&f, table, ARRAY_SIZE(table),
	      "bool: x\nint: x\nsize: x\nduration: x\nmode: x\nstring: x\nlist: x\nx: x\n");
	assert_int_equal(f.r, -EINVAL);
	assert_int_equal(f.p.n, 8);
	done(&f);
}

static void test_required(void **state)
{
	static const struct prism_option options[] = {
		{.name = "path", .kind = PRISM_OPTION_STRING, .flags = PRISM_OPTION_REQUIRED, .help = "h"},
	};
	struct fixture f;

	(void)state;
	check(&f, options, 1, "{}");
	assert_string_equal(f.p.list[0].where, "prismd.yaml:1:1");
	assert_string_equal(f.p.list[0].text, "key \"path\" is required, but is missing");
	done(&f);
	check(&f, options, 1, "path:");
	assert_string_equal(f.p.list[0].text, "path: is required, but has no value");
	done(&f);
	check(&f, options, 1, NULL);
	assert_int_equal(f.r, -EINVAL);
	assert_string_equal(f.p.list[0].text, "key \"path\" is required, but is missing");
	done(&f);
	check(&f, options, 1, "path: ''");
	assert_int_equal(f.r, 0);
	assert_string_equal(f.config->values[0].text, "");
	done(&f);
}

/* A module's table has no options at all: then every key is unknown. */
static void test_empty_table(void **state)
{
	struct fixture f;

	(void)state;
	check(&f, NULL, 0, NULL);
	assert_int_equal(f.r, 0);
	done(&f);
	check(&f, NULL, 0, "a: 1");
	assert_string_equal(f.p.list[0].text, "a: unknown key; known keys: none");
	done(&f);
}

/* Tables of a module that was built against an older, shorter or a newer, longer struct prism_option. */
static void test_table_sizes(void **state)
{
	struct longer {
		struct prism_option option;
		uint64_t later[2];
	};
	struct shorter {
		const char *name;
		uint32_t kind, flags;
		int64_t min, max;
	};
	static const struct longer longer[2] = {
		{.option = {.name = "a", .kind = PRISM_OPTION_INT, .fallback = "1", .help = "h"},
		 .later = {~0ull, ~0ull}},
		{.option = {.name = "b", .kind = PRISM_OPTION_INT, .fallback = "2", .help = "h"},
		 .later = {~0ull, ~0ull}},
	};
	static const struct shorter shorter[2] = {
		{.name = "a", .kind = PRISM_OPTION_INT, .min = 1, .max = 3},
		{.name = "b", .kind = PRISM_OPTION_INT},
	};
	struct prism_config *config = NULL;
	struct problems p = {0};

	(void)state;
	assert_int_equal(option_check(&longer[0].option, 2, sizeof(struct longer), NULL, &config, &p), 0);
	assert_int_equal(config->values[1].number, 2);
	option_config_free(config);
	assert_string_equal(option_at((const void *)shorter, sizeof(struct shorter), 1).name, "b");
	assert_null(option_at((const void *)shorter, sizeof(struct shorter), 1).help);
	assert_int_equal(option_check((const void *)shorter, 2, sizeof(struct shorter), NULL, &config, &p), 0);
	assert_int_equal(config->values[1].number, 0);
	assert_null(config->values[1].text);
	option_config_free(config);
	problems_done(&p);
}

static void test_table_check(void **state)
{
	static const char *const empty[] = {NULL}, *const blank[] = {"a", "", NULL};
	static const struct {
		struct prism_option option;
		const char *message;
	} cases[] = {
		{{.name = "a", .kind = PRISM_OPTION_INT, .fallback = "1", .help = "h"}, NULL},
		{{.name = "a", .kind = PRISM_OPTION_STRING, .fallback = "", .help = "h"}, NULL},
		{{.name = "a", .kind = PRISM_OPTION_ENUM, .choices = modes, .help = "h"}, NULL},
		{{.name = "a", .kind = PRISM_OPTION_LIST, .fallback = "[]", .help = "h"}, NULL},
		{{.kind = PRISM_OPTION_INT, .help = "h"}, "option 0 (\"\"): it has no name"},
		{{.name = "A", .kind = PRISM_OPTION_INT, .help = "h"},
		 "option 0 (\"A\"): its name does not match [a-z][a-z0-9_-]* of at most 64 bytes"},
		{{.name = "a", .help = "h"}, "option 0 (\"a\"): its kind is none that this version knows"},
		{{.name = "a", .kind = 9, .help = "h"}, "option 0 (\"a\"): its kind is none that this version knows"},
		{{.name = "a", .kind = PRISM_OPTION_INT, .flags = 2, .help = "h"},
		 "option 0 (\"a\"): it has flags that this version does not know"},
		{{.name = "a", .kind = PRISM_OPTION_INT}, "option 0 (\"a\"): it has no help text"},
		{{.name = "a", .kind = PRISM_OPTION_ENUM, .help = "h"},
		 "option 0 (\"a\"): it is an ENUM without choices"},
		{{.name = "a", .kind = PRISM_OPTION_ENUM, .choices = empty, .help = "h"},
		 "option 0 (\"a\"): it is an ENUM without choices"},
		{{.name = "a", .kind = PRISM_OPTION_ENUM, .choices = blank, .help = "h"},
		 "option 0 (\"a\"): one of its choices is empty"},
		{{.name = "a", .kind = PRISM_OPTION_INT, .choices = modes, .help = "h"},
		 "option 0 (\"a\"): it has choices, but is not an ENUM"},
		{{.name = "a", .kind = PRISM_OPTION_INT, .min = 2, .help = "h"},
		 "option 0 (\"a\"): its min is above its max"},
		{{.name = "a", .kind = PRISM_OPTION_LIST, .max = 2, .help = "h"},
		 "option 0 (\"a\"): it has min and max, which this kind does not use"},
		{{.name = "a", .kind = PRISM_OPTION_SIZE, .min = -1, .max = 2, .help = "h"},
		 "option 0 (\"a\"): its min is negative"},
		{{.name = "a", .kind = PRISM_OPTION_INT, .flags = PRISM_OPTION_REQUIRED, .fallback = "1", .help = "h"},
		 "option 0 (\"a\"): it is required and has a default"},
		{{.name = "a", .kind = PRISM_OPTION_INT, .max = 3, .fallback = "4", .help = "h"},
		 "option \"a\": its default \"4\" is wrong: 4 is out of range: 0 to 3"},
		{{.name = "a", .kind = PRISM_OPTION_ENUM, .choices = modes, .fallback = "bloc", .help = "h"},
		 "option \"a\": its default \"bloc\" is wrong: \"bloc\" is not one of allow, audit, block (did you "
		 "mean "
		 "\"block\"?)"},
		{{.name = "a", .kind = PRISM_OPTION_LIST, .fallback = "[", .help = "h"},
		 "option \"a\": its default \"[\" is wrong: not valid YAML: did not find expected node content while "
		 "parsing a flow node"},
	};
	static const struct prism_option twice[] = {
		{.name = "a", .kind = PRISM_OPTION_INT, .help = "h"},
		{.name = "b", .kind = PRISM_OPTION_INT, .help = "h"},
		{.name = "a", .kind = PRISM_OPTION_INT, .help = "h"},
	};
	unsigned int wrong = 0;
	struct error e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r;

		e = (struct error){0};
		r = option_table_check(&cases[i].option, 1, sizeof(struct prism_option), &e);
		if (r != (cases[i].message ? -EINVAL : 0) || strcmp(e.text, cases[i].message ? cases[i].message : "")) {
			print_error("%s\n  expected: %s\n", e.text, cases[i].message);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
	assert_int_equal(option_table_check(twice, 3, sizeof(twice[0]), &e), -EINVAL);
	assert_string_equal(e.text, "option \"a\" is declared twice");
	assert_int_equal(option_table_check(NULL, 1, sizeof(twice[0]), &e), -EINVAL);
	assert_int_equal(option_table_check(twice, 1, 8, &e), -EINVAL);
	assert_int_equal(option_table_check(twice, OPTION_MAX + 1, sizeof(twice[0]), &e), -EINVAL);
	assert_int_equal(option_table_check(NULL, 0, 0, &e), 0);
	assert_int_equal(option_table_check(table, ARRAY_SIZE(table), sizeof(table[0]), &e), 0);
}

static const char *word(const void *arg, uint32_t i)
{
	return ((const char *const *)arg)[i];
}

static void test_suggest(void **state)
{
	static const char *const words[] = {"capacity", "compat", "dir", "heartbeat", "stale_after", "reconcile"};
	static const struct {
		const char *typed, *meant;
	} cases[] = {
		{"capactiy", "capacity"},
		{"Capacity", "capacity"},
		{"stale-after", "stale_after"},
		{"compt", "compat"},
		{"hartbeat", "heartbeat"},
		{"dri", "dir"},
		{"d", NULL},
		{"zebra", NULL},
		{"", NULL},
		{"staleafter", "stale_after"},
	};
	char longest[2000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *meant = prism_suggest(cases[i].typed, ARRAY_SIZE(words), word, words);

		if (strcmp(meant ? meant : "", cases[i].meant ? cases[i].meant : "") != 0)
			fail_msg("%s: %s", cases[i].typed, meant);
	}
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_null(prism_suggest(longest, ARRAY_SIZE(words), word, words));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),     cmocka_unit_test(test_formats),
		cmocka_unit_test(test_values),      cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_mistakes),    cmocka_unit_test(test_every_mistake),
		cmocka_unit_test(test_required),    cmocka_unit_test(test_empty_table),
		cmocka_unit_test(test_table_sizes), cmocka_unit_test(test_table_check),
		cmocka_unit_test(test_suggest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
