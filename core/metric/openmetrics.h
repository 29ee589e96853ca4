/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text format itself: OpenMetrics 1.0 (github.com/OpenObservability/OpenMetrics), which metric.c and sink.c share.
 * Metadata goes out as TYPE, UNIT, HELP, in this order; metrics_plain() counts on TYPE coming first.
 */
#ifndef METRIC_OPENMETRICS_H
#define METRIC_OPENMETRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <prism/module.h>

#include "base/text.h"

/* May this declaration be published? Names, kind, suffixes, labels and buckets as the format demands; by_identity
 * reserves the labels that the host adds. */
bool openmetrics_valid(const struct prism_metric *m);

/* TYPE, UNIT (when the name carries it, as the format demands) and HELP. */
void openmetrics_head(const struct prism_metric *m, struct text *out);

/* `key="value"` with a comma before it when *first is false; value may be any bytes. */
void openmetrics_label(struct text *out, const char *key, const char *value, bool *first);

/* A value: whole numbers in full, others as few digits as give the same double back. */
void openmetrics_number(struct text *out, double value);
/* A bucket's bound in the format's canonical spelling: 0.001, 1.0, 1e+06. */
void openmetrics_bound(struct text *out, double bound);

/* `name{labels} value`. labels without braces, "" for none. */
void openmetrics_sample(const struct prism_metric *m, const char *labels, double value, struct text *out);
/* The lines of one histogram: counts has n_buckets + 1 members, each bucket's own. */
void openmetrics_histogram(const struct prism_metric *m, const char *labels, const uint64_t *counts, double sum,
			   struct text *out);

#endif
