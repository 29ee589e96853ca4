/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "fixture.h"

__attribute__((constructor)) static void give_up(void)
{
	abort();
}

FIXTURE();
FIXTURE_NOTE;
