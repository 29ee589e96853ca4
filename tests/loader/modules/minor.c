/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

FIXTURE();
PRISM_MODULE_NOTE(FIXTURE_NAME, "1.0", PRISM_ABI_MAJOR, PRISM_ABI_MINOR + 7);
