/* SPDX-License-Identifier: Apache-2.0 */
/* The core's metric families as data: the one place that has their names, kinds, labels and help. */
#ifndef METRIC_FAMILY_H
#define METRIC_FAMILY_H

#include "metric/metric.h"

#define FAMILY_MAX_LABELS 2

struct family {
	struct prism_metric m;
	/* Label values that exist from the start, at 0, so that a rate() over them has a beginning; NULL-terminated. */
	const char *const *preset;
};

extern const struct family core_families[METRIC_COUNT];

#endif
