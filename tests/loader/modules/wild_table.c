/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

FIXTURE(.options = (const struct prism_option *)64, .n_options = 3);
FIXTURE_NOTE;
