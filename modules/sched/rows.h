/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters, as the kernel side keeps them: of the classes, and of each identity. The kernel side makes a row when
 * an identity first runs; this side gives it back when nobody has the number any more. Errors: negative errno.
 */
#ifndef SCHED_ROWS_H
#define SCHED_ROWS_H

#include <prism/host.h>

#include "sched.h"

/* The fds of the pinned maps; borrowed for as long as the object is loaded. */
struct rows {
	struct prism_host *host;
	int rows_fd;
	int index_fd;
	int free_fd;
	int stats_fd;
};

typedef void (*rows_fn)(void *arg, const struct sched_row *row);

/* What the module's identity() does about them: an earlier owner's row goes, and that of a number that nobody has. */
void rows_identity(const struct rows *rows, enum prism_change change, const struct prism_workload *workload);

/* -ENOENT: the identity has not run yet, or there was no room for it. */
int rows_read(const struct rows *rows, uint32_t identity, struct sched_row *ret_row);
/* fn for every row. */
int rows_each(const struct rows *rows, rows_fn fn, void *arg);
/* Sum over the CPUs; the longest wait is the longest of all. */
int rows_read_stats(const struct rows *rows, struct sched_stats *ret_stats);

#endif
