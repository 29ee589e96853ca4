/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static const struct prism_metric metrics[] = {
	{.name = "prism_fixture_things", .kind = PRISM_METRIC_COUNTER, .help = "Things."},
};

FIXTURE(.metrics = metrics, .n_metrics = 1);
FIXTURE_NOTE;
