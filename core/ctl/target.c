/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/target.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "cgroup/mount.h"

static const char *const names[] = {
	[TARGET_PID] = "pid",
	[TARGET_CGROUP] = "cgroup",
	[TARGET_UNIT] = "unit",
	[TARGET_POD] = "pod",
};

const char *target_kind_name(enum target_kind kind)
{
	return names[kind];
}

static bool is_cgroup(const char *text, int root_fd)
{
	struct stat st;

	return root_fd >= 0 && fstatat(root_fd, text, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* One slash, in the middle. */
static bool is_pod(const char *text)
{
	const char *slash = strchr(text, '/');

	return slash && slash > text && slash[1] && !strchr(slash + 1, '/');
}

static enum target_kind guess(const char *text, int root_fd)
{
	if (text[strspn(text, "0123456789")] == '\0')
		return TARGET_PID;
	if (is_pod(text) && !is_cgroup(text, root_fd))
		return TARGET_POD;
	return strchr(text, '/') || is_cgroup(text, root_fd) ? TARGET_CGROUP : TARGET_UNIT;
}

int target_parse(const char *text, const char *as, const char *root, int root_fd, struct target *ret, struct error *e)
{
	enum target_kind kind = guess(text, root_fd);
	size_t i = 0;

	if (!*text)
		return error_set(e, EINVAL, NULL, "nothing to explain: give a pid, a cgroup, a unit or a pod");
	if (as) {
		while (i < ARRAY_SIZE(names) && strcmp(names[i], as) != 0)
			i++;
		if (i == ARRAY_SIZE(names))
			return error_set(e, EINVAL, as, "not one of pid, cgroup, unit, pod");
		kind = (enum target_kind)i;
	}
	if (kind == TARGET_PID && (text[strspn(text, "0123456789")] || strlen(text) > 9 || atoi(text) < 1))
		return error_set(e, EINVAL, text, "not a process id");
	if (kind == TARGET_CGROUP ? cgroup_path_below(root, text, ret->text, sizeof(ret->text)) < 0
				  : (size_t)snprintf(ret->text, sizeof(ret->text), "%s", text) >= sizeof(ret->text))
		return error_set(e, ENAMETOOLONG, NULL, "too long");
	ret->kind = kind;
	return 0;
}

static bool names_unit(const char *directory, const char *unit)
{
	size_t len = strlen(unit);

	return strncmp(directory, unit, len) == 0 && (!directory[len] || strcmp(directory + len, ".service") == 0);
}

/* The first directory of this name, as systemd would name the unit's cgroup. */
static int find_unit(const char *unit, const char *root, char *ret_path, size_t size)
{
	char *const roots[] = {(char *)root, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOSTAT | FTS_NOCHDIR, NULL);
	int r = -ENOENT;
	FTSENT *f;

	if (!fts)
		return -errno;
	while (r == -ENOENT && (f = fts_read(fts))) {
		if (f->fts_info != FTS_D || f->fts_level < 1 || !names_unit(f->fts_name, unit))
			continue;
		r = (size_t)snprintf(ret_path, size, "%s", f->fts_path + strlen(root)) < size ? 0 : -ENAMETOOLONG;
	}
	fts_close(fts);
	return r;
}

static int find_cgroup(const char *path, const char *root, char *ret_path, size_t size, struct error *e)
{
	_cleanup_free_ char *full = NULL;
	struct stat st;

	if (asprintf(&full, "%s%s", root, path) < 0)
		return error_set(e, ENOMEM, NULL, "out of memory");
	if (stat(full, &st) < 0 || !S_ISDIR(st.st_mode))
		return error_set(e, ENOENT, path, "no such cgroup below %s", root);
	if ((size_t)snprintf(ret_path, size, "%s", path) >= size)
		return error_set(e, ENAMETOOLONG, path, "too long");
	return 0;
}

int target_find(const struct target *target, const char *root, char *ret_path, size_t size, struct error *e)
{
	int r;

	if (!*root)
		return error_set(e, ENOTSUP, NULL, "no cgroup v2 hierarchy is mounted");
	switch (target->kind) {
	case TARGET_PID:
		r = cgroup_path_of_pid(atoi(target->text), ret_path, size);
		if (r < 0)
			return error_set(e, r == -ENOENT || r == -ESRCH ? ENOENT : -r, target->text, "%s",
					 r == -ENOENT || r == -ESRCH ? "no such process" : strerror(-r));
		return 0;
	case TARGET_CGROUP:
		return find_cgroup(target->text, root, ret_path, size, e);
	case TARGET_POD:
		return error_set(e, ENOTCONN, target->text,
				 "prismd is not running, and only prismd knows pods: give a "
				 "cgroup or a pid of it");
	case TARGET_UNIT:
		r = find_unit(target->text, root, ret_path, size);
		return r < 0 ? error_set(e, -r, target->text, "no cgroup below %s is named like this unit", root) : 0;
	}
	return -EINVAL;
}
