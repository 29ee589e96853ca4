// SPDX-License-Identifier: Apache-2.0
#include "topology.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#define CACHES_MAX 8u /* index0..: level 1 data and code, 2, 3, 4 */
#define GUESSED (1u << 31)

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

/* The link to its node is what sysfs keeps of a CPU that is offline. */
static bool read_node(const char *dir, uint32_t cpu, uint32_t *ret)
{
	const struct dirent *entry;
	char path[PATH_MAX];
	bool found = false;
	DIR *files;

	if ((size_t)snprintf(path, sizeof(path), "%s/cpu%u", dir, cpu) >= sizeof(path))
		return false;
	files = opendir(path);
	while (files && !found && (entry = readdir(files)))
		found = sscanf(entry->d_name, "node%u", ret) == 1;
	if (files)
		closedir(files);
	return found;
}

static bool is_in_node(const char *dir, uint32_t cpu, uint32_t node)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s/cpu%u/node%u", dir, cpu, node) < sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* That of the CPU of the same node, if it has one, whose number is nearest; 0 if there is none. */
static uint32_t guess(const char *dir, uint32_t n, const uint32_t *llc_of, uint32_t cpu)
{
	uint32_t node;
	bool has_node = read_node(dir, cpu, &node);

	for (uint32_t away = 1; away < n; away++) {
		const uint32_t near[] = {cpu - away, cpu + away};

		for (int i = 0; i < 2; i++)
			if (near[i] < n && !(llc_of[near[i]] & GUESSED) &&
			    (!has_node || is_in_node(dir, near[i], node)))
				return llc_of[near[i]];
	}
	return 0;
}

uint32_t topology_llcs(const char *dir, uint32_t n, uint32_t max, uint32_t *llc_of)
{
	uint32_t llcs = 0, sharer;

	for (uint32_t cpu = 0; cpu < n; cpu++) {
		if (!first_sharer(dir, cpu, &sharer))
			llc_of[cpu] = GUESSED;
		else if (sharer < cpu)
			llc_of[cpu] = llc_of[sharer];
		else
			llc_of[cpu] = llcs < max ? llcs++ : max - 1;
	}
	for (uint32_t cpu = 0; cpu < n; cpu++)
		if (llc_of[cpu] & GUESSED)
			llc_of[cpu] = guess(dir, n, llc_of, cpu) | GUESSED;
	for (uint32_t cpu = 0; cpu < n; cpu++)
		llc_of[cpu] &= ~GUESSED;
	return llcs ? llcs : 1;
}
