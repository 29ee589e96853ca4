/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: the unix socket with its file, owner and mode, and TCP for machines. */
#ifndef ADMIN_LISTEN_H
#define ADMIN_LISTEN_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* A socket file that is ours, so that we remove no other's. */
struct listen_file {
	char path[108];
	dev_t dev;
	ino_t ino;
};

/* gid of admin.group; (gid_t)-1 for none. -ENOENT with the remedy. */
int listen_group(const char *group, gid_t *ret, struct error *e);

/*
 * Binds and listens; mode 0660, root's and gid's. Makes the directory (0755). A socket file that nobody serves is
 * replaced; -EADDRINUSE when somebody does, -EEXIST when the file is not a socket.
 */
int listen_unix(const char *path, gid_t gid, int *ret_fd, struct listen_file *ret_file, struct error *e);
/* Gives the file to another group. */
int listen_chown(const struct listen_file *file, gid_t gid, struct error *e);
/* Removes the file if it is still the one that was made. */
void listen_unlink(const struct listen_file *file);

/* address: host:port; host is a numeric address, [v6], localhost, or empty or * for all. */
int listen_tcp(const char *address, int *ret_fd, struct error *e);
/* Where a TCP listener listens in fact: "127.0.0.1:9464". */
const char *listen_name(int fd, char *buf, size_t size);

#endif
