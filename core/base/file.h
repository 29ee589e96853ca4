/* SPDX-License-Identifier: Apache-2.0 */
/* Files as a whole: bounded reads, atomic writes, locks. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/* Reads at most max bytes (-EFBIG beyond); *ret_data gets a NUL past its end and is the caller's to free(). */
int file_read(const char *path, size_t max, char **ret_data, size_t *ret_len, struct error *e);
/* The same from an open fd; path is for messages. */
int file_read_fd(int fd, const char *path, size_t max, char **ret_data, size_t *ret_len, struct error *e);
/* Writes `path.new`, fsyncs, renames over, fsyncs the directory: a reader sees the old content or the new one. One
 * writer a path. */
int file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct error *e);
/* mkdir -p with mode for what is made. */
int file_make_dirs(const char *path, mode_t mode, struct error *e);
/*
 * The exclusive flock of fd, to be had once on this machine; it goes with its holder. Waits up to a second: a child
 * that a killed holder was just starting has the lock too, until it execs. -EWOULDBLOCK when somebody keeps it longer.
 */
int file_lock(int fd);

#endif
