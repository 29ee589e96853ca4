/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "fixture.h"

__attribute__((constructor)) static void leave(void)
{
	_exit(7);
}

FIXTURE();
FIXTURE_NOTE;
