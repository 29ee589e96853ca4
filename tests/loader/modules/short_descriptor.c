/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

const struct prism_module prism_module = {.size = 24, .abi_major = PRISM_ABI_MAJOR, .abi_minor = PRISM_ABI_MINOR};
FIXTURE_NOTE;
