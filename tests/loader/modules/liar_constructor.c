/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"

/* Answers for the test-load, and dies: what a module writes to stdout is nobody's answer. */
__attribute__((constructor)) static void lie(void)
{
	printf("ok\n");
	fflush(stdout);
	_exit(0);
}

FIXTURE();
FIXTURE_NOTE;
