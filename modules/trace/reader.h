/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the ring: every record once, also when its reader is killed and another one goes on, in turns that leave the
 * loop to others, and with no wake-up while nothing happens.
 */
#ifndef TRACE_READER_H
#define TRACE_READER_H

#include <bpf/libbpf.h>
#include <prism/host.h>

#include "trace.h"

/* One record, in the ring's own memory. */
typedef void (*reader_record_fn)(void *arg, const void *record, size_t size);
/* A turn is over; idle: the ring is empty. True: look again soon, even so. */
typedef bool (*reader_turn_fn)(void *arg, bool idle);

struct reader {
	struct prism_host *host;
	struct ring_buffer *buffer;
	struct trace_reader *shared; /* mapped */
	struct prism_watch *watch;
	struct prism_timer *timer;
	unsigned int budget; /* records left in this turn */
	reader_record_fn record;
	reader_turn_fn turn;
	void *arg;
};

/* The map trace_reader in our memory. */
int reader_map_shared(int fd, struct trace_reader **ret_shared);
void reader_unmap_shared(struct trace_reader *shared);

/* shared_fd: the map trace_reader. ring_fd and shared_fd may be closed afterwards. */
int reader_init(struct reader *reader, struct prism_host *host, int ring_fd, int shared_fd, reader_record_fn record,
		void *arg);
/* From now on by the host's loop. What is in the ring already comes with the next turns. */
int reader_start(struct reader *reader, reader_turn_fn turn);
/* Everything that is in the ring, now, without the loop. */
int reader_drain(struct reader *reader);
/* Bytes in the ring that are not read. */
uint64_t reader_pending(const struct reader *reader);
void reader_done(struct reader *reader);

#endif
