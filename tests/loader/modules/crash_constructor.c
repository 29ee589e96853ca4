/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

__attribute__((constructor)) static void crash(void)
{
	*fixture_nowhere() = 1;
}

FIXTURE();
FIXTURE_NOTE;
