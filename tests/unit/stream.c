/* SPDX-License-Identifier: Apache-2.0 */
/* The event stream: lines, the ring, late readers, listeners. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "base/util.h"
#include "event/stream.h"

static const struct stream_tag tag = {
	.source = "trace",
	.type = "exec",
	.workload = "shop/checkout",
	.namespace_name = "shop",
	.facets = "net,trace",
	.latency_class = "normal",
	.weight = 64,
};

static int put(struct stream *s, const struct prism_field *fields, uint32_t n)
{
	const struct prism_event event = {
		.size = sizeof(event),
		.identity = 4711,
		.fields = fields,
		.n_fields = n,
		.field_size = sizeof(*fields),
	};

	return stream_put(s, &tag, &event);
}

static void assert_ends(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	if (n < k || strcmp(s + n - k, end))
		fail_msg("\"%s\"\ndoes not end in\n\"%s\"", s, end);
}

static void a_line(void **state)
{
	const char *const args[] = {"sh", "-c", "echo \"\n\xc3\x28\x1b[0m\""};
	const struct prism_field fields[] = {
		{.key = "pid", .kind = PRISM_FIELD_UNSIGNED, .v.u = 12},
		{.key = "ret", .kind = PRISM_FIELD_SIGNED, .v.i = -2},
		{.key = "ok", .kind = PRISM_FIELD_BOOL, .v.u = 1},
		{.key = "file", .kind = PRISM_FIELD_TEXT, .v.text = "/bin/\\"},
		{.key = "args", .kind = PRISM_FIELD_LIST, .n = 3, .v.list = args},
		{.key = "big", .kind = PRISM_FIELD_UNSIGNED, .v.u = UINT64_MAX},
		{.key = "max", .kind = PRISM_FIELD_UNSIGNED, .v.u = INT64_MAX},
		{.key = "type", .kind = PRISM_FIELD_UNSIGNED, .v.u = 1},
		{.key = "odd", .kind = 77},
	};
	struct stream *s = stream_new(16);
	const struct stream_record *r;
	uint64_t missed = 9;

	(void)state;
	assert_int_equal(put(s, fields, ARRAY_SIZE(fields)), 0);
	r = stream_read(s, 1, &missed);
	assert_non_null(r);
	assert_int_equal(missed, 0);
	assert_int_equal(r->seq, 1);
	assert_int_equal(r->identity, 4711);
	assert_string_equal(r->type, "trace.exec");
	assert_int_equal(strlen(r->json), r->len);
	assert_memory_equal(r->json, "{\"schema_version\":1,\"seq\":1,\"time\":\"20", 38);
	assert_null(strchr(r->json, '\n'));
	assert_ends(
		r->json,
		"Z\",\"type\":\"trace.exec\",\"identity\":4711,\"workload\":\"shop/checkout\",\"namespace\":\"shop\","
		"\"facets\":[\"net\",\"trace\"],\"class\":\"normal\",\"weight\":64,\"pid\":12,\"ret\":-2,\"ok\":true,"
		"\"file\":\"/bin/\\\\\",\"args\":[\"sh\",\"-c\",\"echo \\\"\\n\\ufffd(\\u001b[0m\\\"\"],"
		"\"big\":\"18446744073709551615\",\"max\":9223372036854775807,\"trace.type\":1,\"odd\":null}");
	stream_free(s);
}

static void nothing_known(void **state)
{
	const struct prism_event event = {.size = sizeof(event)};
	struct stream *s = stream_new(16);

	(void)state;
	assert_int_equal(stream_put(s, &(struct stream_tag){0}, &event), 0);
	assert_ends(stream_read(s, 1, NULL)->json,
		    "\"type\":\"prism.event\",\"identity\":0,\"workload\":null,\"namespace\":null,\"facets\":[],"
		    "\"class\":\"unset\",\"weight\":0}");
	stream_free(s);
}

static void time_is_when_it_happened(void **state)
{
	struct prism_event event = {.size = sizeof(event)};
	struct stream *s = stream_new(16);
	char then[32], now[32];
	time_t before, after;
	struct tm tm;

	(void)state;
	before = (time_t)(wall_ns() / NS_PER_SEC) - 3;
	event.ktime_ns = monotonic_ns() - 3 * NS_PER_SEC;
	assert_int_equal(stream_put(s, &tag, &event), 0);
	after = (time_t)(wall_ns() / NS_PER_SEC) - 3;
	strftime(then, sizeof(then), "\"time\":\"%FT%T", gmtime_r(&before, &tm));
	strftime(now, sizeof(now), "\"time\":\"%FT%T", gmtime_r(&after, &tm));
	assert_true(strstr(stream_read(s, 1, NULL)->json, then) || strstr(stream_read(s, 1, NULL)->json, now));
	stream_free(s);
}

static void long_events_are_cut(void **state)
{
	_cleanup_free_ char *hostile = malloc(100001);
	const char *list[300];
	struct prism_field fields[40];
	struct stream *s = stream_new(1024);
	const struct stream_record *r;
	size_t i;

	(void)state;
	memset(hostile, 0x01, 100000);
	hostile[100000] = '\0';
	for (i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = hostile;
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		fields[i] = (struct prism_field){.key = "text", .kind = PRISM_FIELD_TEXT, .v.text = hostile};
	fields[39] = (struct prism_field){.key = "last", .kind = PRISM_FIELD_UNSIGNED, .v.u = 5};
	assert_int_equal(put(s, fields, ARRAY_SIZE(fields)), 0);
	r = stream_read(s, 1, NULL);
	assert_in_range(r->len, 24000, STREAM_MAX_EVENT);
	assert_ends(r->json, "\\u0001\",\"last\":5,\"truncated\":true}");

	fields[0] = (struct prism_field){.key = "list", .kind = PRISM_FIELD_LIST, .n = 300, .v.list = list};
	assert_int_equal(put(s, fields, 1), 0);
	r = stream_read(s, 2, NULL);
	assert_in_range(r->len, 24000, STREAM_MAX_EVENT);
	assert_ends(r->json, "\\u0001\"],\"truncated\":true}");
	stream_free(s);
}

static void too_many_fields(void **state)
{
	struct prism_field fields[400];
	struct stream *s = stream_new(16);
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(fields); i++)
		fields[i] = (struct prism_field){.key = "f", .kind = PRISM_FIELD_UNSIGNED, .v.u = i};
	assert_int_equal(put(s, fields, ARRAY_SIZE(fields)), 0);
	assert_ends(stream_read(s, 1, NULL)->json, ",\"f\":255,\"truncated\":true}");
	stream_free(s);
}

static void a_late_reader_is_told(void **state)
{
	struct stream *s = stream_new(16);
	const struct stream_record *r;
	uint64_t missed;
	int i;

	(void)state;
	assert_null(stream_read(s, 1, &missed));
	assert_int_equal(missed, 0);
	for (i = 0; i < 20; i++)
		assert_int_equal(put(s, NULL, 0), 0);
	assert_int_equal(stream_last_seq(s), 20);
	r = stream_read(s, 2, &missed);
	assert_int_equal(r->seq, 5);
	assert_int_equal(missed, 3);
	r = stream_read(s, 0, &missed);
	assert_int_equal(r->seq, 5);
	assert_int_equal(missed, 0);
	assert_int_equal(stream_read(s, 20, &missed)->seq, 20);
	assert_null(stream_read(s, 21, &missed));
	assert_null(stream_read(s, UINT64_MAX, &missed));
	assert_int_equal(missed, 0);
	stream_free(s);
}

static void resize_keeps_the_newest(void **state)
{
	struct stream *s = stream_new(64);
	uint64_t missed;
	int i;

	(void)state;
	for (i = 0; i < 50; i++)
		put(s, NULL, 0);
	assert_int_equal(stream_resize(s, 20), 0);
	assert_int_equal(stream_read(s, 1, &missed)->seq, 31);
	assert_int_equal(missed, 30);
	assert_string_equal(stream_read(s, 50, NULL)->type, "trace.exec");
	assert_int_equal(stream_resize(s, 100), 0);
	for (i = 0; i < 80; i++)
		put(s, NULL, 0);
	assert_int_equal(stream_read(s, 31, &missed)->seq, 31);
	assert_int_equal(missed, 0);
	assert_non_null(strstr(stream_read(s, 40, NULL)->json, "\"seq\":40,"));
	stream_free(s);
}

static void a_flood_of_long_events_stays_within_memory(void **state)
{
	char text[4001];
	const struct prism_field field = {.key = "t", .kind = PRISM_FIELD_TEXT, .v.text = text};
	struct stream *s = stream_new(100);
	uint64_t missed;
	int i;

	(void)state;
	memset(text, 'x', 4000);
	text[4000] = '\0';
	for (i = 0; i < 100; i++)
		assert_int_equal(put(s, &field, 1), 0);
	assert_in_range(stream_read(s, 1, &missed)->seq, 75, 80);
	assert_in_range(missed, 74, 79);
	assert_int_equal(stream_read(s, 100, NULL)->seq, 100);
	stream_free(s);
}

struct ear {
	struct stream_listener listener; /* first */
	int heard;
	struct ear *off[2]; /* taken off when this one hears */
};

static void hear(struct stream_listener *l)
{
	struct ear *ear = (struct ear *)l;
	size_t i;

	ear->heard++;
	for (i = 0; i < ARRAY_SIZE(ear->off); i++)
		if (ear->off[i])
			stream_unlisten(&ear->off[i]->listener);
}

static void listeners(void **state)
{
	struct ear a = {.listener.fn = hear}, b = a, c = a;
	struct stream *s = stream_new(16);

	(void)state;
	stream_listen(s, &a.listener);
	stream_listen(s, &b.listener);
	stream_listen(s, &c.listener); /* heard in the order c, b, a */
	put(s, NULL, 0);
	assert_int_equal(a.heard + b.heard + c.heard, 3);
	c.off[0] = &b;
	c.off[1] = &c;
	put(s, NULL, 0);
	assert_int_equal(c.heard, 2);
	assert_int_equal(b.heard, 1);
	assert_int_equal(a.heard, 2);
	stream_unlisten(&c.listener);
	put(s, NULL, 0);
	assert_int_equal(c.heard, 2);
	assert_int_equal(a.heard, 3);
	stream_free(s);
	stream_unlisten(&a.listener); /* the stream took it off */
}

/* A module built against an older minor sends shorter fields. */
static void shorter_fields(void **state)
{
	const struct prism_event event = {
		.size = sizeof(event),
		.fields = &(struct prism_field){.key = "k", .kind = PRISM_FIELD_UNSIGNED, .v.u = 7},
		.n_fields = 1,
		.field_size = offsetof(struct prism_field, v),
	};
	struct stream *s = stream_new(16);

	(void)state;
	assert_int_equal(stream_put(s, &tag, &event), 0);
	assert_ends(stream_read(s, 1, NULL)->json, ",\"k\":0}");
	stream_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(time_is_when_it_happened),
		cmocka_unit_test(long_events_are_cut),
		cmocka_unit_test(too_many_fields),
		cmocka_unit_test(a_late_reader_is_told),
		cmocka_unit_test(resize_keeps_the_newest),
		cmocka_unit_test(a_flood_of_long_events_stays_within_memory),
		cmocka_unit_test(listeners),
		cmocka_unit_test(shorter_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
