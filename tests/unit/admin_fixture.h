/* SPDX-License-Identifier: Apache-2.0 */
/* An admin server over real sockets on an agent that has no kernel side, and a client in the same thread. */
#ifndef TESTS_ADMIN_FIXTURE_H
#define TESTS_ADMIN_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "admin/room.h"
#include "agent/workload.h"
#include "base/util.h"

/* After the headers: it has a macro fail(). */
#include <cmocka.h>

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define DEADLINE_NS (20 * NS_PER_SEC)
#define HOSTILE "caf\xc3\xa9 \xff\"\n</script>"

struct fixture {
	uv_loop_t loop;
	struct settings settings;
	struct agent agent;
	struct admin *admin;
	struct source source;
	struct workload workload;
	struct cgroup *service;
	char dir[64], socket[96], other[96];
};

/* ---- the workload that everything shows ------------------------------------------------------------------------- */

static const struct prism_label labels[] = {
	{"app", HOSTILE},
	{"pod-template-hash", "7d4"},
};

static const struct workload_spec spec = {
	.namespace_name = "shop",
	.service_account = "till",
	.labels = labels,
	.n_labels = ARRAY_SIZE(labels),
	.latency_class = "batch",
	.weight = "heavy",
	.origin = "pod shop/checkout-7d4 (1234)",
};

static inline bool claim(struct source *source, struct cgroup *cg, const char *path, struct workload_spec *ret)
{
	(void)source;
	(void)cg;
	(void)path;
	*ret = spec;
	return true;
}

static inline void say_why(struct source *source, const char *path, struct text *out)
{
	(void)source;
	text_appendf(out, "rule 1 matches %s", path);
}

static const struct source_ops source_ops = {.name = "test", .claim = claim, .explain = say_why};

static inline void add_workload(struct fixture *f)
{
	_cleanup_(text_done) struct text form = {0};
	struct cgroup *slice, *below;
	bool made;

	assert_int_equal(cgroup_add(f->agent.cgroups, cgroups_root(f->agent.cgroups), 10, "shop.slice", &slice), 0);
	assert_int_equal(cgroup_add(f->agent.cgroups, slice, 11, "checkout.service", &f->service), 0);
	assert_int_equal(cgroup_add(f->agent.cgroups, f->service, 12, HOSTILE, &below), 0);
	assert_int_equal(canonical_form(&spec, f->agent.label_filter, &form), 0);
	assert_int_equal(identity_acquire(f->agent.identities, form.data, 0, wall_ns(), &f->workload.identity, &made),
			 0);
	f->source.ops = &source_ops;
	f->agent.source[0] = &f->source;
	f->agent.n_sources = 1;
	f->workload.cgroup = f->service;
	f->workload.source = &f->source;
	f->workload.origin = (char *)spec.origin;
	f->workload.policy = policy_flags(spec.latency_class, spec.weight, &f->workload.bad);
	f->workload.identity->policy = f->workload.policy;
	f->workload.identity->n_cgroups = 2;
	f->workload.identity->workloads = &f->workload;
	f->service->workload = &f->workload;
}

static inline void make_agent(struct fixture *f)
{
	struct agent *a = &f->agent;

	f->settings = (struct settings){
		.node_name = (char *)"node-1",
		.socket = f->socket,
		.metrics = "127.0.0.1:0",
		.bus_dir = "/sys/fs/bpf/none",
	};
	uv_loop_init(&f->loop);
	a->loop = &f->loop;
	a->settings = &f->settings;
	a->metrics = metrics_new();
	a->stream = stream_new(16);
	a->cgroups = cgroups_new(1);
	a->identities = identity_table_new(600 * NS_PER_SEC);
	assert_int_equal(label_filter_default(&a->label_filter), 0);
	a->started_ns = monotonic_ns();
	snprintf(a->cgroup_root, sizeof(a->cgroup_root), "/sys/fs/cgroup");
	add_workload(f);
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error e = {0};

	snprintf(f->dir, sizeof(f->dir), "/tmp/prism-test-admin-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->socket, sizeof(f->socket), "%s/run/prismd.sock", f->dir);
	snprintf(f->other, sizeof(f->other), "%s/other.sock", f->dir);
	make_agent(f);
	if (admin_start(&f->agent, &f->admin, &e) < 0)
		fail_msg("%s: %s", e.where, e.text);
	*state = f;
	return 0;
}

static inline void end(struct fixture *f)
{
	admin_stop(TAKE_PTR(f->admin));
	while (uv_run(&f->loop, UV_RUN_NOWAIT))
		;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	char run[96];

	end(f);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(access(f->socket, F_OK), -1);
	stream_free(f->agent.stream);
	metrics_free(f->agent.metrics);
	cgroups_free(f->agent.cgroups);
	identity_table_free(f->agent.identities);
	label_filter_free(f->agent.label_filter);
	snprintf(run, sizeof(run), "%s/run", f->dir);
	unlink(f->other);
	rmdir(run);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* ---- a client in the same thread -------------------------------------------------------------------------------- */

static inline int dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static inline int dial_tcp(struct fixture *f)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(getsockname(server_fd(f->admin->machines->server), (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static inline void turn(struct fixture *f, int fd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = uv_backend_fd(&f->loop), .events = POLLIN}};
	int timeout;

	uv_run(&f->loop, UV_RUN_NOWAIT);
	timeout = uv_backend_timeout(&f->loop);
	poll(fds, 2, timeout < 0 || timeout > 1000 ? 1000 : timeout);
}

/* Reads until `until` has come (NULL: until the end). */
static inline void receive(struct fixture *f, int fd, const char *until, struct text *reply)
{
	uint64_t end_ns = monotonic_ns() + DEADLINE_NS;
	char buf[4096];
	ssize_t n;

	for (;;) {
		n = read(fd, buf, sizeof(buf));
		if (n > 0)
			text_append_n(reply, buf, (size_t)n);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		if (until && reply->data && strstr(reply->data, until))
			return;
		if (monotonic_ns() > end_ns)
			fail_msg("no \"%s\" within the time; got: %s", until ? until : "end", reply->data);
		turn(f, fd);
	}
	if (until)
		fail_msg("the connection ended without \"%s\": %s", until, reply->data);
}

static inline void send_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static inline void ask_on(struct fixture *f, int fd, const char *method, const char *path, const char *headers,
			  struct text *reply)
{
	_cleanup_(text_done) struct text request = {0};

	text_appendf(&request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path, headers);
	send_text(fd, request.data);
	receive(f, fd, NULL, reply);
	close(fd);
	if (!reply->data)
		fail_msg("%s %s: no answer", method, path);
}

static inline int status_of(const struct text *reply)
{
	int status = 0;

	assert_int_equal(sscanf(reply->data, "HTTP/1.1 %d ", &status), 1);
	return status;
}

/* The body with its chunks put together. */
static inline void body_of(const struct text *reply, struct text *out)
{
	const char *at = strstr(reply->data, "\r\n\r\n");
	bool chunked = strcasestr(reply->data, "transfer-encoding: chunked") != NULL;
	char *next;

	assert_non_null(at);
	at += 4;
	if (!chunked) {
		text_append_n(out, at, reply->len - (size_t)(at - reply->data));
		return;
	}
	for (;;) {
		size_t n = strtoul(at, &next, 16);

		assert_int_equal(strncmp(next, "\r\n", 2), 0);
		if (!n)
			return;
		text_append_n(out, next + 2, n);
		at = next + 2 + n + 2;
	}
}

static inline json_t *ask(struct fixture *f, const char *method, const char *path, int status)
{
	_cleanup_(text_done) struct text reply = {0};
	_cleanup_(text_done) struct text body = {0};
	json_error_t bad;
	json_t *doc;

	ask_on(f, dial(f->socket), method, path, "", &reply);
	if (status_of(&reply) != status)
		fail_msg("%s %s: %s", method, path, reply.data);
	body_of(&reply, &body);
	doc = json_loadb(body.data, body.len, 0, &bad);
	if (!doc)
		fail_msg("%s %s: %s in %s", method, path, bad.text, body.data);
	assert_int_equal(json_integer_value(json_object_get(doc, "schema_version")), 1);
	return doc;
}

static inline const char *text_at(const json_t *doc, const char *key)
{
	const char *s = json_string_value(json_object_get(doc, key));

	return s ? s : "(none)";
}

static inline json_int_t number_at(const json_t *doc, const char *key)
{
	const json_t *value = json_object_get(doc, key);

	if (!json_is_integer(value))
		fail_msg("no number \"%s\"", key);
	return json_integer_value(value);
}

static inline int follow(struct fixture *f, const char *query)
{
	int fd = dial(f->socket);
	_cleanup_(text_done) struct text request = {0};

	text_appendf(&request, "GET /v1/events?%s HTTP/1.1\r\nHost: x\r\n\r\n", query);
	send_text(fd, request.data);
	return fd;
}

#endif
