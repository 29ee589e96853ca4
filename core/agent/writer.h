/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file at a time, written and synced by a thread of its own, so that a slow disk does not hold the loop. Handed
 * over by eventfd alone: no lock and no spinning is shared with the loop's thread, which may be a real-time one and
 * would wait for ever for a thread that it keeps off the CPU (libuv's thread pool does both, so it is not used).
 */
#ifndef AGENT_WRITER_H
#define AGENT_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

struct writer;

int writer_new(struct writer **ret);
/* Waits for a write in progress, ends the thread. */
void writer_free(struct writer *w);

/* Readable when a write is done; poll it. */
int writer_fd(const struct writer *w);
/* Starts writing. path and data stay the caller's and unchanged until writer_finish(). One at a time. */
void writer_start(struct writer *w, const char *path, const void *data, size_t len, mode_t mode);
/* Takes the outcome, waiting for it if need be: 0 or -errno with *e. *ret_took_ns: how long it took. */
int writer_finish(struct writer *w, struct error *e, uint64_t *ret_took_ns);

#endif
