/* SPDX-License-Identifier: Apache-2.0 */
/* Where the cgroup v2 hierarchy is, from mountinfo and from nowhere else; and names to ids. */
#ifndef CGROUP_MOUNT_H
#define CGROUP_MOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Mount point of the v2 hierarchy: the whole-hierarchy mount (root "/") with the shortest path. -ENOENT with the remedy
 * when there is none (v1 only). mountinfo: NULL for /proc/self/mountinfo, a file for tests.
 */
int cgroup_mount_find(const char *mountinfo, char *ret_path, size_t size, struct error *e);

/* cgroup id of a directory in it ("": dir_fd itself), by file handle; -errno, -ENOTSUP or -EOVERFLOW elsewhere. */
int cgroup_id_of(int dir_fd, const char *path, uint64_t *ret_id);
/* Path below the root ("/" for the root) of a cgroup id. -ESTALE when it is gone. */
int cgroup_path_of_id(int root_fd, const char *root, uint64_t id, char *ret_path, size_t size);
/* Path of a process's v2 cgroup below the root, from /proc/<pid>/cgroup. */
int cgroup_path_of_pid(int pid, char *ret_path, size_t size);
/* "/a/b" from what people write: /mount/a/b, /a/b, a/b or a/b/. -ENAMETOOLONG. */
int cgroup_path_below(const char *root, const char *text, char *ret_path, size_t size);

#endif
