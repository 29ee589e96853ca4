/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bpf/bpf.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"

#define BPFFS "/sys/fs/bpf"
#define READ_BATCH 4096u

static bool on_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == BPF_FS_MAGIC;
}

/* The nearest existing ancestor of dir decides on which filesystem it will be. */
static void existing_parent(const char *dir, char *buf, size_t size)
{
	struct stat st;
	char *slash;

	snprintf(buf, size, "%s", dir);
	while (stat(buf, &st) < 0) {
		slash = strrchr(buf, '/');
		if (!slash || slash == buf) {
			snprintf(buf, size, "/");
			return;
		}
		*slash = '\0';
	}
}

static int check_filesystem(const char *dir, struct error *e)
{
	char parent[PATH_MAX];

	existing_parent(dir, parent, sizeof(parent));
	if (on_bpffs(parent))
		return 0;
	/* bpffs has one customary place; whoever needs it first mounts it, as systemd and bpftool do. */
	if (strncmp(dir, BPFFS "/", strlen(BPFFS "/")) == 0 && strcmp(parent, BPFFS) == 0) {
		if (mount("bpf", BPFFS, "bpf", 0, "mode=0700") < 0)
			return error_set(e, errno, BPFFS, "bpffs is not mounted and mounting it failed: %s",
					 strerror(errno));
		log_info("bus", "mounted bpffs at " BPFFS);
		return 0;
	}
	return error_set(e, ENOTSUP, dir,
			 "is not in a BPF filesystem; `mount -t bpf bpf " BPFFS
			 "` makes one, or set bus.dir to a directory in one");
}

/* One writer a bus: the lock goes with its holder, however that ends. */
static int lock_dir(int fd, const char *dir, struct error *e)
{
	char pin[PATH_MAX];
	struct prism_meta meta = {0};
	uint32_t zero = 0;
	_cleanup_close_ int meta_fd = -1;
	int r = file_lock(fd);

	if (r == 0)
		return 0;
	if (r != -EWOULDBLOCK)
		return error_set(e, -r, dir, "cannot be locked: %s", strerror(-r));
	snprintf(pin, sizeof(pin), "%s/" PRISM_META_MAP, dir);
	meta_fd = bpf_obj_get(pin);
	if (meta_fd >= 0)
		bpf_map_lookup_elem(meta_fd, &zero, &meta);
	return error_set(e, EBUSY, dir,
			 "another prismd (pid %u) writes this bus; stop it, or set bus.dir to another directory",
			 meta.writer_pid);
}

static int map_info(int fd, struct bpf_map_info *info)
{
	uint32_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_map_get_info_by_fd(fd, info, &len);
}

/* Opens a pin; -ENOENT: none. What is there must have this shape (entries 0: any). */
static int adopt(const char *pin, uint32_t type, uint32_t key_size, uint32_t value_size, struct bpf_map_info *info,
		 struct error *e)
{
	_cleanup_close_ int fd = bpf_obj_get(pin);

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0)
		return error_set(e, errno, pin,
				 "is there but cannot be opened as a map: %s; move it away or set bus.dir",
				 strerror(errno));
	if (map_info(fd, info) < 0)
		return error_set(e, EINVAL, pin, "is there but is not a map; move it away or set bus.dir");
	if (info->type != type || info->key_size != key_size || info->value_size != value_size ||
	    !(info->map_flags & BPF_F_RDONLY_PROG))
		return error_set(e, EEXIST, pin,
				 "is a foreign map, not Prism's: type %u, key %u, value %u bytes, flags %#x where type "
				 "%u, key %u, "
				 "value %u, flags with %#x belong; nothing was touched: move it away or set bus.dir",
				 info->type, info->key_size, info->value_size, info->map_flags, type, key_size,
				 value_size, BPF_F_RDONLY_PROG);
	return TAKE_FD(fd);
}

static int create(const char *name, uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t entries,
		  uint32_t flags, struct error *e)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create((enum bpf_map_type)type, name, key_size, value_size, entries, &opts);

	if (fd < 0)
		return error_set(e, errno, name, "the map of %u entries cannot be made: %s%s", entries, strerror(errno),
				 errno == EPERM ? " (prismd needs CAP_BPF or root)" : "");
	return fd;
}

static int pin(int fd, const char *path, struct error *e)
{
	if (bpf_obj_pin(fd, path) < 0)
		return error_set(e, errno, path, "cannot be pinned: %s", strerror(errno));
	return 0;
}

static int open_identity(struct bus_maps *m, uint32_t capacity, bool v1_exact, struct error *e)
{
	char path[PATH_MAX];
	struct bpf_map_info info;
	bool is_v1;
	int fd, r;

	snprintf(path, sizeof(path), "%s/" PRISM_BUS_MAP, m->dir);
	fd = adopt(path, BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct prism_identity), &info, e);
	if (fd >= 0) {
		m->identity_fd = fd;
		is_v1 = info.max_entries == PRISM_BUS_V1_CAPACITY && info.map_flags == BPF_F_RDONLY_PROG;
		if (is_v1 != v1_exact)
			return error_set(e, EEXIST, path,
					 "the pinned bus has the %s shape and bus.compat says %s; a map cannot change "
					 "its shape: run "
					 "`prismctl cleanup` and start again",
					 is_v1 ? "v1-exact" : "lean", v1_exact ? "v1-exact" : "lean");
		m->capacity = info.max_entries;
		m->adopted = true;
		return 0;
	}
	if (fd != -ENOENT)
		return fd;
	fd = create(PRISM_BUS_MAP, BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct prism_identity), capacity,
		    BPF_F_RDONLY_PROG | (v1_exact ? 0 : BPF_F_NO_PREALLOC), e);
	if (fd < 0)
		return fd;
	m->identity_fd = fd;
	m->capacity = capacity;
	r = pin(fd, path, e);
	m->made_identity = r == 0;
	return r;
}

static int open_meta(struct bus_maps *m, struct error *e)
{
	char path[PATH_MAX];
	struct bpf_map_info info;
	int fd, r;

	snprintf(path, sizeof(path), "%s/" PRISM_META_MAP, m->dir);
	fd = adopt(path, BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct prism_meta), &info, e);
	if (fd == -ENOENT) {
		fd = create(PRISM_META_MAP, BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct prism_meta), 1,
			    BPF_F_RDONLY_PROG, e);
		if (fd < 0)
			return fd;
		m->meta_fd = fd;
		r = pin(fd, path, e);
		m->made_meta = r == 0;
		return r;
	}
	if (fd < 0)
		return fd;
	m->meta_fd = fd;
	return 0;
}

/* The second pin of the v1-exact shape: beside the bus directory, where objects that pin by name look. */
static int pin_v1(struct bus_maps *m, struct error *e)
{
	struct bpf_map_info ours, found;
	const char *slash = strrchr(m->dir, '/');
	char path[sizeof(m->v1_pin)];
	_cleanup_close_ int fd = -1;
	int r;

	snprintf(path, sizeof(path), "%.*s/" PRISM_BUS_MAP, (int)(slash - m->dir), m->dir);
	fd = bpf_obj_get(path);
	if (fd < 0 && errno == ENOENT) {
		r = pin(m->identity_fd, path, e);
		if (r < 0)
			return r;
		m->made_v1 = true;
	} else if (fd < 0 || map_info(fd, &found) < 0 || map_info(m->identity_fd, &ours) < 0 || found.id != ours.id) {
		return error_set(e, EEXIST, path,
				 "is there and is not this bus; programs that pin by name would read the wrong map: "
				 "move it away");
	}
	memcpy(m->v1_pin, path, sizeof(path));
	return 0;
}

/* dir as it is used from here on: absolute, without slashes at its end. */
static int take_dir(struct bus_maps *m, const char *dir, struct error *e)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	if (dir[0] != '/' || len == 1)
		return error_set(e, EINVAL, dir, "is no absolute path of a directory in a BPF filesystem");
	if (len + strlen("/" PRISM_BUS_MAP) >= sizeof(m->dir))
		return error_set(e, ENAMETOOLONG, dir, "path is too long");
	memcpy(m->dir, dir, len);
	return 0;
}

static int open_dir(struct bus_maps *m, struct error *e)
{
	struct stat st;
	int r;

	r = check_filesystem(m->dir, e);
	if (r < 0)
		return r;
	m->made_dir = stat(m->dir, &st) < 0;
	r = file_make_dirs(m->dir, 0755, e);
	if (r < 0)
		return r;
	m->dir_fd = open(m->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dir_fd < 0)
		return error_set(e, errno, m->dir, "cannot be opened: %s", strerror(errno));
	return lock_dir(m->dir_fd, m->dir, e);
}

int bus_maps_open(const char *dir, uint32_t capacity, bool v1_exact, struct bus_maps *ret, struct error *e)
{
	struct bus_maps m = {.dir_fd = -1, .identity_fd = -1, .meta_fd = -1, .v1_exact = v1_exact};
	int r;

	r = take_dir(&m, dir, e);
	if (r == 0)
		r = open_dir(&m, e);
	if (r == 0)
		r = open_identity(&m, capacity, v1_exact, e);
	if (r == 0)
		r = open_meta(&m, e);
	if (r == 0 && v1_exact)
		r = pin_v1(&m, e);
	if (r < 0) {
		bus_maps_undo(&m);
		return r;
	}
	*ret = m;
	return 0;
}

/* ---- while it runs ----------------------------------------------------------------------------------------------- */

static bool dir_is_there(const struct bus_maps *m)
{
	struct stat there, ours;

	return stat(m->dir, &there) == 0 && fstat(m->dir_fd, &ours) == 0 && there.st_dev == ours.st_dev &&
	       there.st_ino == ours.st_ino;
}

/* The directory went, or is another one, and the lock with it. bpffs itself is not mounted here: whoever took it away
 * may mean it. */
static int remake_dir(struct bus_maps *m, struct error *e)
{
	struct bus_maps anew = {.dir_fd = -1};
	char parent[PATH_MAX];
	int r;

	existing_parent(m->dir, parent, sizeof(parent));
	if (!on_bpffs(parent))
		return error_set(e, ENOTSUP, m->dir,
				 "the BPF filesystem is gone, consumers no longer find the bus; mount it again and the "
				 "bus is pinned again");
	memcpy(anew.dir, m->dir, sizeof(anew.dir));
	r = open_dir(&anew, e);
	if (r < 0) {
		if (anew.dir_fd >= 0)
			close(anew.dir_fd);
		return r;
	}
	close(m->dir_fd);
	m->dir_fd = anew.dir_fd;
	return 0;
}

static int keep_pin(int fd, const char *path, bool *ret_again, struct error *e)
{
	struct bpf_map_info ours, found;
	_cleanup_close_ int there = bpf_obj_get(path);
	int r;

	if (there < 0 && errno == ENOENT) {
		r = pin(fd, path, e);
		*ret_again |= r == 0;
		return r;
	}
	if (there < 0)
		return error_set(e, errno, path, "cannot be opened: %s", strerror(errno));
	if (map_info(there, &found) < 0 || map_info(fd, &ours) < 0 || found.id != ours.id)
		return error_set(e, EEXIST, path,
				 "another map took the place of the bus, and consumers read it: remove it and the bus "
				 "is pinned again");
	return 0;
}

int bus_maps_keep(struct bus_maps *m, bool *ret_again, struct error *e)
{
	char identity[PATH_MAX], meta[PATH_MAX];
	int r = 0;

	*ret_again = false;
	snprintf(identity, sizeof(identity), "%s/" PRISM_BUS_MAP, m->dir);
	snprintf(meta, sizeof(meta), "%s/" PRISM_META_MAP, m->dir);
	if (!dir_is_there(m))
		r = remake_dir(m, e);
	if (r == 0)
		r = keep_pin(m->identity_fd, identity, ret_again, e);
	if (r == 0)
		r = keep_pin(m->meta_fd, meta, ret_again, e);
	if (r == 0 && m->v1_pin[0])
		r = keep_pin(m->identity_fd, m->v1_pin, ret_again, e);
	return r;
}

static void unpin(const struct bus_maps *m, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", m->dir, name);
	unlink(path);
}

static void close_fds(struct bus_maps *m)
{
	if (m->identity_fd >= 0)
		close(TAKE_FD(m->identity_fd));
	if (m->meta_fd >= 0)
		close(TAKE_FD(m->meta_fd));
	if (m->dir_fd >= 0)
		close(TAKE_FD(m->dir_fd)); /* and with it the lock */
}

void bus_maps_undo(struct bus_maps *m)
{
	if (m->made_v1)
		unlink(m->v1_pin);
	if (m->made_meta)
		unpin(m, PRISM_META_MAP);
	if (m->made_identity)
		unpin(m, PRISM_BUS_MAP);
	if (m->made_dir)
		rmdir(m->dir);
	close_fds(m);
}

void bus_maps_close(struct bus_maps *m, bool remove)
{
	if (remove) {
		if (m->v1_pin[0])
			unlink(m->v1_pin);
		unpin(m, PRISM_META_MAP);
		unpin(m, PRISM_BUS_MAP);
		rmdir(m->dir); /* stays when it is not empty */
	}
	close_fds(m);
}

int bus_maps_each(int fd, void (*fn)(void *arg, uint64_t cgroup_id, const struct prism_identity *entry), void *arg)
{
	uint32_t size = READ_BATCH, n, cursor = 0, i;
	_cleanup_free_ struct prism_identity *values = NULL;
	_cleanup_free_ uint64_t *keys = NULL;
	bool first = true;
	int r = 0;

	while (r == 0) {
		if (!keys) {
			keys = malloc(size * sizeof(*keys));
			values = malloc(size * sizeof(*values));
			if (!keys || !values)
				return -ENOMEM;
		}
		n = size;
		r = bpf_map_lookup_batch(fd, first ? NULL : &cursor, &cursor, keys, values, &n, NULL);
		if (r == -ENOSPC && size <= UINT32_MAX / 2) {
			/* One bucket holds more than fits; the cursor has not moved. */
			size *= 2;
			free(TAKE_PTR(keys));
			free(TAKE_PTR(values));
			r = 0;
			continue;
		}
		if (r < 0 && r != -ENOENT)
			return r;
		first = false;
		for (i = 0; i < n; i++)
			fn(arg, keys[i], &values[i]);
	}
	return r == -ENOENT ? 0 : r;
}
