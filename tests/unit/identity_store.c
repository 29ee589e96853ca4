/* SPDX-License-Identifier: Apache-2.0 */
/* The identity table on disk: there and back, and every kind of damage. */
#include "test.h"

#include <inttypes.h>
#include <sodium.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "identity/store.h"

#define HOLD_NS (600 * NS_PER_SEC)
#define NOW_NS (5000 * NS_PER_SEC)
#define FORM "io.prism/namespace=n;io.prism/serviceaccount=s;app="

static void fill(struct identity_table *t, unsigned int n)
{
	struct identity *id;
	unsigned int i;
	char s[96];
	bool made;

	for (i = 0; i < n; i++) {
		snprintf(s, sizeof(s), FORM "w%u%%3B\xc3\xa4", i);
		assert_int_equal(identity_acquire(t, s, i % 3 ? 0 : 300 + i, NOW_NS, &id, &made), 0);
		if (i % 2)
			identity_release(t, id, NOW_NS);
	}
}

static int parse(const char *data, size_t len, struct error *e)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	/* Of exactly its size, so that a byte too far is a finding of the sanitizer. */
	char *exact = malloc(len ? len : 1);
	int r;

	if (len)
		memcpy(exact, data, len);
	*e = (struct error){0};
	r = identity_store_parse(t, exact, len, NOW_NS, e);
	assert_int_equal(e->code, -r);
	free(exact);
	identity_table_free(t);
	return r;
}

static void compare(void *arg, struct identity *id)
{
	const struct identity *other = identity_by_canonical(arg, id->canonical);

	assert_non_null(other);
	assert_int_equal(other->number, id->number);
	assert_int_equal(other->candidate, id->candidate);
	assert_int_equal(other->hash, id->hash);
	assert_int_equal(other->refs, 0);
	assert_true(other->adopted);
	assert_int_equal(other->held_until_ns, NOW_NS + HOLD_NS);
}

static void there_and_back(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS), *back = identity_table_new(HOLD_NS);
	struct text out = {0}, again = {0};
	struct error e = {0};
	struct identity *id;
	bool made;

	(void)state;
	fill(t, 500);
	text_append(&out, "before");
	identity_store_format(t, NOW_NS, &out);
	assert_int_equal(identity_store_parse(back, out.data + 6, out.len - 6, NOW_NS, &e), 0);
	assert_int_equal(identity_live(back), 0);
	assert_int_equal(identity_held(back), 500);
	identity_each(t, false, compare, back);
	/* It is held back for all others and comes back to its own. */
	assert_int_equal(identity_acquire(back, FORM "other", 300, NOW_NS, &id, &made), 0);
	assert_int_not_equal(id->number, 300);
	assert_int_equal(identity_acquire(back, FORM "w0%3B\xc3\xa4", 0, NOW_NS, &id, &made), 0);
	assert_int_equal(id->number, 300);
	assert_false(made);
	identity_store_format(t, NOW_NS, &again);
	assert_string_equal(again.data, out.data + 6);
	identity_table_free(t);
	identity_table_free(back);
	text_done(&out);
	text_done(&again);
}

static void an_empty_table_is_a_table(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	struct text out = {0};
	struct error e;

	(void)state;
	identity_store_format(t, NOW_NS, &out);
	assert_int_equal(parse(out.data, out.len, &e), 0);
	identity_table_free(t);
	text_done(&out);
}

/* ---- damage ---- */

static void every_truncation_is_seen(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	struct text out = {0};
	struct error e;
	size_t len;

	(void)state;
	fill(t, 20);
	identity_store_format(t, NOW_NS, &out);
	assert_int_equal(parse(out.data, out.len, &e), 0);
	for (len = 0; len < out.len; len++) {
		assert_int_equal(parse(out.data, len, &e), -EBADMSG);
		assert_true(strlen(e.text) > 0);
		assert_int_equal(parse(out.data + len + 1, out.len - len - 1, &e), -EBADMSG);
	}
	identity_table_free(t);
	text_done(&out);
}

static void every_flipped_bit_is_seen(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	struct text out = {0};
	struct error e;
	size_t bit;

	(void)state;
	fill(t, 20);
	identity_store_format(t, NOW_NS, &out);
	for (bit = 0; bit < out.len * 8; bit++) {
		out.data[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(parse(out.data, out.len, &e), -EBADMSG);
		out.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(parse(out.data, out.len, &e), 0);
	identity_table_free(t);
	text_done(&out);
}

/* Adds the sum that belongs to the body: what somebody wrote who knew how. */
static int parse_body(const char *body, size_t len, struct error *e)
{
	static const unsigned char key[crypto_shorthash_KEYBYTES] = "prism table sum";
	unsigned char hash[crypto_shorthash_BYTES];
	struct text whole = {0};
	uint64_t sum;
	int r;

	crypto_shorthash(hash, (const unsigned char *)body, len, key);
	memcpy(&sum, hash, sizeof(sum));
	text_append_n(&whole, body, len);
	text_appendf(&whole, "sum\t%016" PRIx64 "\n", sum);
	r = parse(whole.data, whole.len, e);
	text_done(&whole);
	return r;
}

static void bad_content_with_a_good_sum_is_refused(void **state)
{
#define HEAD "prism-identities\t1\n"
	static const struct {
		const char *body, *why;
	} cases[] = {
		{"", "it does not begin with"},
		{"prism-identities\t2\n", "another version"},
		{"prism-identities 1\n", "another version"},
		{"\n" HEAD, "another version"},
		{HEAD "300\t0\t" FORM "a\n300\t0\t" FORM "b\n", "line 3: this number or this form stands twice"},
		{HEAD "300\t0\t" FORM "a\n301\t0\t" FORM "a\n", "line 3: this number or this form stands twice"},
		{HEAD "0\t0\t" FORM "a\n", "line 2: this number is reserved"},
		{HEAD "255\t0\t" FORM "a\n", "line 2: this number is reserved"},
		{HEAD "16777216\t0\t" FORM "a\n", "line 2 is not"},
		{HEAD "18446744073709551872\t0\t" FORM "a\n", "line 2 is not"},
		{HEAD "-18446744073709551316\t0\t" FORM "a\n", "line 2 is not"},
		{HEAD " 300\t0\t" FORM "a\n", "line 2 is not"},
		{HEAD "+300\t0\t" FORM "a\n", "line 2 is not"},
		{HEAD "0x300\t0\t" FORM "a\n", "line 2 is not"},
		{HEAD "300\t\t" FORM "a\n", "line 2 is not"},
		{HEAD "300\t99999999999999999999\t" FORM "a\n", "line 2 is not"},
		{HEAD "300\t0\n", "line 2 is not"},
		{HEAD "300\n", "line 2 is not"},
		{HEAD "\n", "line 2 is not"},
		{HEAD "300\t0\t\n", "line 2: this is no canonical form"},
		{HEAD "300\t0\tapp=x\n", "line 2: this is no canonical form"},
		{HEAD "300\t0\t" FORM "a;\n", "line 2: this is no canonical form"},
		{HEAD "300\t0\t" FORM "a\tb\n", "line 2 is not"},
		{HEAD "300\t0\t" FORM "a\r\n", "line 2 is not"},
		{HEAD "300\t0\t" FORM "\x7f\n", "line 2 is not"},
	};
	struct error e;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse_body(cases[i].body, strlen(cases[i].body), &e), -EBADMSG);
		assert_contains(e.text, cases[i].why);
	}
	assert_int_equal(parse_body(HEAD "300\t0\t" FORM "a\n", strlen(HEAD "300\t0\t" FORM "a\n"), &e), 0);
	assert_int_equal(parse_body(HEAD "300\t0\t" FORM "a\0b\n", sizeof(HEAD "300\t0\t" FORM "a\0b\n") - 1, &e),
			 -EBADMSG);
}

/* ---- files ---- */

static void a_file_is_loaded(void **state)
{
	char path[] = "/tmp/prism-test-store-XXXXXX";
	struct identity_table *t = identity_table_new(HOLD_NS), *back = identity_table_new(HOLD_NS);
	struct text out = {0};
	struct error e = {0};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(identity_store_load(back, path, NOW_NS, &e), -EBADMSG); /* empty: not written by us */
	assert_string_equal(e.where, path);
	fill(t, 10);
	identity_store_format(t, NOW_NS, &out);
	assert_int_equal(file_write_atomic(path, out.data, out.len, 0600, &e), 0);
	assert_int_equal(identity_store_load(back, path, NOW_NS, &e), 0);
	assert_int_equal(identity_held(back), 10);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(identity_store_load(back, path, NOW_NS, &e), -ENOENT);
	identity_table_free(t);
	identity_table_free(back);
	text_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(an_empty_table_is_a_table),
		cmocka_unit_test(every_truncation_is_seen),
		cmocka_unit_test(every_flipped_bit_is_seen),
		cmocka_unit_test(bad_content_with_a_good_sum_is_refused),
		cmocka_unit_test(a_file_is_loaded),
	};

	return cmocka_run_group_tests_name("identity_store", tests, NULL, NULL);
}
