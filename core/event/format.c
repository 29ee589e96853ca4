/* SPDX-License-Identifier: Apache-2.0 */
#include "event/format.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/util.h"

/* Bytes of one text that are looked at; escaping makes them six times as many at worst. */
#define MAX_TEXT 4096
#define MAX_KEY 128
#define MAX_FIELDS 256
/* Kept free for `,"truncated":true}`. */
#define TAIL 32

static void append_quoted(struct text *out, const char *s, size_t max)
{
	text_append_n(out, "\"", 1);
	text_append_json(out, s, strnlen(s, max));
	text_append_n(out, "\"", 1);
}

static void append_member(struct text *out, const char *key, const char *value)
{
	text_appendf(out, ",\"%s\":", key);
	if (value)
		append_quoted(out, value, MAX_TEXT);
	else
		text_append(out, "null");
}

static void append_time(struct text *out, uint64_t ns)
{
	time_t seconds = (time_t)(ns / NS_PER_SEC);
	char day[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	text_appendf(out, ",\"time\":\"%s.%06" PRIu64 "Z\"", day, ns % NS_PER_SEC / 1000);
}

/* "net,trace" as ["net","trace"]. */
static void append_facets(struct text *out, const char *facets)
{
	size_t n;

	text_append(out, ",\"facets\":[");
	for (facets = facets ? facets : ""; *facets; facets += n + (facets[n] == ',')) {
		n = strcspn(facets, ",");
		append_quoted(out, facets, n);
		if (facets[n])
			text_append_n(out, ",", 1);
	}
	text_append(out, "]");
}

/* Numbers that readers with signed 64-bit integers cannot hold go as text. */
static void append_unsigned(struct text *out, uint64_t value)
{
	text_appendf(out, value > INT64_MAX ? "\"%" PRIu64 "\"" : "%" PRIu64, value);
}

static bool append_list(struct text *out, const char *const *list, uint32_t n)
{
	bool cut = false;
	uint32_t i;

	text_append(out, "[");
	for (i = 0; list && i < n; i++) {
		size_t before = out->len;

		if (i)
			text_append_n(out, ",", 1);
		append_quoted(out, list[i] ? list[i] : "", MAX_TEXT);
		cut |= list[i] && strnlen(list[i], MAX_TEXT + 1) > MAX_TEXT;
		/* The list's end must fit as well. */
		if (out->len + 2 > STREAM_MAX_EVENT - TAIL) {
			out->len = before;
			cut = true;
			break;
		}
	}
	text_append(out, "]");
	return cut;
}

/* true when something of the value was cut. */
static bool append_value(struct text *out, const struct prism_field *f)
{
	switch (f->kind) {
	case PRISM_FIELD_UNSIGNED:
		append_unsigned(out, f->v.u);
		return false;
	case PRISM_FIELD_SIGNED:
		text_appendf(out, "%" PRId64, f->v.i);
		return false;
	case PRISM_FIELD_BOOL:
		text_append(out, f->v.u ? "true" : "false");
		return false;
	case PRISM_FIELD_TEXT:
		append_quoted(out, f->v.text ? f->v.text : "", MAX_TEXT);
		return f->v.text && strnlen(f->v.text, MAX_TEXT + 1) > MAX_TEXT;
	case PRISM_FIELD_LIST:
		return append_list(out, f->v.list, f->n);
	}
	text_append(out, "null");
	return false;
}

/* Keys that the line has already; a module's field of that name goes under `<module>.<key>`. */
static bool is_reserved(const char *key)
{
	static const char *const words[] = {"schema_version", "seq",    "time",  "type",   "identity", "workload",
					    "namespace",      "facets", "class", "weight", "truncated"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(key, words[i]))
			return true;
	return false;
}

static bool append_field(struct text *out, const struct stream_tag *tag, const struct prism_field *f)
{
	bool cut;

	text_append(out, ",\"");
	if (is_reserved(f->key)) {
		text_append_json(out, tag->source ? tag->source : "prism",
				 strnlen(tag->source ? tag->source : "", MAX_KEY));
		text_append(out, ".");
	}
	text_append_json(out, f->key, strnlen(f->key, MAX_KEY));
	text_append(out, "\":");
	cut = append_value(out, f);
	return cut;
}

/* true when a field was cut or left out. */
static bool append_fields(struct text *out, const struct stream_tag *tag, const struct prism_event *event)
{
	const char *base = (const char *)event->fields;
	bool cut = event->n_fields > MAX_FIELDS;
	uint32_t i, n = cut ? MAX_FIELDS : event->n_fields;

	for (i = 0; base && i < n; i++) {
		size_t before = out->len;
		struct prism_field f = {0};

		memcpy(&f, base + (size_t)i * event->field_size,
		       event->field_size < sizeof(f) ? event->field_size : sizeof(f));
		if (!f.key || !*f.key)
			continue;
		cut |= append_field(out, tag, &f);
		if (out->len > STREAM_MAX_EVENT - TAIL) {
			out->len = before;
			cut = true;
		}
	}
	return cut;
}

void event_format(const struct stream_tag *tag, const struct prism_event *event, const char *type, uint64_t seq,
		  uint64_t wall_ns, struct text *out)
{
	text_appendf(out, "{\"schema_version\":1,\"seq\":%" PRIu64, seq);
	append_time(out, wall_ns);
	append_member(out, "type", type);
	text_appendf(out, ",\"identity\":%u", event->identity);
	append_member(out, "workload", tag->workload);
	append_member(out, "namespace", tag->namespace_name);
	append_facets(out, tag->facets);
	append_member(out, "class", tag->latency_class ? tag->latency_class : "unset");
	text_appendf(out, ",\"weight\":%u", tag->weight);
	if (append_fields(out, tag, event))
		text_append(out, ",\"truncated\":true");
	text_append(out, "}");
}
