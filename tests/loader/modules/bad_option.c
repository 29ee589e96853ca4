/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static const struct prism_option options[] = {
	{.name = "level", .kind = PRISM_OPTION_INT, .min = 1, .max = 9, .fallback = "10", .help = "How much."},
};

FIXTURE(.options = options, .n_options = 1);
FIXTURE_NOTE;
