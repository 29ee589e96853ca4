/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static const struct prism_event_type events[] = {{.name = "one", .help = "One."}};

const struct prism_module prism_module = {.size = sizeof(struct prism_module),
					  .abi_major = PRISM_ABI_MAJOR,
					  .abi_minor = PRISM_ABI_MINOR,
					  .name = FIXTURE_NAME,
					  .version = "1.0",
					  .summary = "a fixture",
					  .events = events,
					  .n_events = 1,
					  .event_size = 8};
FIXTURE_NOTE;
