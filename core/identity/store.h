/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identity table on disk: <state_dir>/identities, text, one line an identity, checked by a sum over all of it,
 * written atomically. A damaged file is set aside (`identities.damaged`), reported, and costs nothing but the numbers
 * of displaced identities: all others come back from their hash.
 */
#ifndef IDENTITY_STORE_H
#define IDENTITY_STORE_H

#include "base/text.h"
#include "identity/table.h"

void identity_store_format(const struct identity_table *t, uint64_t now_ns, struct text *out);
/* Loads into an empty table: every identity is held back from now for at least the hold-back. -EBADMSG when damaged. */
int identity_store_parse(struct identity_table *t, const char *data, size_t len, uint64_t now_ns, struct error *e);

int identity_store_load(struct identity_table *t, const char *path, uint64_t now_ns, struct error *e);

#endif
