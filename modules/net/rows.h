/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's side of the counter rows: who owns one, what it says, when it goes. A row is keyed by an identity's number
 * and never changes its owner: what an earlier owner of the number counted goes before the next one's first reading.
 * Errors: negative errno.
 */
#ifndef NET_ROWS_H
#define NET_ROWS_H

#include <stdint.h>

#include "net.h"

struct net_rows {
	int rows_fd;   /* borrowed */
	int owners_fd; /* borrowed */
	unsigned int cpus;
};

typedef void (*net_rows_fn)(void *arg, uint32_t identity, const struct net_row *total);

/* fds are borrowed for the life of rows. */
int net_rows_init(struct net_rows *rows, int rows_fd, int owners_fd);

/* There is a row for this identity, and it is this owner's. -E2BIG: the map is full. */
int net_rows_claim(struct net_rows *rows, uint32_t identity, uint64_t label_hash);

/* The row and its owner go; no error if there is none. */
int net_rows_drop(struct net_rows *rows, uint32_t identity);

/* Sum over all CPUs. -ENOENT without a row. ret_total is untouched on failure. */
int net_rows_read(const struct net_rows *rows, uint32_t identity, struct net_row *ret_total);

/* fn for every row. fn must not add or remove rows. */
int net_rows_each(const struct net_rows *rows, net_rows_fn fn, void *arg);

/* Sum over the CPUs of an element of a per-CPU map. */
int net_row_read(int map_fd, uint32_t key, unsigned int cpus, struct net_row *ret_total);

#endif
