/* SPDX-License-Identifier: Apache-2.0 */
/* JSON cut into objects and reduced, as it comes and as it should not come. */
#include "test.h"

#include <jansson.h>

#include "base/text.h"
#include "base/util.h"
#include "kube/filter.h"

static const struct json_want inner[] = {{.key = "name"}, {.key = "labels"}, {}};
static const struct json_want object[] = {{.key = "metadata", .below = inner}, {.key = "kept"}, {}};
static const struct json_want stream[] = {{.key = "type"}, {.key = "object", .below = object}, {}};
static const struct json_want list[] = {{.key = "metadata", .below = inner},
					{.key = "items", .below = object, .each = true},
					{}};

static struct text said;
static int stop_with;

static int on_part(void *arg, enum json_part part, char *data, size_t len)
{
	(void)arg;
	assert_int_equal(strlen(data), len);
	text_append_n(&said, &"ixr"[part], 1);
	text_append(&said, data);
	return stop_with;
}

/* Feeds text in pieces of every size; what comes out must be the same each time. */
static void feed(const struct json_want *want, bool is_stream, size_t max, const char *text, int result, bool cut,
		 const char *expected)
{
	size_t len = strlen(text), piece;

	for (piece = 1; piece <= len; piece++) {
		struct json_filter *f = json_filter_new(want, is_stream, max, on_part, NULL);
		struct error e = {0};
		size_t at;
		int r = 0;

		text_clear(&said);
		text_append(&said, "");
		for (at = 0; r == 0 && at < len; at += piece)
			r = json_filter_feed(f, text + at, piece < len - at ? piece : len - at, &e);
		assert_int_equal(r, result);
		assert_string_equal(said.data, expected);
		if (r == 0)
			assert_int_equal(json_filter_cut(f), cut);
		json_filter_free(f);
		if (len > 2000 && piece > 70)
			piece += 499;
	}
}

static void streams_are_cut_into_objects(void **state)
{
	(void)state;
	feed(stream, true, 1000,
	     "{\"type\":\"A\",\"object\":{\"metadata\":{\"name\":\"n\",\"uid\":\"u\"},\"spec\":{\"x\":[1,{}]}}}\n", 0,
	     false, "i{\"type\":\"A\",\"object\":{\"metadata\":{\"name\":\"n\"}}}");
	/* Without anything between them, and with all that may be there. */
	feed(stream, true, 1000, "{}{\"type\" : \"A\" }\r\n\t {\"object\":{\"x\":1}} ", 0, false,
	     "i{}i{\"type\":\"A\"}i{\"object\":{}}");
	feed(stream, true, 1000, "{\"type\":\"A\",\"obj", 0, true, "");
	feed(stream, true, 1000, "", 0, false, "");
}

static void documents_are_cut_into_items(void **state)
{
	(void)state;
	feed(list, false, 1000,
	     "{\"kind\":\"L\",\"metadata\":{\"name\":\"v\",\"x\":[]},\"items\":[{\"metadata\":{\"name\":\"a\"}},\n{"
	     "\"kept\":[1, 2]}, {}],"
	     "\"after\":{\"items\":[{\"metadata\":1}]}}",
	     0, false,
	     "i{\"metadata\":{\"name\":\"a\"}}i{\"kept\":[1,2]}i{}r{\"metadata\":{\"name\":\"v\"},\"items\":[]}");
	feed(list, false, 1000, "{\"items\":[]}", 0, false, "r{\"items\":[]}");
	feed(list, false, 1000, "{\"items\":[{}", 0, true, "i{}");
	feed(list, false, 1000, "{\"items\":[]}{", -EBADMSG, false, "r{\"items\":[]}");
}

static void what_is_kept_is_kept_as_it_is(void **state)
{
	(void)state;
	feed(stream, true, 1000,
	     "{\"object\":{\"kept\":{\"a\\\"b\":\"\\\\\\u00e9{}[],:\\n\", \"c\":[true,null,-1.5e3,{\"d\":{}}]}, "
	     "\"lost\":\"\\\\\"}}",
	     0, false,
	     "i{\"object\":{\"kept\":{\"a\\\"b\":\"\\\\\\u00e9{}[],:\\n\",\"c\":[true,null,-1.5e3,{\"d\":{}}]}}}");
	/* A key that only looks like one that is wanted. */
	feed(stream, true, 1000, "{\"typ\\u0065\":1,\"type \":2,\"typ\":3,\"type\":4}", 0, false, "i{\"type\":4}");
	/* Of another kind than was thought. */
	feed(stream, true, 1000, "{\"object\":[{\"kept\":1}]}{\"object\":\"s\"}{\"object\":null}", 0, false,
	     "i{\"object\":null}i{\"object\":\"s\"}i{\"object\":null}");
	feed(list, false, 1000, "{\"items\":{\"a\":1}}", 0, false, "r{\"items\":null}");
	feed(list, false, 1000, "{\"items\":[1,\"s\",[2]]}", 0, false, "i1i\"s\"inullr{\"items\":[]}");
}

static void what_is_no_json_ends_it(void **state)
{
	static const char *const bad[] = {"]",
					  "}",
					  "{]",
					  "{\"a\"]",
					  "{\"a\":}",
					  "{\"a\":1,}",
					  "{\"a\" 1}",
					  "{a:1}",
					  "{\"a\":[1,]",
					  "{\"a\":[1 2]}",
					  "x",
					  "{\"a\":\"\n\"}",
					  "{\"a\":\"\\x\"}",
					  "{\"a\":1]",
					  "{\"a\":[}",
					  "{,}",
					  "<html>",
					  "\x01"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		feed(stream, true, 1000, bad[i], -EBADMSG, false, "");
}

static void depth_is_bounded(void **state)
{
	char text[FILTER_DEPTH + 2];

	(void)state;
	memset(text, '[', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	feed(stream, true, 1000, text, -EBADMSG, false, "");
	text[FILTER_DEPTH] = '\0';
	feed(stream, true, 1000, text, 0, true, "");
}

static void large_objects_are_refused(void **state)
{
	static char text[4000], filler[1200];

	(void)state;
	memset(filler, 'x', sizeof(filler) - 1);
	snprintf(text, sizeof(text),
		 "{\"type\":\"A\"}{\"type\":\"B\",\"object\":{\"metadata\":{\"name\":\"n\"},\"skip\":\"%s\"}}{\"type\":"
		 "\"C\"}",
		 filler);
	feed(stream, true, 1000, text, 0, false,
	     "i{\"type\":\"A\"}x{\"type\":\"B\",\"object\":{\"metadata\":{\"name\":\"n\"}i{\"type\":\"C\"}");
	snprintf(text, sizeof(text), "{\"items\":[{\"kept\":1},{\"skip\":\"%s\"},{\"kept\":2}]}", filler);
	feed(list, false, 1000, text, 0, false, "i{\"kept\":1}x{i{\"kept\":2}r{\"items\":[]}");
}

static void what_is_kept_is_bounded(void **state)
{
	struct json_filter *f = json_filter_new(stream, true, 1 << 30, on_part, NULL);
	static char filler[65536];
	struct error e;
	int i;

	(void)state;
	memset(filler, 'x', sizeof(filler));
	text_clear(&said);
	assert_int_equal(json_filter_feed(f, "{\"type\":\"", 9, &e), 0);
	for (i = 0; i < 64; i++)
		assert_int_equal(json_filter_feed(f, filler, sizeof(filler), &e), 0);
	assert_int_equal(json_filter_feed(f, "\"}{}", 4, &e), 0);
	assert_int_equal(said.data[0], 'x');
	assert_true(said.len <= FILTER_KEPT + 4);
	assert_string_equal(said.data + said.len - 3, "i{}");
	json_filter_free(f);
}

static void its_reader_may_stop_it(void **state)
{
	struct json_filter *f = json_filter_new(stream, true, 1000, on_part, NULL);
	struct error e;

	(void)state;
	stop_with = -EPROTO;
	assert_int_equal(json_filter_feed(f, "{}{}", 4, &e), -EPROTO);
	stop_with = 0;
	json_filter_free(f);
}

static int forget(void **state)
{
	(void)state;
	text_done(&said);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_are_cut_into_objects),
		cmocka_unit_test(documents_are_cut_into_items),
		cmocka_unit_test(what_is_kept_is_kept_as_it_is),
		cmocka_unit_test(what_is_no_json_ends_it),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(large_objects_are_refused),
		cmocka_unit_test(what_is_kept_is_bounded),
		cmocka_unit_test(its_reader_may_stop_it),
	};

	return cmocka_run_group_tests_name("kube_filter", tests, NULL, forget);
}
