/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The facet registry: names to bits of a bus entry's flags. net 0, sched 1, trace 2 and lsm 3 are fixed; other names
 * get the next free of 4..7, then 18..30, and keep it across restarts: consumers compile the bit in, so a bit never
 * changes its name. Remembered in <state_dir>/facets, one `BIT NAME` a line, written atomically.
 */
#ifndef HOST_FACETS_H
#define HOST_FACETS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct facets;

/* Reads what is remembered. A damaged file is set aside as facets.damaged and reported in the log. */
int facets_new(const char *state_dir, struct facets **ret, struct error *e);
void facets_free(struct facets *f);

/*
 * The facet `name` is owner's now; *ret_bit is its bit. -EEXIST names both modules when another one owns it, -ENOSPC
 * when every bit has a name. A failed write of the file is an error and claims nothing.
 */
int facets_claim(struct facets *f, const char *name, const char *owner, int *ret_bit, struct error *e);
/* The error of a facet that `owner` has and `other` wants too. */
int facets_conflict(struct error *e, const char *name, const char *owner, const char *other);
/* Nothing is owner's any more; names stay remembered. */
void facets_release(struct facets *f, const char *owner);

/* NULL and "" when the bit has no name or nobody owns it. */
const char *facets_name(const struct facets *f, int bit);
const char *facets_owner(const struct facets *f, int bit);
bool facets_builtin(int bit);

/* "net,trace" for the facet bits in flags; a bit without a name is shown as its number. Returns buf. */
const char *facets_format(const struct facets *f, uint32_t flags, char *buf, size_t size);

#endif
