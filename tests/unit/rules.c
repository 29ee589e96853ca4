/* SPDX-License-Identifier: Apache-2.0 */
/* Rules: patterns over cgroup paths, templates, which rule wins, and what a bad rule is told. */
#include "test.h"

#include <time.h>

#include "base/util.h"
#include "source/pattern.h"
#include "source/rules.h"

/* ---- patterns ---- */

/* "a=x b=y" of the captures; NULL: no match. */
static const char *matched(const char *pattern, const char *path)
{
	struct capture capture[PATTERN_CAPTURES];
	static char buf[512];
	const char *why = NULL;
	struct pattern *p;
	unsigned int i;
	size_t len = 0;
	bool yes;

	if (pattern_new(pattern, &p, &why) < 0)
		fail_msg("\"%s\": %s", pattern, why);
	yes = pattern_match(p, path, capture);
	buf[0] = '\0';
	for (i = 0; yes && i < pattern_captures(p); i++)
		len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s%s=%.*s", i ? " " : "",
					pattern_capture_name(p, i), (int)capture[i].len, capture[i].start);
	assert_null(pattern_capture_name(p, pattern_captures(p)));
	pattern_free(p);
	return yes ? buf : NULL;
}

static void what_matches(void **state)
{
	static const struct {
		const char *pattern, *path, *captures; /* NULL: does not match */
	} cases[] = {
		{"a", "/a", ""},
		{"/a/", "/a", ""},
		{"//a", "a", ""},
		{"a", "/a/b", NULL},
		{"a", "/b/a", NULL},
		{"a", "/ab", NULL},
		{"ab", "/a", NULL},
		{"system.slice/{unit}.service", "/system.slice/cron.service", "unit=cron"},
		{"system.slice/{unit}.service", "/system.slice/.service", NULL}, /* one or more */
		{"system.slice/{unit}.service", "/system.slice/a.service.service", "unit=a.service"},
		{"system.slice/{unit}.service", "/system.slice/a/b.service", NULL},
		{"system.slice/{unit}.service", "/system.slice/cron.service/x", NULL},
		{"system.slice/{unit}.service", "/system.slice/cron.services", NULL},
		{"{a}-{b}", "/x-y-z", "a=x-y b=z"},
		{"{a}{b}", "/xyz", "a=xy b=z"},
		{"{a}{b}", "/x", NULL},
		{"*", "/anything", ""},
		{"*", "/a/b", NULL},
		{"*", "/", NULL}, /* the root is nobody's */
		{"**", "/", NULL},
		{"**", "/a", ""},
		{"**", "/a/b/c", ""},
		{"a*", "/a", ""},
		{"a*c", "/abbc", ""},
		{"a*c", "/ab/c", NULL},
		{"a**c", "/abbc", ""}, /* no whole component: two stars */
		{"a**c", "/ab/c", NULL},
		{"?", "/a", ""},
		{"?", "/ab", NULL},
		{"a?b", "/a/b", NULL},
		{"a/?", "/a/", NULL},
		{"**/x", "/x", ""},
		{"**/x", "/a/x", ""},
		{"**/x", "/a/b/x", ""},
		{"**/x", "/a/yx", NULL},
		{"**/x", "/x/a", NULL},
		{"a/**/b", "/a/b", ""},
		{"a/**/b", "/a/x/y/b", ""},
		{"a/**/b", "/ab", NULL},
		{"a/**/**/b", "/a/b", ""},
		{"a/**/{x}/c", "/a/b/b/c", "x=b"},
		{"**/{last}", "/a/b/c", "last=c"},
		/* At the end it says nothing: what is below a match inherits from it. */
		{"a/**", "/a", ""},
		{"a/**", "/a/b", NULL},
		{"a/**/", "/a", ""},
		{"a/**/**", "/a", ""},
		{"a/*/**", "/a/b", ""},
		{"a/*/**", "/a", NULL},
		/* Literally */
		{"\\*", "/*", ""},
		{"\\*", "/a", NULL},
		{"\\{x\\}", "/{x}", ""},
		{"\\\\", "/\\", ""},
		{"a\\", "/a\\", ""},
		{"\\a\\.b", "/a.b", ""},
		{"x}", "/x}", ""},
		{"\xc3\xa4*", "/\xc3\xa4\xff", ""},
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *got = matched(cases[i].pattern, cases[i].path);

		if (!got != !cases[i].captures || (got && strcmp(got, cases[i].captures) != 0))
			fail_msg("\"%s\" on \"%s\": %s instead of %s", cases[i].pattern, cases[i].path,
				 got ? got : "no match", cases[i].captures ? cases[i].captures : "no match");
	}
}

static void what_is_no_pattern(void **state)
{
	static char longest[1100];
	const struct {
		const char *pattern, *why;
	} cases[] = {
		{"", "it is empty: the root of the hierarchy is nobody's workload"},
		{"///", "it is empty"},
		{"{x", "a `{` without its `}`"},
		{"{}", "a capture is {name}"},
		{"{a b}", "a capture is {name}"},
		{"{a/b}", "a capture is {name}"},
		{"{{a}", "a capture is {name}"},
		{"{a}/{a}", "a name is captured twice"},
		{"{a}{b}{c}{d}{e}{f}{g}{h}{i}", "more than 8 captures"},
		{longest, "it is longer than 1024 bytes"},
	};
	struct pattern *p = NULL;
	const char *why;
	unsigned int i;

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		why = "";
		if (pattern_new(cases[i].pattern, &p, &why) != -EINVAL)
			fail_msg("\"%s\" was taken", cases[i].pattern);
		assert_contains(why, cases[i].why);
	}
	assert_null(p);
	longest[1024] = '\0';
	assert_int_equal(pattern_new(longest, &p, &why), 0);
	pattern_free(p);
	pattern_free(NULL);
}

/* Patterns for which naive matching takes longer than the universe has: bounded, and then no match. */
static void matching_is_bounded(void **state)
{
	static char stars[1024], path[4000];
	struct capture capture[PATTERN_CAPTURES];
	struct timespec before, after;
	const char *why;
	struct pattern *p;
	size_t i;

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	for (i = 0; i < 1000; i += 2)
		memcpy(stars + i, "a*", 2);
	strcpy(stars + i, "b");
	assert_int_equal(pattern_new(stars, &p, &why), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	assert_false(pattern_match(p, path, capture));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	pattern_free(p);

	for (i = 0; i + 2 < sizeof(path); i += 2)
		memcpy(path + i, "a/", 2);
	for (i = 0; i < 990; i += 5)
		memcpy(stars + i, "**/a/", 5);
	strcpy(stars + i, "b");
	assert_int_equal(pattern_new(stars, &p, &why), 0);
	assert_false(pattern_match(p, path, capture));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	pattern_free(p);
	assert_true(after.tv_sec - before.tv_sec <= 5);
	/* The bound is far from what people write. */
	assert_string_equal(matched("**/{a}-*-{b}/**/{c}.x", "/a/b/c/d/e/f/g/h/long-long-name/i/j/k/l/m/n/o.x"),
			    "a=long b=name c=o");
}

/* ---- rules from YAML ---- */

struct compiled {
	struct tree *tree;
	struct source *source;
	struct settings settings;
	struct problems problems;
	int r;
};

static unsigned int n_reconsidered;

static void reconsider(void *arg, struct cgroup *cg)
{
	(void)cg;
	assert_ptr_equal(arg, &n_reconsidered);
	n_reconsidered++;
}

static void compile(struct compiled *c, const char *yaml)
{
	struct source_env env = {.reconsider = reconsider, .arg = &n_reconsidered};
	struct prism_node *root = NULL;

	*c = (struct compiled){.tree = tree_new()};
	if (tree_parse_text(c->tree, "rules.yaml", yaml, strlen(yaml), &root, &c->problems) < 0)
		fail_msg("%s: %s", c->problems.list[0].where, c->problems.list[0].text);
	c->settings.cgroup_enabled = true;
	c->settings.rules = node_get(root, "rules");
	assert_int_equal(rules_source_new(&env, &c->source), 0);
	c->r = c->source->ops->configure(c->source, &c->settings, &c->problems);
}

static void done(struct compiled *c)
{
	c->source->ops->free(c->source);
	problems_done(&c->problems);
	tree_free(c->tree);
}

/* namespace|account|key=value,...|class|weight; NULL: nobody's. */
static const char *claimed(struct compiled *c, const char *path)
{
	struct workload_spec spec;
	static char buf[1024];
	size_t len, i;

	if (!c->source->ops->claim(c->source, NULL, path, &spec))
		return NULL;
	len = (size_t)snprintf(buf, sizeof(buf), "%s|%s|", spec.namespace_name, spec.service_account);
	for (i = 0; i < spec.n_labels; i++)
		len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s%s=%s", i ? "," : "", spec.labels[i].key,
					spec.labels[i].value);
	snprintf(buf + len, sizeof(buf) - len, "|%s|%s", spec.latency_class ? spec.latency_class : "-",
		 spec.weight ? spec.weight : "-");
	return buf;
}

static void assert_claimed(struct compiled *c, const char *path, const char *expected)
{
	const char *got = claimed(c, path);

	if (!got != !expected || (got && strcmp(got, expected) != 0))
		fail_msg("%s: %s instead of %s", path, got ? got : "nobody's", expected ? expected : "nobody's");
}

static void rules_make_workloads(void **state)
{
	struct compiled c;

	(void)state;
	compile(&c, "rules:\n"
		    "  - match: system.slice/{unit}.service\n"
		    "    namespace: system\n"
		    "    service_account: \"{unit}-{unit}\"\n"
		    "    labels: {app: \"x{unit}y\", team: infra}\n"
		    "    class: batch\n"
		    "    weight: 32\n"
		    "  - match: user.slice/{user}/{session}\n"
		    "    namespace: \"u-{user}\"\n"
		    "    labels: {session: fixed}\n"
		    "  - match: \"{any}\"\n"
		    "    class: latency-critical\n");
	if (c.r < 0)
		fail_msg("%s: %s", c.problems.list[0].where, c.problems.list[0].text);
	assert_claimed(&c, "/system.slice/cron.service", "system|cron-cron|app=xcrony,team=infra,unit=cron|batch|32");
	/* A label of a capture's name takes its place. */
	assert_claimed(&c, "/user.slice/u1/s2", "u-u1||session=fixed,user=u1|-|-");
	assert_claimed(&c, "/alone", "host||any=alone|latency-critical|-");
	assert_claimed(&c, "/system.slice/cron.service/sub", NULL);
	assert_claimed(&c, "/", NULL);
	assert_true(c.source->ops->synced(c.source));
	done(&c);
}

static void the_first_rule_wins(void **state)
{
	struct compiled c;

	(void)state;
	compile(&c, "rules:\n"
		    "  - {match: a/special, namespace: first}\n"
		    "  - {match: \"a/{x}\", namespace: second}\n"
		    "  - {match: \"a/*\", namespace: third}\n"
		    "  - {match: \"b/**\", namespace: fourth}\n");
	assert_int_equal(c.r, 0);
	assert_claimed(&c, "/a/special", "first|||-|-");
	assert_claimed(&c, "/a/other", "second||x=other|-|-");
	assert_claimed(&c, "/b", "fourth|||-|-");
	assert_claimed(&c, "/b/c", NULL); /* inherits in the pipeline */
	done(&c);
}

static const char *explained(struct compiled *c, const char *path)
{
	static char buf[512];
	struct text out = {0};

	c->source->ops->explain(c->source, path, &out);
	snprintf(buf, sizeof(buf), "%s", out.data);
	text_done(&out);
	return buf;
}

static void rules_explain_themselves(void **state)
{
	struct workload_spec spec;
	struct compiled c;

	(void)state;
	compile(&c, "rules:\n"
		    "  - {match: x}\n"
		    "  - match: \"{a}.slice/{b}\"\n");
	assert_int_equal(c.r, 0);
	assert_string_equal(explained(&c, "/m.slice/n"),
			    "cgroup rule rules.yaml:3:5 ({a}.slice/{b}) matches /m.slice/n: {a} = m, {b} = n");
	assert_string_equal(explained(&c, "/x"), "cgroup rule rules.yaml:2:5 (x) matches /x");
	assert_string_equal(explained(&c, "/y"), "none of 2 cgroup rules matches /y");
	assert_true(c.source->ops->claim(c.source, NULL, "/x", &spec));
	assert_string_equal(spec.origin, "cgroup rule rules.yaml:2:5 (x)");
	done(&c);
}

/* A capture may hold anything a directory's name may. */
static void hostile_names_stay_names(void **state)
{
	struct label_filter *filter;
	struct workload_spec spec;
	struct text out = {0};
	struct compiled c;

	(void)state;
	assert_int_equal(label_filter_default(&filter), 0);
	compile(&c, "rules:\n  - {match: \"{unit}.service\", namespace: \"{unit}\"}\n");
	assert_int_equal(c.r, 0);
	assert_true(c.source->ops->claim(c.source, NULL, "/x;app=root;a={unit}%\n.service", &spec));
	assert_int_equal(canonical_form(&spec, filter, &out), 0);
	assert_string_equal(out.data, "io.prism/namespace=x%3Bapp=root%3Ba={unit}%25%0A;io.prism/serviceaccount=;"
				      "unit=x%3Bapp=root%3Ba={unit}%25%0A");
	text_done(&out);
	label_filter_free(filter);
	done(&c);
}

/* ---- what a bad rule is told ---- */

static bool told(const struct compiled *c, const char *where, const char *part)
{
	size_t i;

	for (i = 0; i < c->problems.n; i++)
		if (strstr(c->problems.list[i].where, where) && strstr(c->problems.list[i].text, part))
			return true;
	return false;
}

static void bad_rules_are_told_what_is_wrong(void **state)
{
	static const struct {
		const char *yaml, *where, *text;
	} cases[] = {
		{"rules: {match: a}\n", "rules.yaml:1:", "must be a list of rules"},
		{"rules:\n  - {namespace: x}\n", "rules.yaml:2:", "match"},
		{"rules:\n  - {match: \"\"}\n", "rules.yaml:2:", "is no pattern: it is empty"},
		{"rules:\n  - {match: \"{a}{a}\"}\n", "rules.yaml:2:", "is no pattern: a name is captured twice"},
		{"rules:\n  - {match: a, matches: b}\n", "rules.yaml:2:", "matches"},
		{"rules:\n  - match: a\n    namespace: \"{b}\"\n",
		 "rules.yaml:3:", "\"{b}\" is not captured by this rule's match"},
		{"rules:\n  - match: \"{b}\"\n    service_account: \"{b\"\n", "rules.yaml:3:", "a `{` without its `}`"},
		{"rules:\n  - match: \"{b}\"\n    labels: {x: \"{B}\"}\n", "rules.yaml:3:", "\"{B}\" is not captured"},
		{"rules:\n  - match: a\n    labels: [x]\n", "rules.yaml:3:", "must be a map of labels"},
		{"rules:\n  - match: a\n    labels: {x: [y]}\n", "rules.yaml:3:", "must be text"},
		{"rules:\n  - match: a\n    class: criticl\n", "rules.yaml:3:", "criticl"},
		{"rules:\n  - match: a\n    weight: 128\n", "rules.yaml:3:", "128"},
		{"rules:\n  - match: a\n    weight: 0\n", "rules.yaml:3:", "0"},
		{"rules:\n  - a\n", "rules.yaml:2:", ""},
	};
	struct compiled c;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		compile(&c, cases[i].yaml);
		if (c.r != -EINVAL)
			fail_msg("case %u: %d", i, c.r);
		if (!told(&c, cases[i].where, cases[i].text))
			fail_msg("case %u is told \"%s: %s\" instead of \"%s: %s\"", i, c.problems.list[0].where,
				 c.problems.list[0].text, cases[i].where, cases[i].text);
		done(&c);
	}
	/* All of them at once. */
	compile(&c, "rules:\n  - {match: \"{\"}\n  - {match: ok}\n  - {match: a, class: x, weight: y}\n");
	assert_int_equal(c.r, -EINVAL);
	assert_int_equal(c.problems.n, 3);
	done(&c);
}

static void a_bad_configuration_changes_nothing(void **state)
{
	struct cgroups *tree = cgroups_new(1);
	struct problems p = {0};
	struct settings off;
	struct compiled good, bad;
	struct cgroup *cg;

	(void)state;
	assert_int_equal(cgroup_add(tree, cgroups_root(tree), 2, "a", &cg), 0);
	compile(&good, "rules:\n  - {match: a, namespace: good}\n");
	compile(&bad, "rules:\n  - {match: a, namespace: bad}\n  - {match: \"{\"}\n");
	assert_int_equal(good.r, 0);
	good.source->env.cgroups = tree;
	n_reconsidered = 0;
	assert_int_equal(good.source->ops->configure(good.source, &bad.settings, &p), -EINVAL);
	assert_claimed(&good, "/a", "good|||-|-");
	assert_int_equal(n_reconsidered, 0);
	assert_claimed(&bad, "/a", NULL);
	/* Switched off: every cgroup is looked at again, and nobody's. */
	off = good.settings;
	off.cgroup_enabled = false;
	assert_int_equal(good.source->ops->configure(good.source, &off, &p), 0);
	assert_int_equal(n_reconsidered, 2);
	assert_claimed(&good, "/a", NULL);
	problems_done(&p);
	done(&good);
	done(&bad);
	cgroups_free(tree);
}

static void no_rules_are_rules(void **state)
{
	struct rules *rules;

	(void)state;
	assert_int_equal(rules_compile(NULL, &rules, NULL), 0);
	assert_int_equal(rules_count(rules), 0);
	rules_free(rules);
	rules_free(NULL);
}

/* ---- vectors: what kubelet makes ---- */

static struct compiled pods;

static void check_pod(char *const *field)
{
	static const char *const qos_of[][2] = {{"Guaranteed", "guaranteed"},
						{"Burstable", "burstable"},
						{"BestEffort", "besteffort"}};
	char uid[64], nested[512], expected[256], *s;
	unsigned int i;

	snprintf(uid, sizeof(uid), "%s", field[2]);
	/* The systemd driver writes `_` for `-`, which means something else in a slice's name. */
	for (s = uid; *s && strcmp(field[1], "systemd") == 0; s++)
		if (*s == '-')
			*s = '_';
	for (i = 0; i < ARRAY_SIZE(qos_of); i++) {
		if (strcmp(field[0], qos_of[i][0]) != 0)
			continue;
		snprintf(expected, sizeof(expected), "%s|%s|%s%s,uid=%s|-|-", field[1], uid,
			 i ? "qos=" : "qos=guaranteed", i ? qos_of[i][1] : "", uid);
		assert_claimed(&pods, field[3], expected);
		/* Nested roots, as kind has them. */
		snprintf(nested, sizeof(nested), "/kubelet.slice/kubelet-kubepods.slice%s", field[3]);
		assert_claimed(&pods, nested, expected);
		/* Neither what is above it nor what is below. */
		snprintf(nested, sizeof(nested), "%s/cri-containerd-0a1b.scope", field[3]);
		assert_claimed(&pods, nested, NULL);
		*strrchr(field[3], '/') = '\0';
		assert_claimed(&pods, field[3], NULL);
		return;
	}
	fail_msg("unknown QoS %s", field[0]);
}

static void pods_are_captured(void **state)
{
	(void)state;
	compile(&pods, "rules:\n"
		       "  - match: \"**/kubepods.slice/kubepods-{qos}.slice/kubepods-*-pod{uid}.slice\"\n"
		       "    namespace: systemd\n"
		       "    service_account: \"{uid}\"\n"
		       "  - match: \"**/kubepods.slice/kubepods-pod{uid}.slice\"\n"
		       "    namespace: systemd\n"
		       "    service_account: \"{uid}\"\n"
		       "    labels: {qos: guaranteed}\n"
		       "  - match: \"**/kubepods/{qos}/pod{uid}\"\n"
		       "    namespace: cgroupfs\n"
		       "    service_account: \"{uid}\"\n"
		       "  - match: \"**/kubepods/pod{uid}\"\n"
		       "    namespace: cgroupfs\n"
		       "    service_account: \"{uid}\"\n"
		       "    labels: {qos: guaranteed}\n");
	assert_int_equal(pods.r, 0);
	assert_int_equal(each_vector("cgroup-paths.tsv", 4, check_pod), 12);
	done(&pods);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_matches),
		cmocka_unit_test(what_is_no_pattern),
		cmocka_unit_test(matching_is_bounded),
		cmocka_unit_test(rules_make_workloads),
		cmocka_unit_test(the_first_rule_wins),
		cmocka_unit_test(rules_explain_themselves),
		cmocka_unit_test(hostile_names_stay_names),
		cmocka_unit_test(bad_rules_are_told_what_is_wrong),
		cmocka_unit_test(a_bad_configuration_changes_nothing),
		cmocka_unit_test(no_rules_are_rules),
		cmocka_unit_test(pods_are_captured),
	};

	return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
