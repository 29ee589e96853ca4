/* SPDX-License-Identifier: Apache-2.0 */
/* The reflector against a server that plays what real API servers said, and what no API server should say. */
#include "kube_world.h"

#define EVENT(type, ns, name, version)                                                                                 \
	"{\"type\":\"" type "\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"" name "\",\"namespace\":\"" ns  \
	"\",\"uid\":\"u-" name "\",\"resourceVersion\":\"" version "\"},\"spec\":{},\"status\":{}}}\n"
#define BOOKMARK(version) "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version "\"}}}\n"
#define INITIAL_END(version)                                                                                           \
	"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" version                              \
	"\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define STATUS(code, reason) "{\"kind\":\"Status\",\"message\":\"" reason "\",\"code\":" code "}"
#define LIST(version, items)                                                                                           \
	"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define POD(ns, name, version)                                                                                         \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"" ns "\",\"uid\":\"u-" name                              \
	"\",\"resourceVersion\":\"" version "\"}}"

/* A server in step: what is listed is x/a@10, and the watch stays open. */
#define IN_STEP                                                                                                        \
	{.expect = "sendInitialEvents=true",                                                                           \
	 .body = EVENT("ADDED", "x", "a", "10") INITIAL_END("10"),                                                     \
	 .end = SCRIPT_HOLD}
#define HELD(...) {__VA_ARGS__, .body = "", .end = SCRIPT_HOLD}

#define START(steps) world_start(steps, ARRAY_SIZE(steps), 0, 0)

/* ---- what real servers said ---- */

static void watch_list_as_recorded(void **state)
{
	static const struct script_step steps[] = {
		{.expect = "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dnode-a&sendInitialEvents=true&"
			   "resourceVersionMatch=NotOlderThan&watch=1&allowWatchBookmarks=true&timeoutSeconds=",
		 .file = "v1.36/watch-sendinitial.jsonl",
		 .end = SCRIPT_HOLD},
		HELD(.expect = "&resourceVersion=224&watch=1", .refuse = "sendInitialEvents"),
	};

	(void)state;
	START(steps);
	world_until_said("-scx/b@224");
	assert_string_equal(world.said.data, "{+scx/a@218+scx/b@215}+scx/c@219~scx/c@220+scx/unbound@221~scx/b@222"
					     "~scx/b@223-scx/b@224");
	assert_contains(scripted_server_request(world.server), "User-Agent: prismd/");
	assert_contains(scripted_server_request(world.server), "Authorization: Bearer first\r\n");
	assert_null(world_view().trouble);
	assert_true(world_view().listed && world_view().watching);
	assert_true(world_metric(METRIC_KUBE_LISTS, "watchlist") == 1);
	assert_true(world_metric(METRIC_KUBE_EVENTS, "added") == 4);
	assert_true(world_metric(METRIC_KUBE_EVENTS, "bookmark") == 2);
	assert_true(world_metric(METRIC_KUBE_CONNECTED, "pods") == 1);
	/* Its own end: the next watch goes on from the last bookmark. */
	scripted_server_end(world.server);
	world_until_served(2);
	assert_true(world_metric(METRIC_KUBE_WATCH_RESTARTS, "end") == 1);
	assert_int_equal(world.lists, 1);
	world_stop();
}

static void without_watch_list_as_recorded(void **state)
{
	static const struct script_step steps[] = {
		{.expect = "sendInitialEvents=true", .file = "v1.20/watch-sendinitial.jsonl"},
		{.expect = "&limit=500&resourceVersion=0 ", .file = "v1.20/pods-list-node-a-200.json", .piece = 7},
		{.expect = "&resourceVersion=209&watch=1", .file = "v1.20/watch-classic.jsonl", .end = SCRIPT_HOLD},
	};

	(void)state;
	START(steps);
	world_until_said("-scx/b@");
	assert_contains(world.said.data, "{{+scx/a@209+scx/b@206}+scx/c@");
	assert_int_equal(world.lists, 1);
	assert_true(world_metric(METRIC_KUBE_LISTS, "list") == 1);
	assert_true(world_metric(METRIC_KUBE_REQUESTS, "422") == 1);
	world_stop();
}

static void feature_gate_off_and_indented(void **state)
{
	static const struct script_step steps[] = {
		{.file = "v1.36/watch-sendinitial-gate-off.json"},
		{.expect = "limit=500", .file = "v1.36/pods-list-node-a-pretty-200.json", .piece = 1},
		HELD(.expect = "&resourceVersion=218&watch=1"),
	};

	(void)state;
	START(steps);
	world_until_served(3);
	assert_string_equal(world.said.data, "{{+scx/a@218+scx/b@215}");
	world_stop();
}

static void pages_as_recorded(void **state)
{
	static const struct script_step steps[] = {
		{.file = "v1.36/watch-sendinitial-gate-off.json"},
		{.expect = "limit=500", .file = "v1.36/pods-list-limit1-200.json"},
		{.expect = "&continue=eyJ2I",
		 .refuse = "resourceVersion=",
		 .file = "v1.36/pods-list-continue-200.json"},
		{.expect = "&continue=eyJ2I", .body = LIST("218", POD("x", "c", "7"))},
		HELD(.expect = "&resourceVersion=218&watch=1"),
	};

	(void)state;
	START(steps);
	world_until_served(5);
	assert_string_equal(world.said.data, "{{+scx/a@218+scx/b@215+x/c@7}");
	world_stop();
}

static void a_page_that_expired(void **state)
{
	static const struct script_step steps[] = {
		{.file = "v1.36/watch-sendinitial-gate-off.json"},
		{.file = "v1.36/pods-list-limit1-200.json"},
		{.expect = "&continue=", .file = "v1.36/list-continue-expired-after-restart-410.json"},
		{.refuse = "resourceVersion", .file = "v1.36/pods-list-node-a-200.json"},
		HELD(.expect = "&resourceVersion=218&watch=1"),
	};

	(void)state;
	START(steps);
	world_until_served(5);
	assert_string_equal(world.said.data, "{{+scx/a@218{+scx/a@218+scx/b@215}");
	world_stop();
}

/* Both wordings of 410 in a watch, of both servers: listed again, and nothing is said to be gone meanwhile. */
static void expired_versions_as_recorded(void **state)
{
	static const char *const files[] = {"v1.36/watch-old-rv-compacted-nocache.jsonl",
					    "v1.20/watch-old-rv-after-restart.jsonl",
					    "v1.36/watch-old-rv-after-restart.jsonl",
					    "v1.20/watch-old-rv-compacted-nocache.jsonl"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		const struct script_step steps[] = {
			{.body = EVENT("ADDED", "x", "a", "10") INITIAL_END("10")},
			{.expect = "&resourceVersion=10&", .file = files[i], .end = SCRIPT_HOLD},
			{.expect = "sendInitialEvents",
			 .body = EVENT("ADDED", "x", "b", "20") INITIAL_END("20"),
			 .end = SCRIPT_HOLD},
		};

		START(steps);
		world_until_said("+x/b@20}");
		assert_string_equal(world.said.data, "{+x/a@10}{+x/b@20}");
		assert_true(world_metric(METRIC_KUBE_WATCH_RESTARTS, "expired") == 1);
		assert_true(world_metric(METRIC_KUBE_EVENTS, "error") == 1);
		assert_null(world_view().trouble);
		world_stop();
	}
}

/* The recorded one was asked for no version and begins with what exists, in no order; it ends in a bookmark. */
static void killed_in_the_middle_as_recorded(void **state)
{
	static const struct script_step steps[] = {
		{.body = INITIAL_END("2")},
		{.file = "v1.36/watch-server-sigkill.jsonl", .end = SCRIPT_CUT, .piece = 100},
		{.expect = "sendInitialEvents", .body = EVENT("ADDED", "scx", "c", "220") INITIAL_END("230")},
		{.expect = "&resourceVersion=230&watch=1",
		 .body = EVENT("MODIFIED", "scx", "a", "262") BOOKMARK("277"),
		 .end = SCRIPT_CUT},
		HELD(.expect = "&resourceVersion=277&watch=1"),
	};

	(void)state;
	START(steps);
	world_until_served(5);
	assert_string_equal(world.said.data, "{}+scx/a@262+scx/c@220{+scx/c@220}~scx/a@262");
	assert_true(world_metric(METRIC_KUBE_WATCH_RESTARTS, "cut") == 1);
	world_stop();
}

/* Versions that the server cannot read, or that are from its future. */
static void bad_versions_as_recorded(void **state)
{
	static const struct script_step steps[] = {
		{.file = "v1.36/watch-sendinitial-gate-off.json"},
		{.body = LIST("99999999", "")},
		{.expect = "&resourceVersion=99999999&watch=1", .file = "v1.36/list-rv-future-504.json"},
		{.refuse = "resourceVersion", .body = LIST("30", POD("x", "a", "5"))},
		/* A watch that expired: a list not older than that, which this server cannot give. */
		{.expect = "&resourceVersion=30&watch=1", .file = "v1.20/watch-old-rv-after-restart.jsonl"},
		{.expect = "&resourceVersionMatch=NotOlderThan&resourceVersion=30 ",
		 .file = "v1.20/list-exact-old-after-restart-410.json"},
		{.refuse = "resourceVersion", .body = LIST("31", "")},
		{.expect = "&resourceVersion=31&watch=1", .file = "v1.36/list-rv-bad.json"},
		{.refuse = "resourceVersion", .body = LIST("32", "")},
		{.expect = "&resourceVersion=32&", .file = "v1.36/watch-rv-bad.jsonl"},
		{.refuse = "resourceVersion", .body = LIST("33", "")},
		HELD(.expect = "&resourceVersion=33&watch=1"),
	};

	(void)state;
	START(steps);
	world_until_served(ARRAY_SIZE(steps));
	assert_string_equal(world.said.data, "{{}{+x/a@5}{{}{}{}");
	world_stop();
}

static void a_real_life_cycle_as_recorded(void **state)
{
	static const struct script_step steps[] = {
		{.body = INITIAL_END("1")},
		{.head = "", .file = "v1.36-real-node/watch-lifecycle.jsonl", .end = SCRIPT_HOLD, .piece = 1000},
	};

	(void)state;
	START(steps);
	world_until_said("-scx/");
	assert_true(world.objects > 10);
	assert_true(world_metric(METRIC_KUBE_DECODE_FAILURES, NULL) == 0);
	world_stop();
}

/* ---- refusals ---- */

static bool has_trouble(void)
{
	return world_view().trouble;
}

static void the_server_says_how_long_to_wait(void **state)
{
	static const struct script_step steps[] = {
		{.file = "v1.36/list-overload-429.txt"},
		{.file = "v1.36/cr-list-right-after.json"},
		{.head = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\n", .body = ""},
		IN_STEP,
	};
	uint64_t start = monotonic_ns();

	(void)state;
	START(steps);
	world_until_fn(has_trouble, "trouble");
	assert_contains(world_view().trouble->text, "HTTP 429 Too many requests, please try again later.");
	world_until_served(4);
	/* The recorded ones had Retry-After: 1. */
	assert_true(monotonic_ns() - start >= 4 * NS_PER_SEC);
	world_until_said("}");
	assert_null(world_view().trouble);
	world_stop();
}

static void a_rotated_token_is_used(void **state)
{
	static const struct script_step steps[] = {
		{.expect = "Bearer first\r\n", .file = "v1.36/pods-401-badtoken.json"},
		{.expect = "Bearer second\r\n", .body = INITIAL_END("1"), .end = SCRIPT_HOLD},
	};

	(void)state;
	START(steps);
	world_until_fn(has_trouble, "trouble");
	world_write(world.token, "second\n");
	assert_contains(world_view().trouble->where, world.kubeconfig);
	assert_contains(world_view().trouble->text, "HTTP 401 Unauthorized");
	world_until_said("}");
	assert_null(world_view().trouble);
	world_stop();
}

static void rights_that_are_missing(void **state)
{
	static const struct script_step steps[] = {
		{.file = "v1.36/pods-list-nodecert-nosel.json"},
		{.file = "v1.20/pods-403-anonymous.json"},
		{.file = "v1.36/cr-after-crd-delete.json"},
		IN_STEP,
	};

	(void)state;
	START(steps);
	world_until_fn(has_trouble, "trouble");
	assert_contains(world_view().trouble->text, "HTTP 403 pods is forbidden");
	assert_contains(world_view().trouble->text, "conf/kubernetes");
	world_until_said("}");
	assert_true(world_metric(METRIC_KUBE_REQUESTS, "403") == 2);
	assert_true(world_metric(METRIC_KUBE_REQUESTS, "404") == 1);
	world_stop();
}

/* ---- what no server should do ---- */

static void garbage_makes_a_new_list(void **state)
{
	static const char *const garbage[] = {
		"<html>no\n",
		"{\"type\":\"ADDED\",]",
		"{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":\"\x01",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"\xff\",\"uid\":\"u\"}}}\n",
		"}",
		"nul!"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(garbage); i++) {
		const struct script_step steps[] = {
			IN_STEP,
			{.expect = "sendInitialEvents",
			 .body = EVENT("ADDED", "x", "b", "20") INITIAL_END("20"),
			 .end = SCRIPT_HOLD},
		};

		START(steps);
		world_until_said("}");
		scripted_server_send(world.server, garbage[i]);
		world_until_said("+x/b@20}");
		assert_string_equal(world.said.data, "{+x/a@10}{+x/b@20}");
		assert_true(world_metric(METRIC_KUBE_DECODE_FAILURES, NULL) == 1);
		assert_true(world_metric(METRIC_KUBE_WATCH_RESTARTS, "garbage") == 1);
		world_stop();
	}
}

/* An object's end may have come before its last change: nobody would say again that it has ended. */
static void events_out_of_order_make_a_new_list(void **state)
{
	static const struct script_step steps[] = {
		IN_STEP,
		{.expect = "sendInitialEvents", .body = INITIAL_END("20"), .end = SCRIPT_HOLD},
	};

	(void)state;
	START(steps);
	world_until_said("}");
	/* An end with the version of the change before it, and what comes twice, is in order. */
	scripted_server_send(world.server, EVENT("MODIFIED", "x", "b", "12") EVENT("MODIFIED", "x", "b", "12"));
	scripted_server_send(world.server, EVENT("DELETED", "x", "a", "10") EVENT("MODIFIED", "x", "a", "11"));
	world_until_said("{}");
	assert_string_equal(world.said.data, "{+x/a@10}~x/b@12~x/b@12-x/a@10~x/a@11{}");
	world_stop();
}

static void what_is_no_pod_is_passed_over(void **state)
{
	static const struct script_step steps[] = {
		{.body = "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"n\"}}}\n" EVENT("ADDED", "x", "a",
												   "1")
			 INITIAL_END("10"),
		 .end = SCRIPT_HOLD},
	};

	(void)state;
	START(steps);
	world_until_said("}");
	/* Not whole: what was not in it may exist. */
	assert_string_equal(world.said.data, "{+x/a@1?}");
	scripted_server_send(world.server, "{\"type\":\"FUTURE\",\"object\":{}}\n" EVENT("MODIFIED", "x", "a", "2"));
	world_until_said("~x/a@2");
	world_stop();
}

static void a_large_object_is_passed_over(void **state)
{
	static const struct script_step steps[] = {IN_STEP};
	static char large[300000];
	int n;

	(void)state;
	world_start(steps, ARRAY_SIZE(steps), 0, 65536);
	world_until_said("}");
	n = snprintf(
		large, sizeof(large), "%s",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"big\",\"namespace\":\"x\",\"annotations\":{"
		"\"a\":\"");
	memset(large + n, 'x', 200000);
	strcpy(large + n + 200000, "\"}}}}\n");
	scripted_server_send(world.server, large);
	scripted_server_send(world.server, EVENT("ADDED", "x", "b", "12"));
	world_until_said("+x/b@12");
	assert_string_equal(world.said.data, "{+x/a@10}+x/b@12");
	assert_int_equal(world_view().refused, 1);
	assert_string_equal(world_view().refused_name, "x/big");
	assert_true(world_metric(METRIC_KUBE_OBJECTS_REFUSED, NULL) == 1);
	world_stop();
}

static void silence_is_noticed(void **state)
{
	static const struct script_step steps[] = {
		{.body = INITIAL_END("10")},
		HELD(.expect = "&resourceVersion=10&"), /* not one byte: the version may be none */
		{.expect = "sendInitialEvents", .body = INITIAL_END("11")},
		{.expect = "&resourceVersion=11&", .body = BOOKMARK("12"), .end = SCRIPT_HOLD}, /* and then nothing */
		HELD(.expect = "&resourceVersion=12&"),
	};

	(void)state;
	world_start(steps, ARRAY_SIZE(steps), 300, 0);
	world_until_served(5);
	assert_true(world_metric(METRIC_KUBE_WATCH_RESTARTS, "idle") == 2);
	world_stop();
}

static void a_watch_that_is_cut_short_each_time_is_waited_for(void **state)
{
	static const struct script_step steps[] = {
		{.body = INITIAL_END("10")},
		{.expect = "&resourceVersion=10&", .body = "{\"type\":\"ADDED\",\"obj", .end = SCRIPT_CUT},
		{.expect = "&resourceVersion=10&", .body = "{\"type\":\"ADDED\",\"obj"},
		{.expect = "&resourceVersion=10&", .body = EVENT("ADDED", "x", "b", "11"), .end = SCRIPT_HOLD},
	};

	(void)state;
	START(steps);
	world_until_said("+x/b@11");
	assert_string_equal(world.said.data, "{}+x/b@11");
	world_stop();
}

static void other_errors_in_a_watch(void **state)
{
	static const struct script_step steps[] = {
		{.body = INITIAL_END("10")},
		{.body = "{\"type\":\"ERROR\",\"object\":" STATUS("500", "etcd is away") "}\n", .end = SCRIPT_HOLD},
		HELD(.expect = "&resourceVersion=10&"),
	};

	(void)state;
	START(steps);
	world_until_fn(has_trouble, "trouble");
	assert_contains(world_view().trouble->text, "etcd is away (500");
	world_until_served(3);
	world_stop();
}

static bool has_no_trouble(void)
{
	return !world_view().trouble && world_view().watching;
}

/* ---- a server that is not there ---- */

static void it_comes_when_the_server_comes(void **state)
{
	static const struct script_step steps[] = {IN_STEP};

	(void)state;
	START(steps);
	scripted_server_free(TAKE_PTR(world.server));
	world_until_fn(has_trouble, "trouble");
	assert_contains(world_view().trouble->where, "http://127.0.0.1:");
	assert_false(world_view().listed);
	assert_true(world_metric(METRIC_KUBE_REQUESTS, "none") >= 1);
	/* Another address in the same file is found without a reload. */
	world.server = scripted_server_new(&world.loop, VECTORS, steps, ARRAY_SIZE(steps));
	world_kubeconfig(scripted_server_port(world.server));
	world_until_said("}");
	world_until_fn(has_no_trouble, "no trouble");
	world_stop();
}

static void a_kubeconfig_that_is_missing_is_waited_for(void **state)
{
	static const struct script_step steps[] = {IN_STEP};

	(void)state;
	START(steps);
	unlink(world.kubeconfig);
	world_until_fn(has_trouble, "trouble");
	assert_string_equal(world_view().trouble->where, world.kubeconfig);
	world_kubeconfig(scripted_server_port(world.server));
	world_until_said("}");
	world_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(watch_list_as_recorded, world_teardown),
		cmocka_unit_test_teardown(without_watch_list_as_recorded, world_teardown),
		cmocka_unit_test_teardown(feature_gate_off_and_indented, world_teardown),
		cmocka_unit_test_teardown(pages_as_recorded, world_teardown),
		cmocka_unit_test_teardown(a_page_that_expired, world_teardown),
		cmocka_unit_test_teardown(expired_versions_as_recorded, world_teardown),
		cmocka_unit_test_teardown(killed_in_the_middle_as_recorded, world_teardown),
		cmocka_unit_test_teardown(bad_versions_as_recorded, world_teardown),
		cmocka_unit_test_teardown(a_real_life_cycle_as_recorded, world_teardown),
		cmocka_unit_test_teardown(the_server_says_how_long_to_wait, world_teardown),
		cmocka_unit_test_teardown(a_rotated_token_is_used, world_teardown),
		cmocka_unit_test_teardown(rights_that_are_missing, world_teardown),
		cmocka_unit_test_teardown(garbage_makes_a_new_list, world_teardown),
		cmocka_unit_test_teardown(events_out_of_order_make_a_new_list, world_teardown),
		cmocka_unit_test_teardown(what_is_no_pod_is_passed_over, world_teardown),
		cmocka_unit_test_teardown(a_large_object_is_passed_over, world_teardown),
		cmocka_unit_test_teardown(silence_is_noticed, world_teardown),
		cmocka_unit_test_teardown(a_watch_that_is_cut_short_each_time_is_waited_for, world_teardown),
		cmocka_unit_test_teardown(other_errors_in_a_watch, world_teardown),
		cmocka_unit_test_teardown(it_comes_when_the_server_comes, world_teardown),
		cmocka_unit_test_teardown(a_kubeconfig_that_is_missing_is_waited_for, world_teardown),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("kube_reflector", tests, NULL, NULL);
}
