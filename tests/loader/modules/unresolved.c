/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

extern int prism_fixture_nowhere(void);

static int start(void *self)
{
	(void)self;
	return prism_fixture_nowhere();
}

FIXTURE(.start = start);
FIXTURE_NOTE;
