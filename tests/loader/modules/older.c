/* SPDX-License-Identifier: Apache-2.0 */
/* Built against ABI 1.0, whose host had no prism_condition(). */
#include "fixture.h"

const struct prism_module prism_module = {.size = sizeof(struct prism_module),
					  .abi_major = 1,
					  .abi_minor = 0,
					  .name = FIXTURE_NAME,
					  .version = "1.0",
					  .summary = "a fixture"};
PRISM_MODULE_NOTE(FIXTURE_NAME, "1.0", 1, 0);
