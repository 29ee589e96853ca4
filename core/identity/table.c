/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/util.h"
#include "identity/entry.h"

/*
 * The key is public and the same everywhere: numbers must agree between nodes that share nothing. It is here so that
 * the candidate is a keyed hash whose key a cluster could change, and differs from every other use of SipHash.
 */
static const unsigned char candidate_key[crypto_shorthash_KEYBYTES] = "prism identity 1";

uint32_t identity_candidate(const char *canonical, size_t len)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t hash = 0;
	unsigned int i;

	crypto_shorthash(out, (const unsigned char *)canonical, len, candidate_key);
	for (i = 0; i < sizeof(out); i++)
		hash |= (uint64_t)out[i] << (8 * i);
	return PRISM_ID_FIRST + (uint32_t)(hash % (PRISM_ID_LAST - PRISM_ID_FIRST + 1));
}

struct identity_table *identity_table_new(uint64_t hold_back_ns)
{
	struct identity_table *t = calloc(1, sizeof(*t));

	if (t)
		t->hold_back_ns = hold_back_ns;
	return t;
}

void identity_table_free(struct identity_table *t)
{
	struct entry *e, *next;

	if (!t)
		return;
	e = t->by_number;
	/* Frees the tables, which are reached through their first entry, and leaves the entries and their order. */
	HASH_CLEAR(hh_number, t->by_number);
	HASH_CLEAR(hh_canonical, t->by_canonical);
	for (; e; e = next) {
		next = e->hh_number.next;
		entry_free(e);
	}
	free(t);
}

void identity_table_set_hold_back(struct identity_table *t, uint64_t hold_back_ns)
{
	t->hold_back_ns = hold_back_ns;
}

static struct entry *find_number(const struct identity_table *t, uint32_t number)
{
	struct entry *e;

	HASH_FIND(hh_number, t->by_number, &number, sizeof(number), e);
	return e;
}

static struct entry *find_canonical(const struct identity_table *t, const char *canonical, size_t len)
{
	struct entry *e;

	HASH_FIND(hh_canonical, t->by_canonical, canonical, (unsigned int)len, e);
	return e;
}

struct identity *identity_by_number(const struct identity_table *t, uint32_t number)
{
	struct entry *e = find_number(t, number);

	return e ? &e->id : NULL;
}

struct identity *identity_by_canonical(const struct identity_table *t, const char *canonical)
{
	struct entry *e = find_canonical(t, canonical, strlen(canonical));

	return e ? &e->id : NULL;
}

/* The first free slot of the candidate's bucket from the candidate on; 0 when the bucket is full. */
static uint32_t free_slot(const struct identity_table *t, uint32_t candidate)
{
	uint32_t bucket = candidate & ~(IDENTITY_BUCKET_SIZE - 1);
	uint32_t i, number;

	for (i = 0; i < IDENTITY_BUCKET_SIZE; i++) {
		number = bucket | ((candidate + i) & (IDENTITY_BUCKET_SIZE - 1));
		if (number >= PRISM_ID_FIRST && !find_number(t, number))
			return number;
	}
	return 0;
}

int identity_insert(struct identity_table *t, const char *canonical, uint32_t number, struct entry **ret)
{
	struct entry *e;
	int r;

	if (number < PRISM_ID_FIRST || number > PRISM_ID_LAST)
		return -ERANGE;
	r = entry_new(canonical, &e);
	if (r < 0)
		return r;
	if (find_number(t, number) || find_canonical(t, e->id.canonical, e->canonical_len)) {
		entry_free(e);
		return -EEXIST;
	}
	e->id.number = number;
	e->id.candidate = identity_candidate(e->id.canonical, e->canonical_len);
	e->id.hash = label_hash(e->id.canonical, e->canonical_len);
	HASH_ADD(hh_number, t->by_number, id.number, sizeof(e->id.number), e);
	HASH_ADD_KEYPTR(hh_canonical, t->by_canonical, e->id.canonical, e->canonical_len, e);
	t->version++;
	*ret = e;
	return 0;
}

static void hold(struct identity_table *t, struct entry *e, uint64_t now_ns)
{
	e->id.held_until_ns = now_ns + t->hold_back_ns;
	e->held_next = NULL;
	e->held_prev = t->held_last;
	if (t->held_last)
		t->held_last->held_next = e;
	else
		t->held_first = e;
	t->held_last = e;
	t->held++;
}

void identity_hold(struct identity_table *t, struct entry *e, uint64_t now_ns)
{
	hold(t, e, now_ns);
}

static void unhold(struct identity_table *t, struct entry *e)
{
	if (e->held_prev)
		e->held_prev->held_next = e->held_next;
	else
		t->held_first = e->held_next;
	if (e->held_next)
		e->held_next->held_prev = e->held_prev;
	else
		t->held_last = e->held_prev;
	e->held_next = e->held_prev = NULL;
	t->held--;
}

int identity_acquire(struct identity_table *t, const char *canonical, uint32_t prefer, uint64_t now_ns,
		     struct identity **ret, bool *ret_made)
{
	size_t len = strlen(canonical);
	struct entry *e = find_canonical(t, canonical, len);
	bool made = !e;
	uint32_t number;
	int r;

	(void)now_ns;
	if (!e) {
		number = prefer >= PRISM_ID_FIRST && prefer <= PRISM_ID_LAST && !find_number(t, prefer)
				 ? prefer
				 : free_slot(t, identity_candidate(canonical, len));
		if (!number)
			return -ENOSPC;
		r = identity_insert(t, canonical, number, &e);
		if (r < 0)
			return r;
	} else if (e->id.refs == 0) {
		unhold(t, e);
		t->version++;
	}
	if (e->id.refs++ == 0)
		t->live++;
	*ret = &e->id;
	*ret_made = made;
	return 0;
}

bool identity_release(struct identity_table *t, struct identity *id, uint64_t now_ns)
{
	struct entry *e = container_of(id, struct entry, id);

	if (--id->refs)
		return false;
	t->live--;
	hold(t, e, now_ns);
	t->version++;
	return true;
}

uint64_t identity_expire(struct identity_table *t, uint64_t now_ns, void (*fn)(void *arg, const struct identity *id),
			 void *arg)
{
	struct entry *e;

	/* In order of release, so the oldest is first; a clock that was set back only holds longer. */
	while ((e = t->held_first) && e->id.held_until_ns <= now_ns) {
		if (fn)
			fn(arg, &e->id);
		unhold(t, e);
		HASH_DELETE(hh_number, t->by_number, e);
		HASH_DELETE(hh_canonical, t->by_canonical, e);
		entry_free(e);
		t->version++;
	}
	return t->held_first ? t->held_first->id.held_until_ns : 0;
}

void identity_each(const struct identity_table *t, bool live_only, void (*fn)(void *arg, struct identity *id),
		   void *arg)
{
	struct entry *e;

	for (e = t->by_number; e; e = e->hh_number.next)
		if (!live_only || e->id.refs)
			fn(arg, &e->id);
}

uint32_t identity_live(const struct identity_table *t)
{
	return t->live;
}

uint32_t identity_held(const struct identity_table *t)
{
	return t->held;
}

uint64_t identity_table_version(const struct identity_table *t)
{
	return t->version;
}

void identity_workload(const struct identity *id, uint32_t facets, struct prism_workload *ret)
{
	*ret = (struct prism_workload){
		.size = sizeof(*ret),
		.identity = id->number,
		.flags = id->policy | facets,
		.n_cgroups = id->n_cgroups,
		.label_hash = id->hash,
		.name = id->name,
		.namespace_name = id->namespace_name,
		.service_account = id->service_account,
		.canonical = id->canonical,
		.labels = id->labels,
		.n_labels = id->n_labels,
		.label_size = sizeof(struct prism_label),
	};
}
