// SPDX-License-Identifier: Apache-2.0
#include "topology.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>

#define CACHES_MAX 8u /* index0..: level 1 data and code, 2, 3, 4 */

/* The first number in the file. */
static bool read_first(const char *dir, uint32_t cpu, uint32_t cache, const char *name, uint32_t *ret)
{
	char path[PATH_MAX];
	bool found;
	FILE *f;

	if ((size_t)snprintf(path, sizeof(path), "%s/cpu%u/cache/index%u/%s", dir, cpu, cache, name) >= sizeof(path))
		return false;
	f = fopen(path, "re");
	if (!f)
		return false;
	found = fscanf(f, "%u", ret) == 1;
	fclose(f);
	return found;
}

/* The lowest CPU of those that share the cache of the highest level with this one. */
static bool first_sharer(const char *dir, uint32_t cpu, uint32_t *ret)
{
	uint32_t highest = 0, level, sharer;

	for (uint32_t i = 0; i < CACHES_MAX; i++) {
		if (!read_first(dir, cpu, i, "level", &level) || level <= highest ||
		    !read_first(dir, cpu, i, "shared_cpu_list", &sharer))
			continue;
		highest = level;
		*ret = sharer;
	}
	return highest > 0;
}

uint32_t topology_llcs(const char *dir, uint32_t n, uint32_t max, uint32_t *llc_of)
{
	uint32_t llcs = 0, sharer;

	for (uint32_t cpu = 0; cpu < n; cpu++) {
		llc_of[cpu] = 0;
		if (!first_sharer(dir, cpu, &sharer))
			continue;
		if (sharer < cpu)
			llc_of[cpu] = llc_of[sharer];
		else
			llc_of[cpu] = llcs < max ? llcs++ : max - 1;
	}
	return llcs ? llcs : 1;
}
