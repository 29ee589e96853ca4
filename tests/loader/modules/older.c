/* SPDX-License-Identifier: Apache-2.0 */
/* Built against ABI 1.0, whose host had no prism_condition(); what lies behind its descriptor is not of it. */
#include "fixture.h"

const struct prism_module prism_module = {.size = offsetof(struct prism_module, capabilities),
					  .abi_major = 1,
					  .abi_minor = 0,
					  .name = FIXTURE_NAME,
					  .version = "1.0",
					  .summary = "a fixture",
					  .capabilities = UINT64_MAX};
PRISM_MODULE_NOTE(FIXTURE_NAME, "1.0", 1, 0);
