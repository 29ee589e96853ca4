/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "fixture.h"

__attribute__((constructor)) static void wait_for_ever(void)
{
	for (;;)
		pause();
}

FIXTURE();
FIXTURE_NOTE;
