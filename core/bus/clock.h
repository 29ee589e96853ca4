/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's jiffies, by a BPF program that prismd runs on itself. */
#ifndef BUS_CLOCK_H
#define BUS_CLOCK_H

#include <stdint.h>

#include "metric/metric.h"

struct jiffies_clock;

/* -errno when this kernel cannot run it (before 5.14): the bus then goes without PRISM_FEATURE_STALE_JIFFIES. */
int jiffies_clock_new(struct metrics *metrics, struct jiffies_clock **ret);
void jiffies_clock_free(struct jiffies_clock *c);

/* jiffies64 that many ns from now. */
int jiffies_clock_after(const struct jiffies_clock *c, uint64_t ns, uint64_t *ret);

#endif
