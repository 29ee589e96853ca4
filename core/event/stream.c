/* SPDX-License-Identifier: Apache-2.0 */
#include "event/stream.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "event/format.h"

#define MIN_CAPACITY 16u
#define MAX_CAPACITY (1u << 20)
#define MAX_TYPE 64

struct slot {
	struct stream_record record;
	char type[MAX_TYPE];
	char *json;
};

struct stream {
	struct slot *slots; /* seq s sits at s % capacity */
	uint32_t capacity;
	uint64_t first; /* oldest seq that is kept; last + 1 when empty */
	uint64_t last;  /* 0: none yet */
	uint64_t lost;
	size_t bytes; /* of all lines that are kept */
	struct text scratch;
	struct stream_listener *listeners;
	struct stream_listener *next; /* who is told next while a put is being announced */
};

static uint32_t clamp_capacity(uint32_t capacity)
{
	return capacity < MIN_CAPACITY ? MIN_CAPACITY : capacity > MAX_CAPACITY ? MAX_CAPACITY : capacity;
}

static struct slot *slot_of(const struct stream *s, uint64_t seq)
{
	return &s->slots[seq % s->capacity];
}

struct stream *stream_new(uint32_t capacity)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->capacity = clamp_capacity(capacity);
	s->slots = calloc(s->capacity, sizeof(*s->slots));
	s->first = 1;
	if (!s->slots) {
		free(s);
		return NULL;
	}
	return s;
}

static void drop_first(struct stream *s)
{
	struct slot *slot = slot_of(s, s->first++);

	s->bytes -= slot->record.len;
	free(slot->json);
	*slot = (struct slot){0};
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	while (s->first <= s->last)
		drop_first(s);
	while (s->listeners)
		stream_unlisten(s->listeners);
	text_done(&s->scratch);
	free(s->slots);
	free(s);
}

int stream_resize(struct stream *s, uint32_t capacity)
{
	struct slot *slots;
	uint64_t seq;

	capacity = clamp_capacity(capacity);
	if (capacity == s->capacity)
		return 0;
	slots = calloc(capacity, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	while (s->last + 1 - s->first > capacity)
		drop_first(s);
	for (seq = s->first; seq <= s->last; seq++) {
		struct slot *slot = &slots[seq % capacity];

		*slot = *slot_of(s, seq);
		slot->record.type = slot->type;
	}
	free(s->slots);
	s->slots = slots;
	s->capacity = capacity;
	return 0;
}

static void announce(struct stream *s)
{
	struct stream_listener *l;

	for (l = s->listeners; l; l = s->next) {
		s->next = l->next;
		l->fn(l);
	}
	s->next = NULL;
}

static uint64_t happened_ns(const struct prism_event *event)
{
	uint64_t wall = wall_ns(), now = monotonic_ns();

	if (!event->ktime_ns || event->ktime_ns > now || now - event->ktime_ns > wall)
		return wall;
	return wall - (now - event->ktime_ns);
}

int stream_put(struct stream *s, const struct stream_tag *tag, const struct prism_event *event)
{
	size_t budget = (size_t)s->capacity * STREAM_MEAN_EVENT;
	_cleanup_free_ char *json = NULL;
	struct slot *slot;
	char type[MAX_TYPE];
	size_t len;

	snprintf(type, sizeof(type), "%s.%s", tag->source ? tag->source : "prism", tag->type ? tag->type : "event");
	text_clear(&s->scratch);
	event_format(tag, event, type, s->last + 1, happened_ns(event), &s->scratch);
	len = s->scratch.len;
	json = s->scratch.failed ? NULL : malloc(len + 1);
	if (!json) {
		s->lost++;
		return -ENOMEM;
	}
	memcpy(json, s->scratch.data, len + 1);

	while (s->first <= s->last && (s->last + 1 - s->first >= s->capacity || s->bytes + len > budget))
		drop_first(s);
	slot = slot_of(s, ++s->last);
	memcpy(slot->type, type, sizeof(type));
	slot->json = TAKE_PTR(json);
	slot->record = (struct stream_record){s->last, event->identity, slot->type, slot->json, len};
	s->bytes += len;
	announce(s);
	return 0;
}

const struct stream_record *stream_read(const struct stream *s, uint64_t from, uint64_t *ret_missed)
{
	uint64_t missed = 0;

	if (from < s->first) {
		missed = from ? s->first - from : 0;
		from = s->first;
	}
	if (ret_missed)
		*ret_missed = missed;
	return from <= s->last ? &slot_of(s, from)->record : NULL;
}

uint64_t stream_last_seq(const struct stream *s)
{
	return s->last;
}

uint64_t stream_lost(const struct stream *s)
{
	return s->lost;
}

void stream_listen(struct stream *s, struct stream_listener *l)
{
	l->stream = s;
	l->next = s->listeners;
	l->prev = &s->listeners;
	if (l->next)
		l->next->prev = &l->next;
	s->listeners = l;
}

void stream_unlisten(struct stream_listener *l)
{
	if (!l->prev)
		return;
	/* A listener may take any listener off, also the one that would hear of this event next. */
	if (l->stream->next == l)
		l->stream->next = l->next;
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	l->next = NULL;
	l->prev = NULL;
}
