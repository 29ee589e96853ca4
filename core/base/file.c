/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/util.h"

#define LOCK_WAIT_MS 1000
#define LOCK_RETRY_MS 20

int file_read_fd(int fd, const char *path, size_t max, char **ret_data, size_t *ret_len, struct error *e)
{
	_cleanup_free_ char *data = NULL;
	size_t len = 0, capacity = 0;

	for (;;) {
		ssize_t n;

		if (len + 1 >= capacity) {
			size_t want = capacity ? capacity * 2 : 4096;
			char *grown = realloc(data, want);

			if (!grown)
				return error_set(e, ENOMEM, path, "out of memory while reading");
			data = grown;
			capacity = want;
		}
		n = read(fd, data + len, capacity - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(e, errno, path, "cannot be read: %s", strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return error_set(e, EFBIG, path, "is larger than the %zu bytes that are accepted", max);
	}
	data[len] = '\0';
	*ret_data = TAKE_PTR(data);
	*ret_len = len;
	return 0;
}

int file_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct error *e)
{
	/* Non-blocking, so that a fifo in a file's place does not hang the reader. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return error_set(e, errno, path, "cannot be opened: %s", strerror(errno));
	if (fstat(fd, &st) < 0)
		return error_set(e, errno, path, "cannot be examined: %s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return error_set(e, EINVAL, path, "is not a regular file");
	return file_read_fd(fd, path, max, ret_data, ret_len, e);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_parent(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	_cleanup_close_ int fd = -1;

	if (!slash)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Some filesystems cannot sync a directory; the rename has happened all the same. */
	return fsync(fd) < 0 && errno != EINVAL ? -errno : 0;
}

int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct error *e)
{
	char beside[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	/* Always the same name, so that a writer that is killed leaves one file and not one each time. */
	if ((size_t)snprintf(beside, sizeof(beside), "%s.new", path) >= sizeof(beside))
		return error_set(e, ENAMETOOLONG, path, "path is too long");
	unlink(beside);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(e, errno, path, "cannot be written: %s", strerror(errno));
	r = write_all(fd, data, len);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(beside, path) < 0))
		r = -errno;
	if (r < 0) {
		unlink(beside);
		return error_set(e, -r, path, "cannot be written: %s", strerror(-r));
	}
	r = sync_parent(path);
	if (r < 0)
		return error_set(e, -r, path, "its directory cannot be synced: %s", strerror(-r));
	return 0;
}

int file_make_dirs(const char *path, mode_t mode, struct error *e)
{
	char part[PATH_MAX];
	struct stat st;
	char *slash;

	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
		return error_set(e, ENAMETOOLONG, path, "path is too long");
	for (slash = part; slash; *slash = '/') {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return error_set(e, errno, part, "directory cannot be made: %s", strerror(errno));
		if (!slash)
			break;
	}
	if (stat(path, &st) < 0)
		return error_set(e, errno, path, "cannot be examined: %s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return error_set(e, ENOTDIR, path, "is not a directory");
	return 0;
}

int file_lock(int fd)
{
	uint64_t end = monotonic_ns() + LOCK_WAIT_MS * NS_PER_MS;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (monotonic_ns() >= end)
			return -EWOULDBLOCK;
		poll(NULL, 0, LOCK_RETRY_MS);
	}
	return 0;
}
