/* SPDX-License-Identifier: Apache-2.0 */
/* From labels to the canonical form, its hash and its policy flags; checked against the vectors. */
#include "test.h"

#include "base/util.h"
#include "identity/canonical.h"

static struct label_filter *defaults;

static int make_filter(void **state)
{
	(void)state;
	return label_filter_default(&defaults);
}

static int free_filter(void **state)
{
	(void)state;
	label_filter_free(defaults);
	return 0;
}

/* The canonical form; the caller frees it. */
static char *canonical(const char *ns, const char *sa, const struct prism_label *labels, size_t n)
{
	struct workload_spec spec = {.namespace_name = ns, .service_account = sa, .labels = labels, .n_labels = n};
	struct text out = {0};

	assert_int_equal(canonical_form(&spec, defaults, &out), 0);
	return text_take(&out);
}

static void assert_canonical(const char *ns, const char *sa, const struct prism_label *labels, size_t n,
			     const char *expected)
{
	char *form = canonical(ns, sa, labels, n);

	assert_string_equal(form, expected);
	free(form);
}

/* ---- vectors ---- */

static void check_hash(char *const *field)
{
	uint64_t expected = strtoull(field[1], NULL, 16);

	if (label_hash(field[0], strlen(field[0])) != expected)
		fail_msg("label_hash(\"%s\") is %016llx, not %s", field[0],
			 (unsigned long long)label_hash(field[0], strlen(field[0])), field[1]);
}

static void label_hash_vectors(void **state)
{
	(void)state;
	assert_int_equal(each_vector("label-hash.tsv", 2, check_hash), 27);
}

/* Takes a canonical text apart by hand, gives the parts in reverse order, and gets the same text. */
static void check_form(char *const *field)
{
	static const char ns_is[] = "io.prism/namespace=", sa_is[] = "io.prism/serviceaccount=";
	char copy[512], *rest = copy, *ns, *sa, *part;
	struct prism_label labels[8];
	size_t n = 0, i;

	if (strncmp(field[0], ns_is, strlen(ns_is)) != 0)
		return; /* a text for the hash alone */
	snprintf(copy, sizeof(copy), "%s", field[0]);
	ns = strsep(&rest, ";") + strlen(ns_is);
	sa = strsep(&rest, ";") + strlen(sa_is);
	while (*rest && (part = strsep(&rest, ";"))) {
		for (i = n++; i > 0; i--)
			labels[i] = labels[i - 1];
		labels[0].key = strsep(&part, "=");
		labels[0].value = part;
		if (!rest)
			break;
	}
	assert_canonical(ns, sa, labels, n, field[0]);
	/* What does not count changes nothing. */
	labels[n++] = (struct prism_label){.key = "pod-template-hash", .value = "5d4f"};
	labels[n++] = (struct prism_label){.key = "prism.io/weight", .value = "64"};
	assert_canonical(ns, sa, labels, n, field[0]);
}

static void canonical_vectors(void **state)
{
	(void)state;
	each_vector("label-hash.tsv", 2, check_form);
}

static void check_policy(char *const *field)
{
	uint32_t expected = (uint32_t)strtoul(field[4], NULL, 16);
	uint32_t flags = policy_flags(field[0], field[1], NULL);

	if (flags != expected || PRISM_FLAGS_CLASS(flags) != strtoul(field[2], NULL, 10) ||
	    PRISM_FLAGS_WEIGHT(flags) != strtoul(field[3], NULL, 10))
		fail_msg("policy_flags(\"%s\", \"%s\") is %#x, not %s", field[0], field[1], flags, field[4]);
}

static void policy_vectors(void **state)
{
	(void)state;
	assert_int_equal(each_vector("policy.tsv", 5, check_policy), 77);
}

/* ---- policy ---- */

static void policy_that_cannot_be_read_is_said(void **state)
{
	static const struct {
		const char *latency_class, *weight;
		unsigned int bad;
	} cases[] = {
		{NULL, NULL, 0},      {"", "", 0},
		{" \t", " ", 0},      {"normal", "1", 0},
		{"turbo", NULL, 1},   {NULL, "0", 2},
		{NULL, "-1", 2},      {NULL, "+1", 2},
		{NULL, "1.5", 2},     {NULL, "0x10", 2},
		{"critica", "9", 1},  {"criticall", "9", 1},
		{NULL, "1 2", 2},     {NULL, "18446744073709551616", 2},
		{NULL, " 7 ", 0},     {"x", "y", 3},
		{"NORMAL", "128", 0}, {NULL, "9223372036854775807", 0},
	};
	unsigned int i, bad;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bad = 77;
		policy_flags(cases[i].latency_class, cases[i].weight, &bad);
		if (bad != cases[i].bad)
			fail_msg("case %u: bad is %u, not %u", i, bad, cases[i].bad);
	}
}

static void classes_have_names(void **state)
{
	(void)state;
	assert_string_equal(latency_class_name(policy_flags(NULL, "5", NULL)), "unset");
	assert_string_equal(latency_class_name(policy_flags("latency-critical", NULL, NULL)), "critical");
	assert_string_equal(latency_class_name(policy_flags("normal", NULL, NULL)), "normal");
	assert_string_equal(latency_class_name(policy_flags("batch", NULL, NULL)), "batch");
	assert_string_equal(latency_class_name(7u << PRISM_CLASS_SHIFT), "reserved");
}

/* ---- the form ---- */

static void labels_are_sorted_bytewise(void **state)
{
	const struct prism_label labels[] = {{"b", "1"},   {"a.b", "2"}, {"a", "3"},        {"A", "4"},
					     {"a-b", "5"}, {"ab", "6"},  {"\xc3\xa4", "7"}, {"a/b", "8"}};
	struct prism_label shuffled[ARRAY_SIZE(labels)];
	const char *expected = "io.prism/namespace=n;io.prism/serviceaccount=s;"
			       "A=4;a=3;a-b=5;a.b=2;a/b=8;ab=6;b=1;\xc3\xa4=7";
	unsigned int round, i, j;

	(void)state;
	memcpy(shuffled, labels, sizeof(labels));
	srand(1);
	for (round = 0; round < 200; round++) {
		for (i = ARRAY_SIZE(labels) - 1; i > 0; i--) {
			struct prism_label t = shuffled[i];

			j = (unsigned int)rand() % (i + 1);
			shuffled[i] = shuffled[j];
			shuffled[j] = t;
		}
		assert_canonical("n", "s", shuffled, ARRAY_SIZE(labels), expected);
	}
}

static void nothing_is_not_left_out(void **state)
{
	const struct prism_label empty[] = {{"k", ""}, {"", "v"}};

	(void)state;
	assert_canonical(NULL, NULL, NULL, 0, "io.prism/namespace=;io.prism/serviceaccount=;");
	assert_canonical("", "", NULL, 0, "io.prism/namespace=;io.prism/serviceaccount=;");
	assert_canonical("n", "", empty, 2, "io.prism/namespace=n;io.prism/serviceaccount=;=v;k=");
}

static void structure_is_encoded(void **state)
{
	const struct prism_label labels[] = {{"a=b;c%", "d=e;f%\n\x1f\x7f"}};

	(void)state;
	assert_canonical("n;m", "s%\t", labels, 1,
			 "io.prism/namespace=n%3Bm;io.prism/serviceaccount=s%25%09;"
			 "a%3Db%3Bc%25=d=e%3Bf%25%0A%1F%7F");
}

/* Different inputs never meet in one form, whatever bytes they have. */
static void forms_are_injective(void **state)
{
	static const struct {
		const char *ns, *sa, *key, *value;
	} twins[][2] = {
		{{"a;io.prism/serviceaccount=b", "c", "k", "v"}, {"a", "b;io.prism/serviceaccount=c", "k", "v"}},
		{{"n", "s", "a", "b;c=d"}, {"n", "s", "a;c", "b=d"}},
		{{"n", "s", "a=b", "c"}, {"n", "s", "a", "b=c"}},
		{{"n", "s", "a", "%3B"}, {"n", "s", "a", ";"}},
		{{"n", "s;x=y", "a", "b"}, {"n", "s", "x", "y;a=b"}},
		{{"n%", "s", "a", "b"}, {"n%25", "s", "a", "b"}},
		{{"n", "s", "a", "\xff"}, {"n", "s", "a", "%FF"}},
	};
	unsigned int i, k;
	char *form[2];

	(void)state;
	for (i = 0; i < ARRAY_SIZE(twins); i++) {
		for (k = 0; k < 2; k++) {
			const struct prism_label label = {twins[i][k].key, twins[i][k].value};

			form[k] = canonical(twins[i][k].ns, twins[i][k].sa, &label, 1);
		}
		assert_string_not_equal(form[0], form[1]);
		free(form[0]);
		free(form[1]);
	}
}

/* Copying a victim's labels does not give its identity: namespace and service account are the API server's word. */
static void copied_labels_are_another_identity(void **state)
{
	const struct prism_label victim[] = {{"app", "api"}, {"tier", "frontend"}};
	const struct prism_label forged[] = {{"app", "api"},
					     {"io.prism/namespace", "team-a"},
					     {"io.prism/serviceaccount", "api-sa"},
					     {"tier", "frontend"}};
	char *form[4];
	unsigned int i, k;

	(void)state;
	form[0] = canonical("team-a", "api-sa", victim, 2);
	form[1] = canonical("team-b", "api-sa", victim, 2);
	form[2] = canonical("team-a", "other-sa", victim, 2);
	form[3] = canonical("", "", forged, 4);
	for (i = 0; i < 4; i++)
		for (k = i + 1; k < 4; k++)
			assert_string_not_equal(form[i], form[k]);
	assert_int_equal(label_hash(form[0], strlen(form[0])), 0x5a4b2da1079a555e);
	assert_int_equal(label_hash(form[1], strlen(form[1])), 0x19414f81e122a7a9);
	assert_int_equal(label_hash(form[2], strlen(form[2])), 0xde8a2b78bc3437b8);
	for (i = 0; i < 4; i++)
		free(form[i]);
}

/* ---- which labels count ---- */

static void default_filter(void **state)
{
	static const char *const out[] = {"pod-template-hash",
					  "controller-revision-hash",
					  "pod-template-generation",
					  "controller-uid",
					  "batch.kubernetes.io/controller-uid",
					  "job-name",
					  "batch.kubernetes.io/job-name",
					  "batch.kubernetes.io/job-completion-index",
					  "statefulset.kubernetes.io/pod-name",
					  "apps.kubernetes.io/pod-index",
					  "topology.kubernetes.io/zone",
					  "kubectl.kubernetes.io/x",
					  LABEL_LATENCY_CLASS,
					  LABEL_WEIGHT,
					  "prism.io/"};
	static const char *const in[] = {"app", "job-name2", "pod-template",     "prism.i", "topology.kubernetes.iox",
					 "",    "Job-Name",  "x/prism.io/weight"};
	const char *pattern = "?";
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(out); i++)
		if (label_counts(defaults, out[i], NULL))
			fail_msg("%s counts", out[i]);
	for (i = 0; i < ARRAY_SIZE(in); i++)
		if (!label_counts(defaults, in[i], NULL))
			fail_msg("%s does not count", in[i]);
	label_counts(defaults, "prism.io/weight", &pattern);
	assert_string_equal(pattern, "prism.io/*");
	label_counts(defaults, "app", &pattern);
	assert_null(pattern);
}

static void include_wins(void **state)
{
	const char *const exclude[] = {"*", NULL}, *const include[] = {"app", "team/*", NULL}, *const none[] = {NULL};
	const struct prism_label labels[] = {{"z", "1"}, {"app", "x"}, {"team/b", "2"}, {"team/a", "3"}};
	struct workload_spec spec = {.namespace_name = "n", .service_account = "s", .labels = labels, .n_labels = 4};
	struct text out = {0};
	struct label_filter *f;
	const char *pattern;

	(void)state;
	assert_int_equal(label_filter_new(exclude, include, &f), 0);
	assert_int_equal(canonical_form(&spec, f, &out), 0);
	assert_string_equal(out.data, "io.prism/namespace=n;io.prism/serviceaccount=s;app=x;team/a=3;team/b=2");
	assert_true(label_counts(f, "team/a", &pattern));
	assert_string_equal(pattern, "team/*");
	assert_false(label_counts(f, "team", &pattern));
	assert_string_equal(pattern, "*");
	label_filter_free(f);
	/* An empty list is not the default list. */
	assert_int_equal(label_filter_new(none, NULL, &f), 0);
	assert_true(label_counts(f, "pod-template-hash", NULL));
	label_filter_free(f);
	label_filter_free(NULL);
	text_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(label_hash_vectors),      cmocka_unit_test(canonical_vectors),
		cmocka_unit_test(policy_vectors),          cmocka_unit_test(policy_that_cannot_be_read_is_said),
		cmocka_unit_test(classes_have_names),      cmocka_unit_test(labels_are_sorted_bytewise),
		cmocka_unit_test(nothing_is_not_left_out), cmocka_unit_test(structure_is_encoded),
		cmocka_unit_test(forms_are_injective),     cmocka_unit_test(copied_labels_are_another_identity),
		cmocka_unit_test(default_filter),          cmocka_unit_test(include_wins),
	};

	return cmocka_run_group_tests_name("canonical", tests, make_filter, free_filter);
}
