/* SPDX-License-Identifier: Apache-2.0 */
/* The admin server: views, HTTP, hostile clients, another configuration. */
#include <linux/capability.h>

#include "admin_fixture.h"

/* ---- views ------------------------------------------------------------------------------------------------------ */

static void status(void **state)
{
	json_t *doc = ask(*state, "GET", "/v1/status", 200);

	assert_string_equal(text_at(doc, "version"), PRISM_VERSION);
	assert_int_equal(number_at(doc, "pid"), getpid());
	assert_string_equal(text_at(doc, "health"), "starting");
	assert_true(json_is_false(json_object_get(doc, "ready")));
	assert_true(json_is_array(json_object_get(doc, "conditions")));
	assert_true(json_is_array(json_object_get(doc, "modules")));
	assert_int_equal(number_at(json_object_get(doc, "identities"), "live"), 1);
	assert_int_equal(number_at(json_object_get(doc, "cgroup"), "count"), 4);
	assert_true(json_is_null(json_object_get(json_object_get(doc, "propagation"), "p50")));
	assert_true(json_is_null(json_object_get(doc, "last_reload")));
	assert_memory_equal(text_at(json_object_get(doc, "admin"), "metrics"), "127.0.0.1:", 10);
	json_decref(doc);
}

static void assert_is_the_identity(struct fixture *f, const json_t *id)
{
	assert_int_equal(number_at(id, "number"), f->workload.identity->number);
	assert_string_equal(text_at(id, "namespace"), "shop");
	assert_string_equal(text_at(id, "service_account"), "till");
	assert_string_equal(text_at(id, "class"), "batch");
	assert_int_equal(number_at(id, "weight"), 0);
	assert_int_equal(number_at(id, "cgroups"), 2);
	assert_int_equal(strlen(text_at(id, "label_hash")), 16);
	assert_non_null(strstr(text_at(json_object_get(id, "labels"), "app"), "</script>"));
	assert_true(json_is_false(json_object_get(id, "displaced")));
	assert_true(json_is_array(json_object_get(id, "facets")));
}

static void identities(void **state)
{
	struct fixture *f = *state;
	json_t *doc = ask(f, "GET", "/v1/identities", 200), *list = json_object_get(doc, "identities");
	json_t *one;
	char path[64];

	assert_int_equal(json_array_size(list), 1);
	assert_is_the_identity(f, json_array_get(list, 0));
	json_decref(doc);

	snprintf(path, sizeof(path), "/v1/identities/%u", f->workload.identity->number);
	one = ask(f, "GET", path, 200);
	assert_is_the_identity(f, one);
	list = json_object_get(one, "cgroup_list");
	assert_int_equal(json_array_size(list), 2);
	assert_string_equal(text_at(json_array_get(list, 0), "path"), "/shop.slice/checkout.service");
	assert_int_equal(number_at(json_array_get(list, 1), "id"), 12);
	/* A cgroup's name may have any bytes; JSON may not. */
	assert_string_equal(text_at(json_array_get(list, 1), "path"),
			    "/shop.slice/checkout.service/caf\xc3\xa9 \xef\xbf\xbd\"\n</script>");
	json_decref(one);
	json_decref(ask(f, "GET", "/v1/identities/255", 404));
	json_decref(ask(f, "GET", "/v1/identities/x", 404));
	json_decref(ask(f, "GET", "/v1/identities/99999999999999999999", 404));
}

static void many_identities(void **state)
{
	struct fixture *f = *state;
	struct identity *held = NULL;
	json_t *doc;
	size_t i;
	bool made;

	for (i = 0; i < 5000; i++) {
		char form[128];

		snprintf(form, sizeof(form), "io.prism/namespace=n;io.prism/serviceaccount=s;k=%zu", i);
		assert_int_equal(identity_acquire(f->agent.identities, form, 0, wall_ns(), &held, &made), 0);
	}
	identity_release(f->agent.identities, held, wall_ns());
	doc = ask(f, "GET", "/v1/identities", 200);
	assert_int_equal(json_array_size(json_object_get(doc, "identities")), 5000);
	json_decref(doc);
	doc = ask(f, "GET", "/v1/identities?held=1", 200);
	assert_int_equal(json_array_size(json_object_get(doc, "identities")), 5001);
	json_decref(doc);
}

static void explain(void **state)
{
	struct fixture *f = *state;
	json_t *doc = ask(f, "GET", "/v1/explain?cgroup=/sys/fs/cgroup/shop.slice/checkout.service/", 200), *v;

	assert_string_equal(text_at(doc, "path"), "/shop.slice/checkout.service");
	assert_is_the_identity(f, json_object_get(doc, "identity"));
	assert_int_equal(json_array_size(json_object_get(doc, "chain")), 3);
	assert_string_equal(text_at(json_array_get(json_object_get(doc, "chain"), 2), "path"), "/");
	assert_string_equal(text_at(doc, "workload"), "/shop.slice/checkout.service");
	assert_string_equal(text_at(doc, "origin"), spec.origin);
	assert_int_equal(json_object_size(json_object_get(doc, "labels_kept")), 1);
	v = json_array_get(json_object_get(doc, "labels_dropped"), 0);
	assert_string_equal(text_at(v, "key"), "pod-template-hash");
	assert_string_equal(text_at(v, "pattern"), "pod-template-hash");
	assert_string_equal(text_at(json_object_get(doc, "chosen"), "how"), "candidate");
	assert_true(json_is_true(json_object_get(doc, "weight_unreadable")));
	assert_true(json_is_false(json_object_get(doc, "class_unreadable")));
	v = json_array_get(json_object_get(doc, "sources"), 0);
	assert_string_equal(text_at(v, "text"), "rule 1 matches /shop.slice/checkout.service");
	json_decref(doc);

	doc = ask(f, "GET", "/v1/explain?unit=checkout", 200);
	assert_is_the_identity(f, json_object_get(doc, "identity"));
	json_decref(doc);
	doc = ask(f, "GET", "/v1/explain?pod=shop%2Fcheckout-7d4", 200);
	assert_is_the_identity(f, json_object_get(doc, "identity"));
	json_decref(doc);
	doc = ask(f, "GET", "/v1/explain?cgroup=shop.slice", 200);
	assert_true(json_is_null(json_object_get(doc, "identity")));
	assert_true(json_is_false(json_object_get(doc, "managed")));
	json_decref(doc);
}

static void explain_refuses(void **state)
{
	struct fixture *f = *state;

	json_decref(ask(f, "GET", "/v1/explain", 400));
	json_decref(ask(f, "GET", "/v1/explain?cgroup=/none", 404));
	json_decref(ask(f, "GET", "/v1/explain?unit=check", 404));
	json_decref(ask(f, "GET", "/v1/explain?unit=", 404));
	json_decref(ask(f, "GET", "/v1/explain?pod=shop/checkout", 404));
	json_decref(ask(f, "GET", "/v1/explain?pid=0", 400));
	json_decref(ask(f, "GET", "/v1/explain?pid=-1", 400));
	json_decref(ask(f, "GET", "/v1/explain?pid=2147483646", 404));
	json_decref(ask(f, "GET", "/v1/explain?cgroup=/shop.slice%00/x", 400));
}

static void lists(void **state)
{
	static const char *const names[] = {"modules", "facets", "profiles"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		char path[64];
		json_t *doc;

		snprintf(path, sizeof(path), "/v1/%s", names[i]);
		doc = ask(*state, "GET", path, 200);
		assert_int_equal(json_array_size(json_object_get(doc, names[i])), 0);
		assert_true(json_is_array(json_object_get(doc, names[i])));
		json_decref(doc);
	}
	json_decref(ask(*state, "GET", "/v1/modules/none", 404));
}

/* What a module declares, from tables with elements longer than ours. */
static void declared(void **state)
{
	static const char *const choices[] = {"drop", "count", NULL}, *const names[] = {"reason", NULL};
	static const struct {
		struct prism_option option;
		void *later;
	} options[] = {
		{.option = {"size", PRISM_OPTION_INT, PRISM_OPTION_REQUIRED, 1, 9, NULL, NULL, HOSTILE}},
		{.option = {"mode", PRISM_OPTION_ENUM, 0, 0, 0, "drop", choices, "What to do."}},
	};
	static const struct prism_metric metrics[] = {
		{.name = "prism_x_total", .kind = PRISM_METRIC_COUNTER, .help = "Things.", .labels = names},
	};
	static const struct prism_event_type events[] = {{"exec", "A program."}};
	const struct prism_module module = {
		.options = &options[0].option,
		.n_options = 2,
		.option_size = sizeof(options[0]),
		.metrics = metrics,
		.n_metrics = 1,
		.metric_size = sizeof(metrics[0]),
		.events = events,
		.n_events = 1,
		.event_size = sizeof(events[0]),
		.capabilities = PRISM_CAPABILITY(CAP_NET_ADMIN) | PRISM_CAPABILITY(CAP_BPF),
	};
	/* Written for more capabilities than there are: whatever it means by them, it is not these. */
	const struct prism_module later = {.capabilities = PRISM_CAPABILITY(CAP_BPF) | 1ull << 63};
	json_t *none = view_declared(NULL), *doc = view_declared(&module), *unclear = view_declared(&later), *want;

	(void)state;
	want = json_pack("{s:[], s:[], s:[], s:[]}", "options", "metrics", "events", "capabilities");
	assert_true(json_equal(none, want));
	assert_true(json_equal(unclear, want));
	json_decref(want);
	want = json_pack(
		"{s:[{s:s, s:s, s:n, s:i, s:i, s:[], s:s, s:b, s:s}, {s:s, s:s, s:s, s:n, s:n, s:[s, s], s:s, s:b, "
		"s:s}], s:[{s:s, s:s, s:s, s:[s]}], s:[{s:s, s:s}], s:[s, s]}",
		"options", "name", "size", "kind", "int", "default", "min", 1, "max", 9, "choices", "allowed", "1 to 9",
		"required", 1, "help", "caf\xc3\xa9 \xef\xbf\xbd\"\n</script>", "name", "mode", "kind", "enum",
		"default", "drop", "min", "max", "choices", "drop", "count", "allowed", "drop, count", "required", 0,
		"help", "What to do.", "metrics", "name", "prism_x_total", "kind", "counter", "help", "Things.",
		"labels", "reason", "events", "name", "exec", "help", "A program.", "capabilities", "CAP_NET_ADMIN",
		"CAP_BPF");
	assert_non_null(want);
	assert_true(json_equal(doc, want));
	json_decref(want);
	json_decref(unclear);
	json_decref(doc);
	json_decref(none);
}

/* ---- HTTP ------------------------------------------------------------------------------------------------------- */

static void paths_and_methods(void **state)
{
	struct fixture *f = *state;
	_cleanup_(text_done) struct text reply = {0};
	json_t *doc;

	doc = ask(f, "GET", "/v1/nothing", 404);
	assert_string_equal(text_at(json_object_get(doc, "error"), "code"), "ENOENT");
	json_decref(doc);
	json_decref(ask(f, "GET", "/v1/modules/a/b", 404));
	json_decref(ask(f, "GET", "/v1/modules/", 404));
	json_decref(ask(f, "GET", "/v1/identities//", 404));
	json_decref(ask(f, "POST", "/v1/status", 405));
	json_decref(ask(f, "DELETE", "/v1/bus/check", 405));
	json_decref(ask(f, "GET", "/v1/reload", 405));
	ask_on(f, dial(f->socket), "PUT", "/v1/bus/check", "", &reply);
	assert_non_null(strstr(reply.data, "Allow: GET, HEAD, POST\r\n"));
	text_clear(&reply);
	ask_on(f, dial(f->socket), "HEAD", "/v1/status", "", &reply);
	assert_int_equal(status_of(&reply), 200);
	assert_string_equal(strstr(reply.data, "\r\n\r\n"), "\r\n\r\n");
}

static void tcp_has_three_paths(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
	} cases[] = {
		{"GET", "/metrics", 200},    {"GET", "/healthz", 200},   {"GET", "/readyz", 503},
		{"POST", "/metrics", 405},   {"GET", "/v1/status", 404}, {"GET", "/v1/events?follow=1", 404},
		{"POST", "/v1/reload", 404}, {"GET", "/", 404},          {"GET", "/metrics/../v1/status", 404},
		{"GET", "/v1/config", 404},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(text_done) struct text reply = {0};

		ask_on(*state, dial_tcp(*state), cases[i].method, cases[i].path, "", &reply);
		if (status_of(&reply) != cases[i].status)
			fail_msg("%s %s: %s", cases[i].method, cases[i].path, reply.data);
	}
}

static void metrics_formats(void **state)
{
	struct fixture *f = *state;
	_cleanup_(text_done) struct text plain = {0}, open = {0};

	ask_on(f, dial_tcp(f), "GET", "/metrics", "Accept: text/plain\r\n", &plain);
	assert_non_null(strstr(plain.data, "text/plain; version=0.0.4"));
	assert_non_null(strstr(plain.data, "# TYPE prism_pods_processed_total counter\n"));
	assert_null(strstr(plain.data, "# EOF"));
	ask_on(f, dial_tcp(f), "GET", "/metrics",
	       "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3\r\n", &open);
	assert_non_null(strstr(open.data, "application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
	assert_non_null(strstr(open.data, "\nprism_live_identities 1\n"));
	assert_non_null(strstr(open.data, "\nprism_cgroups 4\n"));
	assert_string_equal(open.data + open.len - 6, "# EOF\n");
}

/* What is not HTTP, or too much of it, costs its own connection and no more. */
static void hostile_clients(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *flood = malloc(200001);
	_cleanup_(text_done) struct text one = {0}, two = {0}, three = {0}, four = {0};
	int fd;

	fd = dial(f->socket);
	send_text(fd, "\x16\x03\x01\x02 nonsense\r\n\r\n");
	receive(f, fd, NULL, &one);
	close(fd);

	memset(flood, 'a', 200000);
	flood[200000] = '\0';
	memcpy(flood, "GET /", 5);
	fd = dial(f->socket);
	(void)!write(fd, flood, 200000);
	receive(f, fd, NULL, &two);
	assert_true(!two.data || strstr(two.data, " 414 ") || strstr(two.data, " 431 ") || strstr(two.data, " 413 "));
	close(fd);

	fd = dial(f->socket);
	send_text(fd, "POST /v1/bus/check HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
	(void)!write(fd, flood, 200000);
	receive(f, fd, NULL, &three);
	assert_true(!three.data || !strstr(three.data, " 200 "));
	close(fd);

	fd = dial(f->socket);
	send_text(fd, "GET /v1/sta");
	turn(f, fd);
	close(fd);
	ask_on(f, dial(f->socket), "GET", "/healthz", "", &four);
	assert_int_equal(status_of(&four), 200);
}

static void more_connections_than_there_is_room_for(void **state)
{
	struct fixture *f = *state;
	_cleanup_(text_done) struct text reply = {0};
	int fds[100];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial(f->socket);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	ask_on(f, dial(f->socket), "GET", "/healthz", "", &reply);
	assert_int_equal(status_of(&reply), 200);
}

static void reconfigure(void **state)
{
	struct fixture *f = *state;
	_cleanup_(text_done) struct text stream = {0}, rest = {0}, reply = {0};
	struct error e = {0};
	int fd = follow(f, "follow=1");
	char old[96];

	receive(f, fd, "\r\n\r\n", &stream);
	/* A wrong group keeps the old socket. */
	f->settings.socket_group = "no-such-group-here";
	assert_int_equal(admin_reconfigure(f->admin, &e), -ENOENT);
	json_decref(ask(f, "GET", "/v1/status", 200));

	f->settings.socket_group = NULL;
	f->settings.metrics = "off";
	snprintf(old, sizeof(old), "%s", f->socket);
	f->settings.socket = f->other;
	assert_int_equal(admin_reconfigure(f->admin, &e), 0);
	assert_int_equal(access(old, F_OK), -1);
	assert_null(f->admin->machines);
	receive(f, fd, NULL, &rest); /* its end was said properly: a last chunk */
	assert_non_null(strstr(rest.data, "0\r\n\r\n"));
	close(fd);
	ask_on(f, dial(f->other), "GET", "/v1/status", "", &reply);
	assert_int_equal(status_of(&reply), 200);
	/* The old ones are gone by now, or go with the next turns. */
	while (f->admin->listeners->next)
		turn(f, -1);
	assert_ptr_equal(f->admin->listeners, f->admin->local);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(status),
		WITH_SERVER(identities),
		WITH_SERVER(many_identities),
		WITH_SERVER(explain),
		WITH_SERVER(explain_refuses),
		WITH_SERVER(lists),
		cmocka_unit_test(declared),
		WITH_SERVER(paths_and_methods),
		WITH_SERVER(tcp_has_three_paths),
		WITH_SERVER(metrics_formats),
		WITH_SERVER(hostile_clients),
		WITH_SERVER(more_connections_than_there_is_room_for),
		WITH_SERVER(reconfigure),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
