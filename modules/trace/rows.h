/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the identities, as the kernel side keeps them: how many events, how many over the rate. */
#ifndef TRACE_ROWS_H
#define TRACE_ROWS_H

#include <stdint.h>

#include "trace.h"

typedef void (*trace_rows_fn)(void *arg, uint32_t identity, const struct trace_row *row);

/* There is a row for this identity. -E2BIG: the map is full. */
int trace_rows_claim(int fd, uint32_t identity);
/* No error if there is none. */
int trace_rows_drop(int fd, uint32_t identity);
/* -ENOENT without a row. */
int trace_rows_read(int fd, uint32_t identity, struct trace_row *ret_row);
/* fn for every row. fn must not add or remove rows. */
int trace_rows_each(int fd, trace_rows_fn fn, void *arg);
/* What became of all events: the sum over the CPUs. */
int trace_counts_read(int fd, struct trace_counts *ret_counts);

#endif
