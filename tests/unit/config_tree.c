/* SPDX-License-Identifier: Apache-2.0 */
/* YAML text to a tree: places, limits, what is refused and how it is said; merging. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "config/scalar.h"
#include "config/tree.h"

#define NAME "/etc/prism/prismd.yaml"

static struct prism_node *parse_named(struct tree *tree, const char *name, const char *text, struct problems *p)
{
	struct prism_node *root = NULL;

	tree_parse_text(tree, name, text, strlen(text), &root, p);
	return root;
}

static struct prism_node *parse(struct tree *tree, const char *text)
{
	struct problems p = {0};
	struct prism_node *root = parse_named(tree, NAME, text, &p);

	if (p.n)
		fail_msg("%s: %s", p.list[0].where, p.list[0].text);
	assert_non_null(root);
	return root;
}

/* A tree in one line: {a: 1, b: [x, y]}; quotes as written. */
static void render(const struct prism_node *node, struct text *out)
{
	const bool map = node->kind == PRISM_NODE_MAP;

	if (node->kind == PRISM_NODE_SCALAR) {
		text_appendf(out, node->quoted ? "'%s'" : "%s", node->text);
		return;
	}
	if (node->kind == PRISM_NODE_NONE) {
		text_append(out, "-");
		return;
	}
	text_append(out, map ? "{" : "[");
	for (uint32_t i = 0; i < node->n_child; i++) {
		assert_ptr_equal(node->child[i]->parent, node);
		assert_int_equal(node->child[i]->index, i);
		assert_int_equal(map, node->child[i]->key != NULL);
		text_appendf(out, "%s%s%s", i ? ", " : "", map ? node->child[i]->key : "", map ? ": " : "");
		render(node->child[i], out);
	}
	text_append(out, map ? "}" : "]");
}

static void assert_tree(const struct prism_node *node, const char *expected)
{
	struct text out = {0};

	render(node, &out);
	assert_string_equal(out.data, expected);
	text_done(&out);
}

static void test_shapes(void **state)
{
	static const struct {
		const char *yaml, *tree;
	} cases[] = {
		{"", "{}"},
		{"# nothing\n", "{}"},
		{"---\n", "{}"},
		{"~", "{}"},
		{"a: 1", "{a: 1}"},
		{"a: '1'\nb: \"2\"\nc: x y", "{a: '1', b: '2', c: x y}"},
		{"a:\nb: ~\nc: null\nd: 'null'\ne: ''", "{a: -, b: -, c: -, d: 'null', e: ''}"},
		{"a: [1, [2, 3], {b: c}]", "{a: [1, [2, 3], {b: c}]}"},
		{"a:\n- x\n- y: 1\n  z: 2\n-", "{a: [x, {y: 1, z: 2}, -]}"},
		{"a: |\n  two\n  lines\n", "{a: 'two\nlines\n'}"},
		{"? a\n: b", "{a: b}"},
		{"{a: {}, b: []}", "{a: {}, b: []}"},
		{"- a", "[a]"},
		{"scalar", "scalar"},
		{"%YAML 1.1\n---\na: 1\n...\n", "{a: 1}"},
		{"\xef\xbb\xbf"
		 "a: 1",
		 "{a: 1}"},
		{"\"k\xc3\xa4se\": \"\\u00e4\"", "{k\xc3\xa4se: '\xc3\xa4'}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tree *tree = tree_new();

		assert_tree(parse(tree, cases[i].yaml), cases[i].tree);
		tree_free(tree);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *yaml, *message;
	} cases[] = {
		{"a: &x 1", "prismd.yaml:1:1: a: anchors (&x) are not allowed: write the value where it is meant"},
		{"a:\n  b: *x",
		 "prismd.yaml:2:3: a.b: aliases (*x) are not allowed: write the value out, or in quotes if it begins "
		 "with *"},
		{"a: !!str 5", "prismd.yaml:1:1: a: tags (\"tag:yaml.org,2002:str\") are not allowed"},
		{"a: !exec [b]", "prismd.yaml:1:1: a: tags (\"!exec\") are not allowed"},
		{"*x : 1",
		 "prismd.yaml:1:1: a key must be text, not an alias (a value that begins with * needs quotes)"},
		{"!x a: 1", "prismd.yaml:1:1: a key cannot have an anchor (&) or a tag (!)"},
		{"a: 1\nb: 2\na: 3", "prismd.yaml:3:1: a: given twice; the first is at line 1"},
		{"m:\n- {n: x, c: {}, c: {}}", "prismd.yaml:2:17: m[0].c: given twice; the first is at line 2"},
		{"a: 1\n---\nb: 2", "prismd.yaml:2:1: a second document begins here; a file holds one"},
		{"? \n: 1", "prismd.yaml:1:2: an empty key"},
		{"'': 1", "prismd.yaml:1:1: an empty key"},
		{"? [a]\n: b",
		 "prismd.yaml:1:3: a key must be text, not a list (a value that begins with [ needs quotes)"},
		{"match: {unit}.service\n",
		 "prismd.yaml:1:14: not valid YAML: did not find expected key while parsing a block mapping (a value "
		 "that begins with { but is no map needs quotes)"},
		{"{a: {b: 1}: c}",
		 "prismd.yaml:1:11: not valid YAML: did not find expected ',' or '}' while parsing a flow mapping"},
		{"\"a\\x07\": 1", "prismd.yaml:1:1: a control character in a key"},
		{"a: \"x\\0y\"", "prismd.yaml:1:4: a NUL byte in a value"},
		{"a: \xff", "prismd.yaml:1:4: not valid YAML: invalid leading UTF-8 octet"},
		{"b: \xc3\xa4\n\xc3\xa4: \x01", "prismd.yaml:2:4: not valid YAML: control characters are not allowed"},
		{"a: 1\nb\n",
		 "prismd.yaml:3:1: not valid YAML: could not find expected ':' while scanning a simple key that begins "
		 "at line 2"},
		{"a:\n\tb: 1",
		 "prismd.yaml:2:1: not valid YAML: found character that cannot start any token while scanning for the "
		 "next token (a tab indents this line; use spaces)"},
		{"a: b: c", "prismd.yaml:1:5: not valid YAML: mapping values are not allowed in this context"},
		{"a: [1, 2",
		 "prismd.yaml:2:1: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence that "
		 "begins at line 1"},
		{"a: \"x",
		 "prismd.yaml:1:6: not valid YAML: found unexpected end of stream while scanning a quoted scalar"},
		{"a:\n  b: 1\n c: 2\n",
		 "prismd.yaml:3:2: not valid YAML: did not find expected key while parsing a block mapping that begins "
		 "at line 1"},
	};

	unsigned int wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tree *tree = tree_new();
		struct problems p = {0};
		char message[sizeof(struct error)] = "nothing";

		parse_named(tree, NAME, cases[i].yaml, &p);
		if (p.n)
			error_format(&p.list[0], message, sizeof(message));
		if (p.n != 1 || strcmp(message, cases[i].message) != 0) {
			print_error("%s\n  %zu problems: %s\n  expected: %s\n", cases[i].yaml, p.n, message,
				    cases[i].message);
			wrong++;
		}
		problems_done(&p);
		tree_free(tree);
	}
	assert_int_equal(wrong, 0);
}

/* What does not end reading is all reported, and the tree is there to be looked at. */
static void test_every_problem(void **state)
{
	static const char yaml[] = "a: &x 1\nb: !y 2\nc: *x\na: 4\nd: 5\n";
	struct tree *tree = tree_new();
	struct problems p = {0};
	struct prism_node *root = NULL;

	(void)state;
	assert_int_equal(tree_parse_text(tree, NAME, yaml, strlen(yaml), &root, &p), -EINVAL);
	assert_int_equal(p.n, 4);
	assert_non_null(root);
	assert_string_equal(node_get(root, "d")->text, "5");
	problems_done(&p);

	root = NULL;
	assert_int_equal(tree_parse_text(tree, NAME, "a: [", 4, &root, &p), -EINVAL);
	assert_null(root);
	problems_done(&p);
	tree_free(tree);
}

static void assert_one_problem(const char *yaml, size_t len, const char *expected)
{
	struct tree *tree = tree_new();
	struct problems p = {0};
	struct prism_node *root = NULL;
	char message[sizeof(struct error)];

	tree_parse_text(tree, NAME, yaml, len, &root, &p);
	if (!expected) {
		assert_int_equal(p.n, 0);
		assert_non_null(root);
	} else {
		assert_int_equal(p.n, 1);
		assert_string_equal(error_format(&p.list[0], message, sizeof(message)), expected);
	}
	problems_done(&p);
	tree_free(tree);
}

static void nested(struct text *t, unsigned int depth)
{
	text_clear(t);
	for (unsigned int i = 0; i < depth; i++)
		text_append(t, "[");
	for (unsigned int i = 0; i < depth; i++)
		text_append(t, "]");
}

static void test_limits(void **state)
{
	struct text t = {0};

	(void)state;
	nested(&t, TREE_MAX_DEPTH);
	assert_one_problem(t.data, t.len, NULL);
	nested(&t, TREE_MAX_DEPTH + 1);
	assert_one_problem(t.data, t.len,
			   "prismd.yaml:1:33: nested deeper than 32 levels, the limit of a configuration file");
	nested(&t, 100000);
	assert_one_problem(t.data, t.len,
			   "prismd.yaml:1:33: nested deeper than 32 levels, the limit of a configuration file");

	text_clear(&t);
	for (unsigned int i = 0; i < TREE_MAX_NODES - 1; i++)
		text_append(&t, "- a\n");
	assert_one_problem(t.data, t.len, NULL);
	text_append(&t, "- a\n");
	assert_one_problem(t.data, t.len,
			   "prismd.yaml:100000:3: more than 100000 values, the limit of a configuration file");

	text_clear(&t);
	for (unsigned int i = 0; i < TREE_MAX_KEY; i++)
		text_append(&t, "k");
	text_append(&t, ": 1");
	assert_one_problem(t.data, t.len, NULL);
	t.data[TREE_MAX_KEY] = 'k';
	t.data[TREE_MAX_KEY + 1] = ':';
	t.data[TREE_MAX_KEY + 2] = ' ';
	assert_one_problem(t.data, t.len, "prismd.yaml:1:1: a key of 401 bytes, more than the limit of 400");

	text_clear(&t);
	while (t.len < TREE_MAX_FILE)
		text_append(&t, "#");
	assert_one_problem(t.data, t.len, NULL);
	text_append(&t, "#");
	assert_one_problem(t.data, t.len, "prismd.yaml:1:1: larger than 1 MiB, the limit of a configuration file");
	text_done(&t);
}

static void test_files(void **state)
{
	char dir[] = "/tmp/prism-test-XXXXXX", path[64], where[NODE_WHERE_SIZE];
	struct tree *tree = tree_new();
	struct problems p = {0};
	struct prism_node *root = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a.yaml", dir);
	assert_int_equal(tree_parse_file(tree, path, &root, &p), -ENOENT);
	assert_null(root);
	assert_int_equal(p.n, 1);
	assert_string_equal(p.list[0].where, path);
	assert_string_equal(p.list[0].text, "cannot be opened: No such file or directory");
	assert_int_equal(tree_parse_file(tree, dir, &root, &p), -EINVAL);
	assert_string_equal(p.list[1].text, "is not a regular file");

	assert_int_equal(file_write_atomic(path, "\n  key: value\n", strlen("\n  key: value\n"), 0644, NULL), 0);
	assert_int_equal(tree_parse_file(tree, path, &root, &p), 0);
	assert_string_equal(node_where(root->child[0], false, where, sizeof(where)), "a.yaml:2:3");
	strcat(path, ":2:3");
	assert_string_equal(node_where(root->child[0], true, where, sizeof(where)), path);

	path[strlen(path) - 4] = '\0';
	assert_int_equal(truncate(path, TREE_MAX_FILE + 1), 0);
	assert_int_equal(tree_parse_file(tree, path, &root, &p), -EFBIG);
	assert_string_equal(p.list[2].text, "larger than 1 MiB, the limit of a configuration file");
	unlink(path);
	rmdir(dir);
	problems_done(&p);
	tree_free(tree);
}

static void test_places(void **state)
{
	struct tree *tree = tree_new();
	const struct prism_node *root = parse(tree, "modules:\n"
						    "  - name: net\n"
						    "  - name: lsm\n"
						    "    config:\n"
						    "      mode: bloc\n"
						    "      \"a b\": {x.y/z: [1, 2]}\n");
	const struct prism_node *lsm = node_get(root, "modules")->child[1], *config = node_get(lsm, "config");
	const struct prism_node *deep = node_get(node_get(config, "a b"), "x.y/z")->child[1];
	struct problems p = {0};
	char buf[NODE_PATH_SIZE], small[8], message[sizeof(struct error)];

	(void)state;
	/* With a key: where the key is. In a list: where the value is. */
	assert_string_equal(node_where(node_get(config, "mode"), false, buf, sizeof(buf)), "prismd.yaml:5:7");
	assert_string_equal(node_where(lsm, false, buf, sizeof(buf)), "prismd.yaml:3:5");
	assert_string_equal(node_where(lsm, true, buf, sizeof(buf)), NAME ":3:5");
	assert_string_equal(node_path(root, buf, sizeof(buf)), "");
	assert_string_equal(node_path(deep, buf, sizeof(buf)), "modules[1].config.\"a b\".x.y/z[1]");
	assert_string_equal(node_path(deep, small, sizeof(small)), "modules");

	assert_int_equal(node_problem(&p, node_get(config, "mode"), "no %s", "good"), -EINVAL);
	assert_string_equal(error_format(&p.list[0], message, sizeof(message)),
			    "prismd.yaml:5:7: modules[1].config.mode: no good");
	node_problem(&p, root, "at all");
	assert_string_equal(error_format(&p.list[1], message, sizeof(message)), "prismd.yaml:1:1: at all");
	problems_done(&p);
	assert_null(node_get(NULL, "x"));
	assert_null(node_get(root, "x"));
	assert_null(node_get(node_get(root, "modules"), "x"));
	tree_free(tree);
}

static void test_merge(void **state)
{
	static const char *const prepend[] = {"s.rules", NULL};
	static const struct {
		const char *base, *overlay, *result;
	} cases[] = {
		{"{a: 1, b: 2}", "{b: 3, c: 4}", "{a: 1, b: 3, c: 4}"},
		{"{a: {x: 1, y: 2}}", "{a: {y: 3}}", "{a: {x: 1, y: 3}}"},
		{"{a: [1, 2]}", "{a: [3]}", "{a: [3]}"},
		{"{a: [1, 2]}", "{a: []}", "{a: []}"},
		{"{a: 1}", "{a: {b: 2}}", "{a: {b: 2}}"},
		{"{a: {b: 2}}", "{a: 1}", "{a: 1}"},
		/* A key without a value says nothing. */
		{"{a: 1, b: {c: 2}}", "{a: , b: , c: }", "{a: 1, b: {c: 2}, c: -}"},
		{"{a: , b: 1}", "{a: 2}", "{a: 2, b: 1}"},
		{"{m: [{name: x, v: 1}, {name: y, v: 2}]}", "{m: [{name: z}, {name: y, w: 3}]}",
		 "{m: [{name: x, v: 1}, {name: y, v: 2, w: 3}, {name: z}]}"},
		{"{m: [{name: x}]}", "{m: []}", "{m: []}"},
		{"{m: []}", "{m: [{name: x}]}", "{m: [{name: x}]}"},
		{"{m: [{name: x}]}", "{m: [{v: 1}]}", "{m: [{v: 1}]}"},
		{"{m: [{name: x}, {v: 1}]}", "{m: [{name: x}]}", "{m: [{name: x}]}"},
		{"{s: {rules: [a, b]}}", "{s: {rules: [c]}}", "{s: {rules: [c, a, b]}}"},
		{"{s: {rules: [a, b]}}", "{s: {rules: []}}", "{s: {rules: [a, b]}}"},
		{"{s: {}}", "{s: {rules: [c]}}", "{s: {rules: [c]}}"},
		{"{t: {rules: [a, b]}}", "{t: {rules: [c]}}", "{t: {rules: [c]}}"},
		{"{}", "{a: 1}", "{a: 1}"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tree *tree = tree_new();
		struct prism_node *base = parse(tree, cases[i].base), *overlay = parse(tree, cases[i].overlay);

		assert_tree(tree_merge(tree, base, overlay, prepend), cases[i].result);
		/* What went in is as it was. */
		assert_tree(base,
			    cases[i].base[1] == 'a' && strstr(cases[i].base, "a: ,") ? "{a: -, b: 1}" : cases[i].base);
		tree_free(tree);
	}
}

static void test_merge_places(void **state)
{
	struct tree *tree = tree_new();
	struct problems p = {0};
	struct prism_node *base = parse_named(tree, "/x/a.yaml", "m:\n- name: x\n  v: 1\n  w: 2\n", &p);
	struct prism_node *overlay = parse_named(tree, "/x/b.yaml", "m:\n- {name: y}\n- name: x\n  w: 3\n", &p);
	const struct prism_node *m = node_get(tree_merge(tree, base, overlay, NULL), "m");
	char where[NODE_WHERE_SIZE];

	(void)state;
	assert_string_equal(node_where(m->child[0], false, where, sizeof(where)), "a.yaml:2:3");
	assert_string_equal(node_where(node_get(m->child[0], "v"), false, where, sizeof(where)), "a.yaml:3:3");
	assert_string_equal(node_where(node_get(m->child[0], "w"), false, where, sizeof(where)), "b.yaml:4:3");
	assert_string_equal(node_where(m->child[1], false, where, sizeof(where)), "b.yaml:2:3");
	problems_done(&p);
	tree_free(tree);
}

/* Two maps of 20,000 keys: quadratic work would be 400 million comparisons of strings. */
static void test_merge_large(void **state)
{
	struct tree *tree = tree_new();
	struct text t = {0};
	struct prism_node *base, *merged;
	uint64_t start;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++)
		text_appendf(&t, "prism-a-common-beginning-%u: x\n", i);
	base = parse(tree, t.data);
	start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	merged = tree_merge(tree, base, base, NULL);
	assert_non_null(merged);
	assert_int_equal(merged->n_child, 20000);
	assert_true(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start < 2 * NS_PER_SEC);
	text_done(&t);
	tree_free(tree);
}

static void test_quote(void **state)
{
	static const struct {
		const char *text, *quoted;
	} cases[] = {
		{"bloc", "\"bloc\""},
		{"", "\"\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"a\nb\tc", "\"a\\nb\\tc\""},
		{"\033[31mred", "\"\\x1b[31mred\""},
		{"\xc2\x9b"
		 "31m",
		 "\"\\x9b31m\""},
		{"k\xc3\xa4se", "\"k\xc3\xa4se\""},
	};
	char buf[SCALAR_QUOTE_SIZE], small[10], longer[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(scalar_quote(cases[i].text, buf, sizeof(buf)), cases[i].quoted);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(strlen(scalar_quote(longer, buf, sizeof(buf))), 64 + strlen("\"...\""));
	/* Cut between characters, and never past the buffer. */
	memcpy(longer + 63, "\xc3\xa4", 2);
	scalar_quote(longer, buf, sizeof(buf));
	assert_string_equal(buf + 62, "xx...\"");
	memset(longer, '\001', 100);
	assert_true(strlen(scalar_quote(longer, buf, sizeof(buf))) < sizeof(buf));
	assert_true(strlen(scalar_quote("0123456789", small, sizeof(small))) < sizeof(small));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),        cmocka_unit_test(test_refused),
		cmocka_unit_test(test_every_problem), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_files),         cmocka_unit_test(test_places),
		cmocka_unit_test(test_merge),         cmocka_unit_test(test_merge_places),
		cmocka_unit_test(test_merge_large),   cmocka_unit_test(test_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
