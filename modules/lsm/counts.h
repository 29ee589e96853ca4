/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions by identity and rule, and what became of their events, as the kernel side counts them. */
#ifndef LSM_COUNTS_H
#define LSM_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lsm.h"

typedef void (*counts_fn)(void *arg, const struct lsm_count_key *key, const struct lsm_count *count);

/* fn for each counter, summed over the CPUs, in no order. -errno. */
int counts_each(int fd, counts_fn fn, void *arg);

/* The counters that keep() does not want go. -errno. */
int counts_drop(int fd, bool (*keep)(void *arg, const struct lsm_count_key *key), void *arg);

/* What is kept of an identity's rate goes. -errno; no error if there is nothing. */
int rate_drop(int fd, uint32_t identity);

/* The sum over the CPUs. -errno, *ret_stats untouched then. */
int stats_read(int fd, struct lsm_stats *ret_stats);

#endif
