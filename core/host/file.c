/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"
#include "host/file.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* since Linux 6.3 */
#endif
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int module_error_at(struct error *e, const struct module_setting *setting, const char *path)
{
	if (!e)
		return -EIO;
	if (path && *path)
		error_prefix(e, "%s", path);
	error_prefix(e, "module %s", setting->name);
	if (setting->node)
		node_where(setting->node, false, e->where, sizeof(e->where));
	return -e->code;
}

static void list_dirs(const char *const *dirs, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (; dirs && *dirs && n < size; dirs++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? ", " : "", *dirs);
}

static int check_directory(int fd, const char *path, struct error *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return error_set(e, errno, NULL, "cannot look at directory %s: %s", path, strerror(errno));
	if (st.st_uid != 0)
		return error_set(e, EPERM, NULL, "directory %s belongs to uid %u, not to root: chown root %s", path,
				 (unsigned int)st.st_uid, path);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(e, EPERM, NULL, "directory %s is writable by others (mode %04o): chmod go-w %s", path,
				 (unsigned int)st.st_mode & 07777, path);
	return 0;
}

/* An fd that names the inode without opening it: a FIFO does not block, a device does not wake, a link stays a link. */
static int look_in(const char *dir, const char *base, int *ret_fd, struct error *e)
{
	_cleanup_close_ int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd, r;

	if (dirfd < 0)
		return -errno;
	fd = openat(dirfd, base, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = check_directory(dirfd, dir, e);
	if (r) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static bool same_directory(const char *a, const char *b)
{
	struct stat sa, sb;

	return !stat(a, &sa) && !stat(b, &sb) && S_ISDIR(sa.st_mode) && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static int find_absolute(const char *file, const char *const *dirs, char *path, int *ret_fd, struct error *e)
{
	char dir[PATH_MAX], known[512];
	const char *base = strrchr(file, '/') + 1;
	int r;

	if (snprintf(path, PATH_MAX, "%s", file) >= PATH_MAX)
		return error_set(e, ENAMETOOLONG, NULL, "the path is longer than %d bytes", PATH_MAX - 1);
	snprintf(dir, sizeof(dir), "%.*s", base - file > 1 ? (int)(base - file - 1) : 1, file);
	for (size_t i = 0; dirs && dirs[i]; i++) {
		if (!same_directory(dir, dirs[i]))
			continue;
		r = look_in(dirs[i], base, ret_fd, e);
		if (r == -ENOENT)
			return error_set(e, ENOENT, NULL, "no such file: install it, or correct `file:`");
		return r && !(e && e->code) ? error_set(e, -r, NULL, "cannot be opened: %s", strerror(-r)) : r;
	}
	list_dirs(dirs, known, sizeof(known));
	return error_set(e, EPERM, NULL,
			 "is not in a module directory (%s): move it there, or add %s to `module_dirs:`", known, dir);
}

static int find_by_name(const char *base, const char *const *dirs, char *path, int *ret_fd, struct error *e)
{
	char known[512];
	int r;

	for (size_t i = 0; dirs && dirs[i]; i++) {
		r = look_in(dirs[i], base, ret_fd, e);
		if (r == -ENOENT)
			continue;
		if (snprintf(path, PATH_MAX, "%s/%s", dirs[i], base) >= PATH_MAX) {
			path[0] = 0;
			r = -ENAMETOOLONG;
		}
		return r && !(e && e->code) ? error_set(e, -r, NULL, "cannot be opened: %s", strerror(-r)) : r;
	}
	path[0] = 0;
	list_dirs(dirs, known, sizeof(known));
	return error_set(e, ENOENT, NULL, "no file %s in %s: install it there, or say where it is with `file:`", base,
			 *known ? known : "any module directory (`module_dirs:` is empty)");
}

static int find_file(const struct module_setting *setting, const char *const *dirs, char *path, int *ret_fd,
		     struct error *e)
{
	char base[NAME_MAX + 1];

	path[0] = 0;
	if (!note_name_valid(setting->name))
		return error_set(e, EINVAL, NULL, "the name is not [a-z][a-z0-9_-]* of at most %d bytes",
				 PRISM_NAME_MAX - 1);
	if (setting->file && setting->file[0] == '/')
		return find_absolute(setting->file, dirs, path, ret_fd, e);
	if (setting->file && (strchr(setting->file, '/') || strlen(setting->file) > NAME_MAX))
		return error_set(
			e, EINVAL, NULL,
			"`file: %.200s` is neither absolute nor the plain name of a file in a module directory",
			setting->file);
	snprintf(base, sizeof(base), "%s%s", setting->file ? setting->file : setting->name, setting->file ? "" : ".so");
	return find_by_name(base, dirs, path, ret_fd, e);
}

static int check_inode(const struct stat *st, const char *path, struct error *e)
{
	if (S_ISLNK(st->st_mode))
		return error_set(e, ELOOP, NULL, "is a symbolic link: install the file itself");
	if (!S_ISREG(st->st_mode))
		return error_set(e, EINVAL, NULL, "is not a regular file (%s): install the module's file there",
				 S_ISDIR(st->st_mode)    ? "a directory"
				 : S_ISFIFO(st->st_mode) ? "a FIFO"
				 : S_ISSOCK(st->st_mode) ? "a socket"
							 : "a device");
	if (st->st_uid != 0)
		return error_set(e, EPERM, NULL, "belongs to uid %u, not to root: chown root %s",
				 (unsigned int)st->st_uid, path);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return error_set(e, EPERM, NULL, "is writable by others (mode %04o): chmod go-w %s",
				 (unsigned int)st->st_mode & 07777, path);
	if (st->st_size > (off_t)MODULE_FILE_MAX)
		return error_set(e, EFBIG, NULL, "has %lld bytes, more than the limit of %u: strip it (strip -g)",
				 (long long)st->st_size, MODULE_FILE_MAX);
	return 0;
}

static void stamp_of(const struct stat *st, struct module_stamp *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->device = st->st_dev;
	ret->inode = st->st_ino;
	ret->size = (uint64_t)st->st_size;
	ret->mtime_ns = (int64_t)st->st_mtim.tv_sec * (int64_t)NS_PER_SEC + st->st_mtim.tv_nsec;
	ret->ctime_ns = (int64_t)st->st_ctim.tv_sec * (int64_t)NS_PER_SEC + st->st_ctim.tv_nsec;
}

static int make_memfd(const char *name, struct error *e)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL) /* before 6.3 every memfd is executable and the flag is unknown */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return error_set(e, errno, NULL, "cannot be copied into executable memory: %s%s", strerror(errno),
				 errno == EACCES ? "; set the sysctl vm.memfd_noexec to 0 or 1" : "");
	return fd;
}

static int write_all(int fd, const unsigned char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno != EINTR)
			return -errno;
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
	return 0;
}

/* Copies and hashes in one pass: the digest is of exactly the bytes that will run. */
static int copy_bytes(int from, int to, uint8_t *digest, uint64_t *ret_size, struct error *e)
{
	static unsigned char buf[64 << 10];
	crypto_hash_sha256_state hash;
	uint64_t total = 0;
	ssize_t n;
	int r;

	crypto_hash_sha256_init(&hash);
	while ((n = read(from, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(e, errno, NULL, "cannot be read: %s", strerror(errno));
		total += (uint64_t)n;
		if (total > MODULE_FILE_MAX)
			return error_set(e, EFBIG, NULL, "grew beyond the limit of %u bytes while it was read",
					 MODULE_FILE_MAX);
		crypto_hash_sha256_update(&hash, buf, (unsigned long long)n);
		r = write_all(to, buf, (size_t)n);
		if (r)
			return error_set(e, -r, NULL, "cannot be copied into memory: %s", strerror(-r));
	}
	crypto_hash_sha256_final(&hash, digest);
	*ret_size = total;
	return 0;
}

static int check_pinned_digest(const char *want, const uint8_t *have, struct error *e)
{
	char hex[MODULE_DIGEST_SIZE * 2 + 1];

	sodium_bin2hex(hex, sizeof(hex), have, MODULE_DIGEST_SIZE);
	if (!want || !strcasecmp(want, hex))
		return 0;
	return error_set(e, EBADMSG, NULL,
			 "has sha256 %s, the configuration pins %.80s: install the file that was meant, or correct "
			 "`sha256:`",
			 hex, want);
}

static int read_note(struct module_file *file, struct error *e)
{
	/* Private and writable: libelf may convert in place, and the sealed copy must not notice. */
	void *image = file->size ? mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file->fd, 0) : NULL;
	int r;

	if (image == MAP_FAILED)
		return error_set(e, errno, NULL, "cannot be mapped: %s", strerror(errno));
	r = note_read(image, file->size, &file->note, e);
	if (image)
		munmap(image, file->size);
	return r;
}

static int check_names(const struct module_setting *setting, const struct prism_note *note, struct error *e)
{
	if (strcmp(setting->name, note->name) != 0)
		return error_set(
			e, EINVAL, NULL,
			"is the module \"%s\" %s, the configuration calls it \"%s\": correct `name:` or `file:`",
			note->name, note->version, setting->name);
	return note_check_abi(note, e);
}

static int copy_checked(const struct module_setting *setting, int inode_fd, struct module_file *file, struct error *e)
{
	char self[32], name[64];
	_cleanup_close_ int from = -1;
	_cleanup_close_ int copy = -1;
	int r;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", inode_fd);
	from = open(self, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (from < 0)
		return error_set(e, errno, NULL, "cannot be opened: %s", strerror(errno));
	snprintf(name, sizeof(name), "prism-%s", setting->name);
	copy = make_memfd(name, e);
	if (copy < 0)
		return copy;
	r = copy_bytes(from, copy, file->digest, &file->size, e);
	if (r)
		return r;
	if (fcntl(copy, F_ADD_SEALS, SEALS))
		return error_set(e, errno, NULL, "cannot be sealed in memory: %s", strerror(errno));
	file->fd = copy;
	r = check_pinned_digest(setting->sha256, file->digest, e);
	if (!r)
		r = read_note(file, e);
	if (!r)
		r = check_names(setting, &file->note, e);
	file->fd = r ? -1 : TAKE_FD(copy);
	return r;
}

int module_file_open(const struct module_setting *setting, const char *const *dirs, struct module_file *ret,
		     struct error *e)
{
	struct module_file file = {.fd = -1};
	_cleanup_close_ int inode = -1;
	struct error local = {};
	struct stat st;
	int r;

	if (sodium_init() < 0)
		return error_set(e, EIO, NULL, "libsodium does not initialise");
	r = find_file(setting, dirs, file.path, &inode, &local);
	if (!r && fstat(inode, &st))
		r = error_set(&local, errno, NULL, "cannot be looked at: %s", strerror(errno));
	if (!r)
		r = check_inode(&st, file.path, &local);
	if (!r) {
		stamp_of(&st, &file.stamp);
		r = copy_checked(setting, inode, &file, &local);
	}
	if (r) {
		module_error_at(&local, setting, file.path);
		if (e)
			*e = local;
		return r;
	}
	*ret = file;
	return 0;
}

void module_file_close(struct module_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

int module_file_stamp(const struct module_setting *setting, const char *const *dirs, struct module_stamp *ret)
{
	_cleanup_close_ int inode = -1;
	struct error e = {};
	char path[PATH_MAX];
	struct stat st;
	int r = find_file(setting, dirs, path, &inode, &e);

	if (r)
		return r;
	if (fstat(inode, &st))
		return -errno;
	r = check_inode(&st, path, &e);
	if (r)
		return r;
	stamp_of(&st, ret);
	return 0;
}
