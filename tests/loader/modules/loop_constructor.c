/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

__attribute__((constructor)) static void loop(void)
{
	for (;;)
		__asm__ volatile("");
}

FIXTURE();
FIXTURE_NOTE;
