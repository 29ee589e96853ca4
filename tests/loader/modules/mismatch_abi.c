/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

const struct prism_module prism_module = {.size = sizeof(struct prism_module),
					  .abi_major = PRISM_ABI_MAJOR,
					  .abi_minor = PRISM_ABI_MINOR + 1,
					  .name = FIXTURE_NAME,
					  .version = "1.0",
					  .summary = "a fixture"};
FIXTURE_NOTE;
