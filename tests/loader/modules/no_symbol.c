/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

extern const int prism_fixture_something;
__attribute__((visibility("default"))) const int prism_fixture_something = 1;
FIXTURE_NOTE;
