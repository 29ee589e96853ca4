/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <prism/leg.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "host/note.h"
#include "host/pins.h"

#define MAX_DEPTH 8

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static DIR *open_dir_at(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

static const char *next_name(DIR *dir)
{
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return entry->d_name;
	return NULL;
}

static int module_path(const char *pin_root, const char *module, char *buf, struct error *e)
{
	if (!note_name_valid(module) || snprintf(buf, PATH_MAX, "%s/%s", pin_root, module) >= PATH_MAX)
		return error_set(e, EINVAL, pin_root, "no usable pin directory for module %s", module);
	return 0;
}

int pins_make(const char *pin_root, const char *module, struct error *e)
{
	char path[PATH_MAX];
	int r = module_path(pin_root, module, path, e);

	return r ? r : file_make_dirs(path, 0700, e);
}

void pins_list(const char *pin_root, const char *module, struct pins_list *ret)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	char path[PATH_MAX];
	const char *name;

	memset(ret, 0, sizeof(*ret));
	if (module_path(pin_root, module, path, NULL))
		return;
	dir = open_dir_at(AT_FDCWD, path);
	while (dir && (name = next_name(dir))) {
		char **grown = realloc(ret->name, (ret->n + 1) * sizeof(*grown));

		if (!grown)
			return;
		ret->name = grown;
		ret->name[ret->n] = strdup(name);
		ret->n += ret->name[ret->n] != NULL;
	}
}

bool pins_any(const char *pin_root, const char *module)
{
	struct pins_list list;
	bool any;

	pins_list(pin_root, module, &list);
	any = list.n;
	pins_list_done(&list);
	return any;
}

void pins_list_done(struct pins_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->name[i]);
	free(list->name);
	memset(list, 0, sizeof(*list));
}

static bool kept(const struct pins_list *keep, const char *name)
{
	for (size_t i = 0; keep && i < keep->n; i++)
		if (!strcmp(keep->name[i], name))
			return true;
	return false;
}

static int empty(int at, const char *name, const struct pins_list *keep, unsigned int depth)
{
	_cleanup_(close_dir) DIR *dir = NULL;
	const char *child;
	int r = 0;

	dir = depth < MAX_DEPTH ? open_dir_at(at, name) : NULL;
	if (!dir)
		return depth < MAX_DEPTH ? -errno : -ELOOP;
	while ((child = next_name(dir))) {
		int one = kept(keep, child) ? 0 : prism_leg_unpin(dirfd(dir), child);

		if (!one)
			continue;
		if (one == -EISDIR || one == -EPERM)
			one = empty(dirfd(dir), child, NULL, depth + 1);
		if (!one && unlinkat(dirfd(dir), child, AT_REMOVEDIR))
			one = -errno;
		r = r ? r : one;
	}
	return r;
}

int pins_remove(const char *pin_root, const char *module, const struct pins_list *keep, struct error *e)
{
	char path[PATH_MAX];
	int r = module_path(pin_root, module, path, e);

	if (r)
		return r;
	r = empty(AT_FDCWD, path, keep, 0);
	if (r == -ENOENT)
		return 0;
	if (!r && !(keep && keep->n) && rmdir(path))
		r = -errno;
	if (r == -EBUSY)
		return error_set(e, EBUSY, path,
				 "the link of an ejected scheduler stays: another scheduler is loaded, and this kernel "
				 "may disable that one when the link goes; restart prismd when the other one is gone");
	return r ? error_set(e, -r, path, "what the module pinned cannot be removed: %s; remove it by hand (rm -r)",
			     strerror(-r))
		 : 0;
}

void pins_sweep(const char *pin_root, bool (*keep)(void *arg, const char *name), void *arg)
{
	_cleanup_(close_dir) DIR *dir = open_dir_at(AT_FDCWD, pin_root);
	const char *name;

	while (dir && (name = next_name(dir))) {
		struct error e = {};

		if (!note_name_valid(name) || keep(arg, name))
			continue;
		if (pins_remove(pin_root, name, NULL, &e))
			log_problem(LOG_LEVEL_WARNING, "host", &e);
		else
			log_info("host", "%s/%s: removed what a module that is no longer enabled had pinned", pin_root,
				 name);
	}
}
