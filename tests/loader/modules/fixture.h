/* SPDX-License-Identifier: Apache-2.0 */
/* What every fixture begins with; CMake gives FIXTURE_NAME. A fixture differs from a sound module in one thing. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <prism/host.h>

#define FIXTURE(...)                                                                                                   \
	const struct prism_module prism_module = {PRISM_MODULE_HEADER, .name = FIXTURE_NAME, .version = "1.0",         \
						  .summary = "a fixture", __VA_ARGS__}
#define FIXTURE_NOTE PRISM_MODULE_NOTE(FIXTURE_NAME, "1.0", PRISM_ABI_MAJOR, PRISM_ABI_MINOR)

/* A pointer to nothing that no compiler sees through. */
static inline int *fixture_nowhere(void)
{
	static int *volatile nowhere;

	return nowhere;
}

#endif
