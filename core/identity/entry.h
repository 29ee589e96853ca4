/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the identity table, shared by table.c, entry.c and store.c alone. */
#ifndef IDENTITY_ENTRY_H
#define IDENTITY_ENTRY_H

#include <uthash.h>

#include "identity/table.h"

struct entry {
	struct identity id;
	size_t canonical_len;
	struct entry *held_next, *held_prev; /* while refs == 0, in order of release */
	UT_hash_handle hh_number;
	UT_hash_handle hh_canonical;
};

struct identity_table {
	struct entry *by_number;
	struct entry *by_canonical;
	struct entry *held_first, *held_last;
	uint64_t hold_back_ns;
	uint64_t version;
	uint32_t live, held;
};

/* An entry with names and labels read back from its canonical form. -EINVAL when that is not one. */
int entry_new(const char *canonical, struct entry **ret);
void entry_free(struct entry *e);

/* Puts a form at a number; -EEXIST when either is taken, -ERANGE. The entry is neither live nor held yet. */
int identity_insert(struct identity_table *t, const char *canonical, uint32_t number, struct entry **ret);
/* Starts the hold-back of an entry without references. */
void identity_hold(struct identity_table *t, struct entry *e, uint64_t now_ns);

#endif
