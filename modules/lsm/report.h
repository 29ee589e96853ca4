/* SPDX-License-Identifier: Apache-2.0 */
/* What lsm says of itself: metrics, losses, and why a workload is treated as it is. */
#ifndef LSM_REPORT_H
#define LSM_REPORT_H

#include "assign.h"
#include "events.h"
#include "leg.h"

#define REPORT_METRICS 9

extern const struct prism_metric report_metrics[REPORT_METRICS];

/* Events that were not reported, as far as that was told. */
struct report_losses {
	uint64_t dropped;
	uint64_t limited;
};

/* What is lost already belongs to an earlier start. */
void report_losses_begin(int stats_fd, struct report_losses *ret_losses);
/* An lsm.lost event for each reason for which more were lost since; whether there was one. */
bool report_losses(struct prism_host *host, int stats_fd, struct report_losses *losses);

/* The module's collect() and explain(). earlier: names of rules that are gone; counters of theirs may still be there.
 */
void report_collect(struct prism_host *host, struct prism_sink *sink, const struct leg *leg,
		    const struct assign *assign, const struct catalog *earlier);
void report_explain(struct prism_host *host, struct prism_text *out, const struct leg *leg, const struct assign *assign,
		    const struct lsm_config *config, const struct prism_workload *workload);

#endif
