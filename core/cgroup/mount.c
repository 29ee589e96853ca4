/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"

/* kernfs: the handle of a cgroup directory is its 64-bit id. */
#define FILEID_KERNFS 0xfe

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* Fields of proc_pid_mountinfo(5): id parent dev root mountpoint options [tags] - type source options. */
static bool parse_line(char *line, char **ret_root, char **ret_point, char **ret_type)
{
	char *field[6], *save = NULL, *dash;
	unsigned int i;

	dash = strstr(line, " - ");
	if (!dash)
		return false;
	*dash = '\0';
	*ret_type = strtok_r(dash + 3, " \n", &save);
	save = NULL;
	for (i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	*ret_root = field[3];
	*ret_point = field[4];
	return *ret_type != NULL;
}

int cgroup_mount_find(const char *mountinfo, char *ret_path, size_t size, struct error *e)
{
	const char *file = mountinfo ? mountinfo : "/proc/self/mountinfo";
	_cleanup_free_ char *line = NULL, *best = NULL;
	bool v1 = false, partial = false;
	size_t capacity = 0;
	FILE *f = fopen(file, "re");
	char *root, *point, *type;

	if (!f)
		return error_set(e, errno, file, "cannot be opened: %s", strerror(errno));
	while (getline(&line, &capacity, f) > 0) {
		if (!parse_line(line, &root, &point, &type))
			continue;
		v1 |= strcmp(type, "cgroup") == 0;
		if (strcmp(type, "cgroup2") != 0)
			continue;
		if (strcmp(root, "/") != 0) {
			partial = true;
			continue;
		}
		unescape(point);
		if (best && strlen(best) <= strlen(point))
			continue;
		free(best);
		best = strdup(point);
	}
	fclose(f);
	if (!best && partial)
		return error_set(
			e, ENOENT, file,
			"only a part of the cgroup v2 hierarchy is mounted here; give prismd the host's cgroup mount "
			"(in a container: mount the host's /sys/fs/cgroup, cgroupns=host)");
	if (!best)
		return error_set(e, ENOENT, file,
				 "no cgroup v2 hierarchy is mounted%s; boot with systemd.unified_cgroup_hierarchy=1, "
				 "or add one beside "
				 "v1: mkdir /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified",
				 v1 ? " (v1 only)" : "");
	if (strlen(best) >= size)
		return error_set(e, ENAMETOOLONG, best, "path is too long");
	strcpy(ret_path, best);
	return 0;
}

union handle {
	struct file_handle h;
	char bytes[sizeof(struct file_handle) + sizeof(uint64_t)];
};

int cgroup_id_of(int dir_fd, const char *path, uint64_t *ret_id)
{
	union handle handle = {.h.handle_bytes = sizeof(uint64_t)};
	int mount_id;

	if (name_to_handle_at(dir_fd, path, &handle.h, &mount_id, *path ? 0 : AT_EMPTY_PATH) < 0)
		return -errno;
	if (handle.h.handle_bytes != sizeof(uint64_t) || handle.h.handle_type != FILEID_KERNFS)
		return -ENOTSUP;
	memcpy(ret_id, handle.h.f_handle, sizeof(*ret_id));
	return 0;
}

int cgroup_path_of_id(int root_fd, const char *root, uint64_t id, char *ret_path, size_t size)
{
	union handle handle = {.h = {.handle_bytes = sizeof(uint64_t), .handle_type = FILEID_KERNFS}};
	char link[64], path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	const char *below = path;
	ssize_t n;

	memcpy(handle.h.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(root_fd, &handle.h, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return -errno;
	path[n] = '\0';
	/* The kernel appends this to the name of a directory that is gone. */
	if (n > 10 && strcmp(path + n - 10, " (deleted)") == 0)
		return -ESTALE;
	if (strcmp(root, "/") != 0) {
		size_t len = strlen(root);

		if (strncmp(path, root, len) != 0 || (path[len] && path[len] != '/'))
			return -EXDEV;
		below = path + len;
	}
	if ((size_t)snprintf(ret_path, size, "%s", *below ? below : "/") >= size)
		return -ENAMETOOLONG;
	return 0;
}

int cgroup_path_of_pid(int pid, char *ret_path, size_t size)
{
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	char file[64];
	int r = -ENOENT;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	f = fopen(file, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (r == -ENOENT && getline(&line, &capacity, f) > 0) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		r = (size_t)snprintf(ret_path, size, "%s", line + 3) >= size ? -ENAMETOOLONG : 0;
	}
	fclose(f);
	return r;
}

int cgroup_path_below(const char *root, const char *text, char *ret_path, size_t size)
{
	size_t len = strlen(root);
	int n;

	if (len > 1 && strncmp(text, root, len) == 0 && (text[len] == '/' || !text[len]))
		text += len;
	n = snprintf(ret_path, size, "%s%s", text[0] == '/' ? "" : "/", text);
	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	while (n > 1 && ret_path[n - 1] == '/')
		ret_path[--n] = '\0';
	return 0;
}
