/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

const struct prism_module prism_module = {PRISM_MODULE_HEADER, .name = "somebody-else", .version = "1.0",
					  .summary = "a fixture"};
FIXTURE_NOTE;
