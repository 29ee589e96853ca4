/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canonical form <-> number. Hash first: the candidate is a keyed hash of the canonical form, so that every node comes
 * to the same number with nothing shared; a slot that another form holds is stepped over inside its bucket of 4096.
 * One number, one form, always: references are counted, and a number whose last reference went is held back before
 * anybody else may have it. Persistent: a text file, see store.h.
 */
#ifndef IDENTITY_TABLE_H
#define IDENTITY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "identity/canonical.h"

#define IDENTITY_BUCKET_BITS 12
#define IDENTITY_BUCKET_SIZE (1u << IDENTITY_BUCKET_BITS)

struct identity_table;

/* One number and its form. Read-only outside the room. */
struct identity {
	uint32_t number;
	uint32_t refs;          /* workloads that hold it; 0: held back */
	uint32_t policy;        /* flags of the latest workload (class, weight) */
	uint32_t n_cgroups;     /* entries on the bus; kept by the pipeline */
	uint64_t hash;          /* label_hash */
	uint64_t held_until_ns; /* CLOCK_REALTIME; meaningful while refs == 0 */
	uint32_t candidate;     /* where the hash pointed; != number when it stepped over a collision */
	bool adopted;           /* was on disk when this run began */
	void *workloads;        /* the pipeline's list of those that hold it */
	bool queued;            /* the pipeline has yet to say that it arrived or changed */
	const char *canonical;
	const char *name; /* "shop/checkout" */
	const char *namespace_name;
	const char *service_account;
	struct prism_label *labels; /* those that count, from the canonical form */
	uint32_t n_labels;
};

struct identity_table *identity_table_new(uint64_t hold_back_ns);
void identity_table_free(struct identity_table *t);
void identity_table_set_hold_back(struct identity_table *t, uint64_t hold_back_ns);

/*
 * Takes a reference on the identity of this form, making it if need be (*ret_made). prefer: a number that the adopted
 * bus shows for this form's cgroup, taken when it is free or already this form's; 0: none. now_ns: CLOCK_REALTIME.
 * -ENOSPC when the bucket is full, -ENOMEM.
 */
int identity_acquire(struct identity_table *t, const char *canonical, uint32_t prefer, uint64_t now_ns,
		     struct identity **ret, bool *ret_made);
/* Gives a reference back. At zero the number is held back; true then. */
bool identity_release(struct identity_table *t, struct identity *id, uint64_t now_ns);

struct identity *identity_by_number(const struct identity_table *t, uint32_t number);
struct identity *identity_by_canonical(const struct identity_table *t, const char *canonical);

/* Frees those whose hold-back ended, telling fn first (may be NULL). Returns when the next one ends (0: none). */
uint64_t identity_expire(struct identity_table *t, uint64_t now_ns, void (*fn)(void *arg, const struct identity *id),
			 void *arg);

/* Iterates in no order; fn must not acquire or release. live_only: refs > 0. */
void identity_each(const struct identity_table *t, bool live_only, void (*fn)(void *arg, struct identity *id),
		   void *arg);
uint32_t identity_live(const struct identity_table *t);
uint32_t identity_held(const struct identity_table *t);
/* Rises with every change worth persisting. */
uint64_t identity_table_version(const struct identity_table *t);

/* Where the hash points, in [PRISM_ID_FIRST, PRISM_ID_LAST]. */
uint32_t identity_candidate(const char *canonical, size_t len);

/* A borrowed view for modules; labels stay the identity's. */
void identity_workload(const struct identity *id, uint32_t facets, struct prism_workload *ret);

#endif
