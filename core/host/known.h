/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host keeps for an identity, by number: which modules were told that it is there (each hears ADDED once,
 * whether by replay or live), and which claim or refuse it by name. A module is a bit, its index.
 */
#ifndef HOST_KNOWN_H
#define HOST_KNOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

struct known {
	uint32_t number;
	uint64_t told;
	uint64_t on, off; /* exceptions from what the module says of all */
	uint64_t fresh;   /* exceptions that the present run of the module set, not the one before */
	UT_hash_handle hh;
};

struct known *known_find(struct known *const *table, uint32_t number);
/* Made if need be; NULL without memory. */
struct known *known_get(struct known **table, uint32_t number);
/* Frees records that say nothing any more. */
void known_put(struct known **table, struct known *k);
void known_free(struct known **table);

/* Clears the module's bit in every record: told, and exceptions (stale_only: only those that are not fresh). Returns
 * whether an exception went. */
bool known_drop(struct known **table, uint64_t bit, bool told, bool exceptions, bool stale_only);
/* A new run of the module begins: its exceptions are of the run before from now on. */
void known_age(struct known *table, uint64_t bit);

#endif
