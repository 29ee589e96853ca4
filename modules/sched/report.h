/* SPDX-License-Identifier: Apache-2.0 */
/* What sched says of itself: metrics, and what it does with one workload and why not. */
#ifndef SCHED_REPORT_H
#define SCHED_REPORT_H

#include <prism/host.h>

#include "attach.h"

#define REPORT_METRICS 21

extern const struct prism_metric report_metrics[REPORT_METRICS];

/* threads: that partial mode has taken; 0 in full mode. */
void report_collect(const struct attach *attach, uint64_t threads, struct prism_sink *sink);

void report_explain(const struct attach *attach, const struct prism_workload *workload, struct prism_text *out);

#endif
