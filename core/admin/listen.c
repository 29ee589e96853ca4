/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/listen.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/util.h"

#define BACKLOG 64
#define MODE 0660

int listen_group(const char *group, gid_t *ret, struct error *e)
{
	const struct group *g;

	if (!group || !*group) {
		*ret = (gid_t)-1;
		return 0;
	}
	g = getgrnam(group);
	if (!g)
		return error_set(e, ENOENT, "admin.group",
				 "there is no group \"%s\" on this host: make it (groupadd -r %s) or leave admin.group "
				 "empty, then root alone may read",
				 group, group);
	*ret = g->gr_gid;
	return 0;
}

/* ---- unix ------------------------------------------------------------------------------------------------------- */

static int parent_dir(const char *path, struct error *e)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return file_make_dirs(dir, 0755, e);
}

/* Is anybody behind this socket file? 0: nobody; -EADDRINUSE; -EEXIST; another errno. */
static int probe(const struct sockaddr_un *address)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* EAGAIN: somebody listens and is busy. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int clear_path(const struct sockaddr_un *address, struct error *e)
{
	int r = probe(address);

	if (r == -EADDRINUSE)
		return error_set(e, EADDRINUSE, address->sun_path,
				 "another prismd serves this socket: stop it, or give this one another admin.socket");
	if (r == -EEXIST)
		return error_set(e, EEXIST, address->sun_path,
				 "is in the way and is not a socket: remove it, or choose another admin.socket");
	if (r < 0)
		return error_set(e, -r, address->sun_path, "cannot be examined: %s", strerror(-r));
	return 0;
}

/* Nobody can connect before listen(), so the file has owner and mode before it answers. */
static int bind_unix(int fd, const struct sockaddr_un *address, gid_t gid, struct listen_file *file)
{
	struct stat st;

	if (fchmod(fd, MODE) < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (chmod(address->sun_path, MODE) < 0 || (gid != (gid_t)-1 && chown(address->sun_path, (uid_t)-1, gid) < 0) ||
	    lstat(address->sun_path, &st) < 0 || listen(fd, BACKLOG) < 0) {
		int r = -errno;

		unlink(address->sun_path);
		return r;
	}
	memcpy(file->path, address->sun_path, sizeof(file->path));
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	return 0;
}

int listen_unix(const char *path, gid_t gid, int *ret_fd, struct listen_file *ret_file, struct error *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	struct listen_file file;
	int r;

	_Static_assert(sizeof(file.path) == sizeof(address.sun_path), "a path that fits one fits the other");
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(e, ENAMETOOLONG, path,
				 "a socket's path has at most %zu bytes: choose a shorter admin.socket",
				 sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path));
	r = parent_dir(path, e);
	if (r == 0)
		r = clear_path(&address, e);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : bind_unix(fd, &address, gid, &file);
	if (r < 0)
		return error_set(e, -r, path, "cannot listen: %s%s", strerror(-r),
				 r == -EPERM && gid != (gid_t)-1 ? " (admin.group needs CAP_CHOWN)" : "");
	*ret_file = file;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int listen_chown(const struct listen_file *file, gid_t gid, struct error *e)
{
	if (lchown(file->path, (uid_t)-1, gid == (gid_t)-1 ? 0 : gid) < 0)
		return error_set(e, errno, file->path, "cannot be given to group %u: %s", (unsigned int)gid,
				 strerror(errno));
	return 0;
}

void listen_unlink(const struct listen_file *file)
{
	struct stat st;

	if (file->path[0] && lstat(file->path, &st) == 0 && st.st_dev == file->dev && st.st_ino == file->ino)
		unlink(file->path);
}

/* ---- TCP -------------------------------------------------------------------------------------------------------- */

/* "host:port" and "[v6]:port" apart. */
static int split_address(const char *address, char *host, size_t size, const char **ret_port)
{
	const char *colon = strrchr(address, ':'), *start = address, *end = colon;

	if (!colon || !colon[1])
		return -EINVAL;
	if (*start == '[') {
		if (colon == start || colon[-1] != ']')
			return -EINVAL;
		start++;
		end--;
	} else if (memchr(start, ':', (size_t)(end - start))) {
		return -EINVAL;
	}
	if ((size_t)(end - start) >= size)
		return -EINVAL;
	snprintf(host, size, "%.*s", (int)(end - start), start);
	*ret_port = colon + 1;
	return 0;
}

/* getaddrinfo() takes 99999 and makes 34463 of it. */
static bool is_port(const char *s)
{
	return strlen(s) <= 5 && s[strspn(s, "0123456789")] == '\0' && strtoul(s, NULL, 10) <= 65535;
}

static int resolve(const char *address, struct addrinfo **ret, struct error *e)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	const char *port, *name;
	char host[128];
	int r;

	if (split_address(address, host, sizeof(host), &port) < 0 || !is_port(port))
		return error_set(e, EINVAL, "admin.metrics",
				 "\"%s\" is not host:port, such as 127.0.0.1:9464 or [::1]:9464", address);
	/* Names would make the loop wait for DNS. */
	name = !*host || strcmp(host, "*") == 0 ? NULL : strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
	r = getaddrinfo(name, port, &hints, ret);
	if (r)
		return error_set(e, EINVAL, "admin.metrics",
				 "\"%s\": %s; use a numeric address and port, such as 127.0.0.1:9464", address,
				 gai_strerror(r));
	return 0;
}

int listen_tcp(const char *address, int *ret_fd, struct error *e)
{
	_cleanup_close_ int fd = -1;
	struct addrinfo *info;
	int r, one = 1;

	r = resolve(address, &info, e);
	if (r < 0)
		return r;
	fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		r = error_set(e, errno, "admin.metrics",
			      "cannot listen on %s: %s; choose another address, or \"off\" for none", address,
			      strerror(errno));
	freeaddrinfo(info);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

const char *listen_name(int fd, char *buf, size_t size)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char host[128], port[16];

	if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 ||
	    getnameinfo((struct sockaddr *)&address, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return "";
	snprintf(buf, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
	return buf;
}
