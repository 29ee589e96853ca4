/* SPDX-License-Identifier: Apache-2.0 */
/* Real cgroups of a test's own, below prism-test-<pid> of the v2 hierarchy, gone afterwards whatever happens. */
#ifndef UNIT_CGROUP_WORLD_H
#define UNIT_CGROUP_WORLD_H

#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/util.h"
#include "cgroup/mount.h"

static char mount_point[256]; /* of the v2 hierarchy */
static char top[300];         /* mount_point/prism-test-<pid> */

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if (type == FTW_DP)
		rmdir(path);
	return 0;
}

static inline void remove_cgroups(void)
{
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* False, and said, when this machine has no v2 hierarchy that the test may write. */
static inline bool name_cgroups(void)
{
	struct error e = {0};

	if (cgroup_mount_find(NULL, mount_point, sizeof(mount_point), &e) < 0) {
		fprintf(stderr, "SKIPPED: %s\n", e.text);
		return false;
	}
	snprintf(top, sizeof(top), "%s/prism-test-%d", mount_point, (int)getpid());
	if (mkdir(top, 0755) < 0) {
		fprintf(stderr, "SKIPPED: %s: %s\n", top, strerror(errno));
		return false;
	}
	return true;
}

/* The path of a cgroup below top; "" for top. Valid until the fourth next call. */
static inline const char *below(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned int at;
	char *s = path[at++ % 4];

	snprintf(s, PATH_MAX, "%s%s%s", top, *name ? "/" : "", name);
	return s;
}

static inline void make(const char *name)
{
	if (mkdir(below(name), 0755) < 0)
		fail_msg("mkdir %s: %s", below(name), strerror(errno));
}

static inline void unmake(const char *name)
{
	if (rmdir(below(name)) < 0)
		fail_msg("rmdir %s: %s", below(name), strerror(errno));
}

#endif
