/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include "host/known.h"

struct known *known_find(struct known *const *table, uint32_t number)
{
	struct known *k;

	HASH_FIND(hh, *table, &number, sizeof(number), k);
	return k;
}

struct known *known_get(struct known **table, uint32_t number)
{
	struct known *k = known_find(table, number);

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	k->number = number;
	HASH_ADD(hh, *table, number, sizeof(k->number), k);
	if (!k->hh.tbl) {
		free(k);
		return NULL;
	}
	return k;
}

void known_put(struct known **table, struct known *k)
{
	if (k->told || k->on || k->off)
		return;
	HASH_DEL(*table, k);
	free(k);
}

void known_free(struct known **table)
{
	struct known *k, *next;

	HASH_ITER (hh, *table, k, next) {
		HASH_DEL(*table, k);
		free(k);
	}
}

bool known_drop(struct known **table, uint64_t bit, bool told, bool exceptions, bool stale_only)
{
	struct known *k, *next;
	bool went = false;

	HASH_ITER (hh, *table, k, next) {
		if (told)
			k->told &= ~bit;
		if (exceptions && !(stale_only && (k->fresh & bit))) {
			went |= ((k->on | k->off) & bit) != 0;
			k->on &= ~bit;
			k->off &= ~bit;
		}
		known_put(table, k);
	}
	return went;
}

void known_age(struct known *table, uint64_t bit)
{
	struct known *k, *next;

	HASH_ITER (hh, table, k, next) {
		k->fresh &= ~bit;
	}
}
