// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "leg_internal.h"

int leg__pin_path(char *path, size_t size, const char *dir, const char *prefix, const char *name)
{
	int n = snprintf(path, size, "%s/%s%s", dir, prefix, name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int leg__pin_name(char *name, size_t size, const char *prefix, const char *of)
{
	int n = snprintf(name, size, "%s%s", prefix, of);

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

/* Before its name goes: one that cannot be unlinked does not act either. */
static int detach(int dir_fd, const char *name)
{
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir_fd, name);

	/* Not through a symbolic link: what that points to is somebody else's. */
	if (n < 0 || (size_t)n >= sizeof(path) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	if (leg__disables_another(fd))
		return -EBUSY;
	/* On maps and programs it is -EINVAL, on links that go with their last reference -EOPNOTSUPP. */
	bpf_link_detach(fd);
	return 0;
}

int prism_leg_unpin(int dir_fd, const char *name)
{
	int r = detach(dir_fd, name);

	if (r < 0)
		return r;
	return unlinkat(dir_fd, name, 0) < 0 ? -errno : 0;
}

int leg__unpin_all(const char *dir)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int r = 0, one;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(d))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		one = prism_leg_unpin(dirfd(d), entry->d_name);
		if (one < 0 && one != -ENOENT && !r)
			r = one;
	}
	closedir(d);
	return r;
}
