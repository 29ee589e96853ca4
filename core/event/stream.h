/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event stream: one bounded ring of finished JSON lines that modules and the core write and that the admin server
 * reads out to `prismctl events` and `identity watch`. A reader that falls behind is told how many it missed; a writer
 * never waits. Times in, CLOCK_MONOTONIC ns; times out, RFC 3339 wall clock.
 */
#ifndef EVENT_STREAM_H
#define EVENT_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include <prism/host.h>

struct stream;

/* Longest line. Fields that would go beyond are cut or left out, and the line says `"truncated":true`. */
#define STREAM_MAX_EVENT 65536
/* The ring keeps `capacity` records or capacity * this many bytes, whichever is less: a flood cannot fill memory. */
#define STREAM_MEAN_EVENT 1024

/* What the stream adds to an event: whose it is. Any member may be NULL or 0. */
struct stream_tag {
	const char *source;   /* module's name, or "prism" */
	const char *type;     /* "exec": shown as "trace.exec" */
	const char *workload; /* "shop/checkout" */
	const char *namespace_name;
	const char *facets; /* "net,trace" */
	const char *latency_class;
	uint32_t weight;
};

struct stream_record {
	uint64_t seq; /* from 1, without a gap */
	uint32_t identity;
	const char *type; /* "trace.exec" */
	const char *json; /* one line without newline */
	size_t len;
};

/* capacity: records kept; brought into 16..1048576. NULL without memory. */
struct stream *stream_new(uint32_t capacity);
void stream_free(struct stream *s);
int stream_resize(struct stream *s, uint32_t capacity);

/* Formats and appends; -ENOMEM is counted as lost. */
int stream_put(struct stream *s, const struct stream_tag *tag, const struct prism_event *event);

/*
 * The first record with seq >= from (0: from the oldest); *ret_missed: how many of those asked for are gone. NULL: none
 * yet. Valid until the next put.
 */
const struct stream_record *stream_read(const struct stream *s, uint64_t from, uint64_t *ret_missed);
uint64_t stream_last_seq(const struct stream *s);
uint64_t stream_lost(const struct stream *s);

/* Called after every put, on the loop's thread. */
struct stream_listener {
	void (*fn)(struct stream_listener *l);
	struct stream *stream; /* the rest is the stream's own */
	struct stream_listener *next, **prev;
};
void stream_listen(struct stream *s, struct stream_listener *l);
/* Also from inside fn, for any listener; once more does no harm. */
void stream_unlisten(struct stream_listener *l);

#endif
