// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "leg_internal.h"

int leg__pin_path(char *path, size_t size, const char *dir, const char *prefix, const char *name)
{
	int n = snprintf(path, size, "%s/%s%s", dir, prefix, name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int new_path(char *path, size_t size, const char *final)
{
	const char *name = strrchr(final, '/');
	char dir[PATH_MAX];

	if (!name || (size_t)(name - final) >= sizeof(dir))
		return -EINVAL;
	memcpy(dir, final, name - final);
	dir[name - final] = '\0';
	return leg__pin_path(path, size, dir, "new-", name + 1);
}

int leg__pin_over(int fd, const char *path)
{
	char temporary[PATH_MAX];
	int r;

	r = new_path(temporary, sizeof(temporary), path);
	if (r < 0)
		return r;
	if (unlink(temporary) < 0 && errno != ENOENT)
		return -errno;
	r = bpf_obj_pin(fd, temporary);
	if (r < 0)
		return r;
	if (rename(temporary, path) < 0) {
		r = -errno;
		unlink(temporary);
		return r;
	}
	return 0;
}

int leg__unpin_all(const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (unlinkat(dirfd(d), entry->d_name, 0) < 0 && errno != ENOENT && !r)
			r = -errno;
	}
	closedir(d);
	return r;
}
