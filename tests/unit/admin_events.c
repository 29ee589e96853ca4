/* SPDX-License-Identifier: Apache-2.0 */
/* The admin server's streams: what was, what comes, readers that are slow or gone, and their end. */
#include "admin_fixture.h"

static void emit(struct fixture *f, const char *type, uint32_t identity)
{
	const struct stream_tag tag = {.source = "trace", .type = type};
	const struct prism_event event = {.size = sizeof(event), .identity = identity};

	assert_int_equal(stream_put(f->agent.stream, &tag, &event), 0);
}

static void events_that_were(void **state)
{
	struct fixture *f = *state;
	_cleanup_(text_done) struct text all = {0}, some = {0}, late = {0}, none = {0};
	int i;

	emit(f, "exec", 300);
	emit(f, "exit", 300);
	emit(f, "exec", 301);
	ask_on(f, dial(f->socket), "GET", "/v1/events", "", &all);
	assert_non_null(strstr(all.data, "application/x-ndjson"));
	assert_non_null(strstr(all.data, "\"seq\":1,"));
	assert_non_null(strstr(all.data, "\"seq\":3,"));
	assert_null(strstr(all.data, "prism.missed"));
	ask_on(f, dial(f->socket), "GET", "/v1/events?from=2&type=trace.ex&identity=301", "", &some);
	assert_null(strstr(some.data, "\"seq\":2,"));
	assert_non_null(strstr(some.data, "\"seq\":3,"));
	for (i = 0; i < 20; i++)
		emit(f, "exec", 300);
	ask_on(f, dial(f->socket), "GET", "/v1/events?from=1", "", &late);
	assert_non_null(strstr(late.data, "{\"schema_version\":1,\"type\":\"prism.missed\",\"missed\":7}\n"));
	assert_non_null(strstr(late.data, "\"seq\":23,"));
	ask_on(f, dial(f->socket), "GET", "/v1/events?from=24", "", &none);
	assert_int_equal(status_of(&none), 200);
	json_decref(ask(f, "GET", "/v1/events?from=-1", 400));
	json_decref(ask(f, "GET", "/v1/events?identity=x", 400));
}

static void events_that_come(void **state)
{
	struct fixture *f = *state;
	_cleanup_(text_done) struct text a = {0}, b = {0};
	int one = follow(f, "from=1&follow=1"), two = follow(f, "type=trace.exit&follow=1");
	int i;

	receive(f, one, "\r\n\r\n", &a);
	receive(f, two, "\r\n\r\n", &b);
	emit(f, "exec", 300);
	receive(f, one, "\"seq\":1,", &a);
	emit(f, "exit", 300);
	receive(f, one, "\"seq\":2,", &a);
	receive(f, two, "\"seq\":2,", &b);
	assert_null(strstr(b.data, "\"seq\":1,"));
	/* Faster than the ring is long, without a turn of the loop. */
	for (i = 0; i < 100; i++)
		emit(f, "exec", 300);
	receive(f, one, "\"missed\":84}", &a);
	receive(f, one, "\"seq\":102,", &a);
	close(one);
	close(two);
}

static void a_reader_that_went_away(void **state)
{
	struct fixture *f = *state;
	_cleanup_(text_done) struct text a = {0};
	uint64_t end_ns = monotonic_ns() + DEADLINE_NS;
	int fd = follow(f, "follow=1");

	receive(f, fd, "\r\n\r\n", &a);
	assert_non_null(f->admin->followers);
	close(fd);
	while (f->admin->followers && monotonic_ns() < end_ns)
		turn(f, -1);
	assert_null(f->admin->followers);
}

static void stop_with_open_streams(void **state)
{
	struct fixture *f = *state;
	_cleanup_(text_done) struct text a = {0}, b = {0}, rest = {0};
	int one = follow(f, "follow=1"), two = follow(f, "follow=1&from=0"), idle = dial(f->socket);

	receive(f, one, "\r\n\r\n", &a);
	receive(f, two, "\r\n\r\n", &b);
	end(f);
	receive(f, one, NULL, &rest);
	assert_string_equal(rest.data, "0\r\n\r\n"); /* an end, not a break */
	receive(f, two, NULL, &rest);
	receive(f, idle, NULL, &rest);
	close(one);
	close(two);
	close(idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(events_that_were),
		WITH_SERVER(events_that_come),
		WITH_SERVER(a_reader_that_went_away),
		WITH_SERVER(stop_with_open_streams),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
