/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers: where the hash points, collisions, references, hold-back, adoption; and a model under random operations. */
#include "test.h"

#include <malloc.h>

#include "base/util.h"
#include "identity/entry.h"
#include "identity/table.h"

#define HOLD_NS (600 * NS_PER_SEC)
#define START_NS (1000 * NS_PER_SEC)

/* A canonical form by number; valid until the fourth next call. */
static const char *form(unsigned int i)
{
	static char buf[4][96];
	static unsigned int at;
	char *s = buf[at++ % 4];

	snprintf(s, sizeof(buf[0]), "io.prism/namespace=n;io.prism/serviceaccount=s;app=w%u", i);
	return s;
}

static uint32_t candidate(const char *s)
{
	return identity_candidate(s, strlen(s));
}

static struct identity *acquire(struct identity_table *t, const char *s, uint32_t prefer)
{
	struct identity *id = NULL;
	bool made;

	assert_int_equal(identity_acquire(t, s, prefer, START_NS, &id, &made), 0);
	assert_string_equal(id->canonical, s);
	return id;
}

/* Puts a stranger at a number, so that it is taken. */
static void occupy(struct identity_table *t, uint32_t number)
{
	struct entry *e;
	char s[96];

	snprintf(s, sizeof(s), "io.prism/namespace=occupied;io.prism/serviceaccount=;n=%u", number);
	assert_int_equal(identity_insert(t, s, number, &e), 0);
	identity_hold(t, e, START_NS);
}

/* ---- where the hash points ---- */

/* Computed by an independent SipHash-2-4. A change here renumbers every node: never without a migration. */
static void candidates_are_frozen(void **state)
{
	static const struct {
		const char *form;
		uint32_t number;
	} golden[] = {
		{"io.prism/namespace=;io.prism/serviceaccount=;", 8463410},
		{"io.prism/namespace=default;io.prism/serviceaccount=default;", 11360016},
		{"io.prism/namespace=shop;io.prism/serviceaccount=;app=checkout;tier=backend", 5097104},
		{"io.prism/namespace=team-a;io.prism/serviceaccount=api-sa;app=api;tier=frontend", 1238235},
		{"io.prism/namespace=team-b;io.prism/serviceaccount=api-sa;app=api;tier=frontend", 10223882},
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(golden); i++)
		assert_int_equal(candidate(golden[i].form), golden[i].number);
}

static void candidates_are_spread(void **state)
{
	unsigned int i, bins[16] = {0};
	uint32_t c;

	(void)state;
	for (i = 0; i < 160000; i++) {
		c = candidate(form(i));
		assert_in_range(c, PRISM_ID_FIRST, PRISM_ID_LAST);
		bins[c >> 20]++;
	}
	for (i = 0; i < ARRAY_SIZE(bins); i++)
		assert_in_range(bins[i], 9500, 10500);
}

/* The same number, whatever was there before it, as long as nobody has it. */
static void order_does_not_matter(void **state)
{
	struct identity_table *a = identity_table_new(HOLD_NS), *b = identity_table_new(HOLD_NS);
	unsigned int i;

	(void)state;
	for (i = 0; i < 500; i++)
		acquire(a, form(i), 0);
	for (i = 500; i-- > 0;)
		acquire(b, form(i), 0);
	for (i = 0; i < 500; i++) {
		struct identity *x = identity_by_canonical(a, form(i)), *y = identity_by_canonical(b, form(i));

		assert_int_equal(x->number, y->number);
		assert_int_equal(x->number, x->candidate);
		assert_ptr_equal(identity_by_number(a, x->number), x);
	}
	assert_null(identity_by_canonical(a, form(500)));
	assert_null(identity_by_number(a, 0));
	identity_table_free(a);
	identity_table_free(b);
}

/* ---- collisions ---- */

static void a_taken_slot_is_stepped_over(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	uint32_t c = candidate(form(1)), bucket = c & ~(IDENTITY_BUCKET_SIZE - 1);
	struct identity *id;
	uint32_t n;

	(void)state;
	occupy(t, c);
	id = acquire(t, form(1), 0);
	n = bucket | ((c + 1) & (IDENTITY_BUCKET_SIZE - 1));
	assert_int_equal(id->number, n);
	assert_int_equal(id->candidate, c);
	identity_table_free(t);

	/* To the end of the bucket, then on from its beginning. */
	t = identity_table_new(HOLD_NS);
	for (n = c; n < bucket + IDENTITY_BUCKET_SIZE; n++)
		occupy(t, n);
	assert_int_equal(acquire(t, form(1), 0)->number, bucket);
	identity_table_free(t);
}

/* Bucket 0 begins with the reserved numbers. */
static void the_reserved_range_is_never_given(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	unsigned int i = 0;
	uint32_t c, n;

	(void)state;
	do
		c = candidate(form(++i));
	while (c >= IDENTITY_BUCKET_SIZE);
	for (n = c; n < IDENTITY_BUCKET_SIZE; n++)
		occupy(t, n);
	assert_int_equal(acquire(t, form(i), 0)->number, PRISM_ID_FIRST);
	identity_table_free(t);

	t = identity_table_new(HOLD_NS);
	for (n = PRISM_ID_FIRST; n < IDENTITY_BUCKET_SIZE; n++)
		occupy(t, n);
	{
		struct identity *id = NULL;
		bool made;

		assert_int_equal(identity_acquire(t, form(i), 0, START_NS, &id, &made), -ENOSPC);
		assert_null(id);
	}
	identity_table_free(t);
}

static void a_full_bucket_is_an_error(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	uint32_t c = candidate(form(1)), bucket = c & ~(IDENTITY_BUCKET_SIZE - 1), n;
	struct identity *id = NULL;
	uint64_t version;
	bool made;

	(void)state;
	assert_int_not_equal(bucket, 0);
	for (n = bucket; n < bucket + IDENTITY_BUCKET_SIZE; n++)
		occupy(t, n);
	version = identity_table_version(t);
	assert_int_equal(identity_acquire(t, form(1), 0, START_NS, &id, &made), -ENOSPC);
	assert_null(id);
	assert_int_equal(identity_table_version(t), version);
	assert_int_equal(identity_live(t), 0);
	assert_null(identity_by_canonical(t, form(1)));
	/* Others are not affected, and room brings it in. */
	assert_int_equal(acquire(t, form(2), 0)->number, candidate(form(2)));
	identity_expire(t, START_NS + HOLD_NS, NULL, NULL);
	assert_int_equal(acquire(t, form(1), 0)->number, c);
	identity_table_free(t);
}

/* ---- references and hold-back ---- */

static void references_are_counted(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	struct identity *id, *again;
	bool made = false;

	(void)state;
	assert_int_equal(identity_acquire(t, form(1), 0, START_NS, &id, &made), 0);
	assert_true(made);
	assert_int_equal(identity_acquire(t, form(1), 0, START_NS, &again, &made), 0);
	assert_false(made);
	assert_ptr_equal(id, again);
	assert_int_equal(id->refs, 2);
	assert_int_equal(identity_live(t), 1);
	assert_false(identity_release(t, id, START_NS));
	assert_int_equal(identity_held(t), 0);
	assert_true(identity_release(t, id, START_NS));
	assert_int_equal(identity_live(t), 0);
	assert_int_equal(identity_held(t), 1);
	assert_ptr_equal(identity_by_canonical(t, form(1)), id);
	/* Back while it is held: the same one, and not made anew. */
	assert_int_equal(identity_acquire(t, form(1), 0, START_NS, &again, &made), 0);
	assert_false(made);
	assert_ptr_equal(id, again);
	assert_int_equal(identity_held(t), 0);
	assert_int_equal(identity_expire(t, UINT64_MAX, NULL, NULL), 0);
	assert_ptr_equal(identity_by_canonical(t, form(1)), id);
	identity_table_free(t);
}

static uint32_t freed[8];
static unsigned int n_freed;

static void note_freed(void *arg, const struct identity *id)
{
	(void)arg;
	assert_int_equal(id->refs, 0);
	freed[n_freed++] = id->number;
}

static void a_number_is_held_back(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	uint32_t c = candidate(form(1)), number[3];
	struct identity *id[3];
	unsigned int i;

	(void)state;
	for (i = 0; i < 3; i++) {
		id[i] = acquire(t, form(i), 0);
		number[i] = id[i]->number;
	}
	/* 2, 0, 1 go, a second apart. */
	identity_release(t, id[2], START_NS);
	identity_release(t, id[0], START_NS + NS_PER_SEC);
	identity_release(t, id[1], START_NS + 2 * NS_PER_SEC);
	n_freed = 0;
	assert_int_equal(identity_expire(t, START_NS + HOLD_NS - 1, note_freed, NULL), START_NS + HOLD_NS);
	assert_int_equal(n_freed, 0);
	/* Nobody else gets it, even if it asks by name. */
	assert_int_not_equal(acquire(t, form(7), c)->number, c);
	assert_int_equal(identity_expire(t, START_NS + HOLD_NS + NS_PER_SEC, note_freed, NULL),
			 START_NS + HOLD_NS + 2 * NS_PER_SEC);
	assert_int_equal(n_freed, 2);
	assert_int_equal(freed[0], number[2]);
	assert_int_equal(freed[1], number[0]);
	assert_null(identity_by_number(t, number[2]));
	assert_non_null(identity_by_number(t, number[1]));
	assert_int_equal(identity_expire(t, START_NS + HOLD_NS + 2 * NS_PER_SEC, note_freed, NULL), 0);
	assert_int_equal(n_freed, 3);
	assert_int_equal(identity_held(t), 0);
	assert_int_equal(acquire(t, form(8), c)->number, c);
	identity_table_free(t);
}

/* One in the middle of the queue of those held back comes to life again. */
static void the_queue_of_held_ones_mends(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	struct identity *id[5];
	unsigned int i;

	(void)state;
	for (i = 0; i < 5; i++)
		id[i] = acquire(t, form(i), 0);
	for (i = 0; i < 5; i++)
		identity_release(t, id[i], START_NS + i);
	acquire(t, form(2), 0);
	acquire(t, form(0), 0);
	acquire(t, form(4), 0);
	assert_int_equal(identity_held(t), 2);
	identity_release(t, id[0], START_NS + 10);
	n_freed = 0;
	identity_expire(t, START_NS + HOLD_NS + 9, note_freed, NULL);
	assert_int_equal(n_freed, 2);
	assert_int_equal(freed[0], candidate(form(1)));
	assert_int_equal(freed[1], candidate(form(3)));
	identity_expire(t, START_NS + HOLD_NS + 10, note_freed, NULL);
	assert_int_equal(n_freed, 3);
	assert_int_equal(identity_live(t), 2);
	identity_table_free(t);
}

static void hold_back_can_be_changed(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);

	(void)state;
	identity_table_set_hold_back(t, 0);
	identity_release(t, acquire(t, form(1), 0), START_NS);
	identity_expire(t, START_NS, NULL, NULL);
	assert_null(identity_by_canonical(t, form(1)));
	identity_table_free(t);
}

/* ---- adoption ---- */

static void a_preferred_number_is_taken_when_it_is_free(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	static const uint32_t never[] = {0, 1, PRISM_ID_FIRST - 1, PRISM_ID_LAST + 1, UINT32_MAX};
	unsigned int i;

	(void)state;
	assert_int_equal(acquire(t, form(1), 4711)->number, 4711);
	assert_int_equal(identity_by_canonical(t, form(1))->candidate, candidate(form(1)));
	/* Taken: it falls back on its hash. */
	assert_int_equal(acquire(t, form(2), 4711)->number, candidate(form(2)));
	/* It has a number already: one form, one number. */
	assert_int_equal(acquire(t, form(1), 4712)->number, 4711);
	for (i = 0; i < ARRAY_SIZE(never); i++)
		assert_int_equal(acquire(t, form(10 + i), never[i])->number, candidate(form(10 + i)));
	assert_int_equal(acquire(t, form(20), PRISM_ID_LAST)->number, PRISM_ID_LAST);
	assert_int_equal(acquire(t, form(21), PRISM_ID_FIRST)->number, PRISM_ID_FIRST);
	identity_table_free(t);
}

/* ---- what people see ---- */

static void names_are_read_back_from_the_form(void **state)
{
	static const struct {
		const char *form, *name, *ns, *sa;
		unsigned int n_labels;
	} cases[] = {
		{"io.prism/namespace=shop;io.prism/serviceaccount=web;app=checkout;tier=b", "shop/checkout", "shop",
		 "web", 2},
		{"io.prism/namespace=;io.prism/serviceaccount=;", "-/-", "", "", 0},
		{"io.prism/namespace=n;io.prism/serviceaccount=sa;", "n/sa", "n", "sa", 0},
		{"io.prism/namespace=n;io.prism/serviceaccount=;app=;unit=u", "n/u", "n", "", 2},
		{"io.prism/namespace=n;io.prism/serviceaccount=;app=a;app.kubernetes.io/name=b", "n/b", "n", "", 2},
		{"io.prism/namespace=a%3Bb;io.prism/serviceaccount=%25;app=x%0Ay", "a;b/x\ny", "a;b", "%", 1},
		{"io.prism/namespace=%00%zz%;io.prism/serviceaccount=%2;=", "%00%zz%/%2", "%00%zz%", "%2", 1},
	};
	struct identity_table *t = identity_table_new(HOLD_NS);
	struct prism_workload w;
	struct identity *id;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		id = acquire(t, cases[i].form, 0);
		assert_string_equal(id->name, cases[i].name);
		assert_string_equal(id->namespace_name, cases[i].ns);
		assert_string_equal(id->service_account, cases[i].sa);
		assert_int_equal(id->n_labels, cases[i].n_labels);
		assert_int_equal(id->hash, label_hash(cases[i].form, strlen(cases[i].form)));
	}
	id = identity_by_canonical(t, cases[0].form);
	id->policy = 0x20100;
	identity_workload(id, 5, &w);
	assert_int_equal(w.size, sizeof(w));
	assert_int_equal(w.flags, 0x20105);
	assert_string_equal(w.labels[1].key, "tier");
	assert_string_equal(w.labels[1].value, "b");
	identity_table_free(t);
}

static void what_is_no_form_is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "app=x",
					  "io.prism/namespace=n",
					  "io.prism/namespace=n;",
					  "io.prism/namespace=n;io.prism/serviceaccount=s",
					  "io.prism/serviceaccount=s;io.prism/namespace=n;",
					  "io.prism/namespace=n;io.prism/serviceaccount=s;app",
					  "io.prism/namespace=n;io.prism/serviceaccount=s;a=b;",
					  "io.prism/namespace=n;io.prism/serviceaccount=s;;",
					  " io.prism/namespace=n;io.prism/serviceaccount=s;"};
	struct identity_table *t = identity_table_new(HOLD_NS);
	struct identity *id;
	unsigned int i;
	bool made;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(identity_acquire(t, bad[i], 0, START_NS, &id, &made), -EINVAL);
	assert_int_equal(identity_table_version(t), 0);
	identity_table_free(t);
}

/* ---- versions ---- */

static void versions_rise_with_what_is_worth_keeping(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	uint64_t v = identity_table_version(t);
	struct identity *id;

	(void)state;
	id = acquire(t, form(1), 0);
	assert_true(identity_table_version(t) > v);
	v = identity_table_version(t);
	acquire(t, form(1), 0);
	identity_release(t, id, START_NS);
	assert_int_equal(identity_table_version(t), v); /* another reference is nothing to keep */
	identity_release(t, id, START_NS);
	assert_true(identity_table_version(t) > v);
	v = identity_table_version(t);
	identity_expire(t, START_NS, NULL, NULL);
	assert_int_equal(identity_table_version(t), v);
	acquire(t, form(1), 0);
	assert_true(identity_table_version(t) > v);
	v = identity_table_version(t);
	identity_release(t, id, START_NS);
	identity_expire(t, START_NS + HOLD_NS, NULL, NULL);
	assert_true(identity_table_version(t) > v + 1);
	identity_table_free(t);
}

/* ---- many ---- */

static void memory_comes_back(void **state)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	size_t before = 0;
	unsigned int round, i;

	(void)state;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 100000; i++)
			acquire(t, form(i), 0);
		assert_int_equal(identity_live(t), 100000);
		for (i = 0; i < 100000; i++)
			assert_true(identity_release(t, identity_by_canonical(t, form(i)), START_NS));
		assert_int_equal(identity_expire(t, START_NS + HOLD_NS, NULL, NULL), 0);
		assert_int_equal(identity_held(t) + identity_live(t), 0);
		/* The first round brings the allocator to its size. A sanitizer's allocator reports 0, and finds leaks.
		 */
		if (!round)
			before = mallinfo2().uordblks;
		else
			assert_in_range(mallinfo2().uordblks, 0, before + 65536);
	}
	identity_table_free(t);
}

/* ---- against a model ---- */

#define MODEL_FORMS 300

struct model {
	uint32_t number; /* 0: none */
	uint32_t refs;
	uint64_t held_until;
};

static void check_each(void *arg, struct identity *id)
{
	++*(unsigned int *)arg;
	assert_in_range(id->number, PRISM_ID_FIRST, PRISM_ID_LAST);
}

static void assert_equals_model(const struct identity_table *t, const struct model *m)
{
	unsigned int i, live = 0, held = 0, seen = 0;

	for (i = 0; i < MODEL_FORMS; i++) {
		const struct identity *id = identity_by_canonical(t, form(i));

		assert_int_equal(id ? id->number : 0, m[i].number);
		assert_int_equal(id ? id->refs : 0, m[i].refs);
		live += m[i].refs > 0;
		held += m[i].number && !m[i].refs;
	}
	assert_int_equal(identity_live(t), live);
	assert_int_equal(identity_held(t), held);
	identity_each(t, false, check_each, &seen);
	assert_int_equal(seen, live + held);
	seen = 0;
	identity_each(t, true, check_each, &seen);
	assert_int_equal(seen, live);
}

static void model_acquire(struct identity_table *t, struct model *m, unsigned int i, uint64_t now)
{
	/* Numbers that crowd in two small ranges, so that they meet. */
	uint32_t prefer = rand() % 2 ? PRISM_ID_FIRST + (uint32_t)rand() % 200 : 0;
	struct identity *id;
	unsigned int k;
	bool made;

	assert_int_equal(identity_acquire(t, form(i), prefer, now, &id, &made), 0);
	assert_int_equal(made, !m[i].number);
	if (m[i].number)
		assert_int_equal(id->number, m[i].number);
	/* Nobody who lives or is held back has this number. */
	for (k = 0; k < MODEL_FORMS; k++)
		if (k != i)
			assert_int_not_equal(m[k].number, id->number);
	m[i].number = id->number;
	m[i].refs++;
}

static void no_number_is_given_twice(void **state)
{
	static struct model m[MODEL_FORMS];
	struct identity_table *t = identity_table_new(HOLD_NS);
	uint64_t now = START_NS;
	unsigned int step, i, k;

	(void)state;
	srand(20);
	for (step = 0; step < 30000; step++) {
		i = (unsigned int)rand() % MODEL_FORMS;
		now += (uint64_t)rand() % (5 * NS_PER_SEC);
		if (rand() % 2) {
			model_acquire(t, m, i, now);
		} else if (m[i].refs) {
			identity_release(t, identity_by_canonical(t, form(i)), now);
			if (!--m[i].refs)
				m[i].held_until = now + HOLD_NS;
		}
		if (step % 50 == 0) {
			identity_expire(t, now, NULL, NULL);
			for (k = 0; k < MODEL_FORMS; k++)
				if (m[k].number && !m[k].refs && m[k].held_until <= now)
					m[k].number = 0;
		}
		if (step % 100 == 0)
			assert_equals_model(t, m);
	}
	identity_table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(candidates_are_frozen),
		cmocka_unit_test(candidates_are_spread),
		cmocka_unit_test(order_does_not_matter),
		cmocka_unit_test(a_taken_slot_is_stepped_over),
		cmocka_unit_test(the_reserved_range_is_never_given),
		cmocka_unit_test(a_full_bucket_is_an_error),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(a_number_is_held_back),
		cmocka_unit_test(the_queue_of_held_ones_mends),
		cmocka_unit_test(hold_back_can_be_changed),
		cmocka_unit_test(a_preferred_number_is_taken_when_it_is_free),
		cmocka_unit_test(names_are_read_back_from_the_form),
		cmocka_unit_test(what_is_no_form_is_refused),
		cmocka_unit_test(versions_rise_with_what_is_worth_keeping),
		cmocka_unit_test(memory_comes_back),
		cmocka_unit_test(no_number_is_given_twice),
	};

	return cmocka_run_group_tests_name("identity_table", tests, NULL, NULL);
}
