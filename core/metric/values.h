/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct metrics, for the files of this room. */
#ifndef METRIC_VALUES_H
#define METRIC_VALUES_H

#include "metric/metric.h"

struct cell;
struct program;

struct histogram {
	uint64_t *counts; /* n_buckets + 1 */
	double sum;
	uint64_t n;
};

struct metrics {
	double plain[METRIC_COUNT]; /* families without labels */
	struct cell *cells[METRIC_COUNT];
	struct histogram histogram[METRIC_COUNT];
	struct program *programs; /* in the order of their addition */
};

void programs_done(struct metrics *m);

#endif
