/* SPDX-License-Identifier: Apache-2.0 */
/* A reflector against a scripted API server, and a record of what it said. */
#ifndef KUBE_WORLD_H
#define KUBE_WORLD_H

#include <sys/stat.h>

#include "base/text.h"
#include "base/util.h"
#include "kube/reflector.h"
#include "pods/pod.h"
#include "scripted_server.h"
#include "test.h"

#define VECTORS PRISM_TEST_DATA "/vectors/kube"
#define PATIENCE_NS (20 * NS_PER_SEC) /* for giving up */

struct kube_world {
	uv_loop_t loop;
	struct scripted_server *server;
	struct reflector *reflector;
	struct metrics *metrics;
	char dir[32], kubeconfig[64], token[64];
	struct text said; /* "{" "+scx/a@218" "~" "-" "}" */
	unsigned int lists, objects;
	const struct script_step *steps;
	size_t n_steps;
};

static struct kube_world world;

static inline void world_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void world_list_begins(void *arg)
{
	(void)arg;
	text_append(&world.said, "{");
}

static int world_object(void *arg, enum kube_change change, const json_t *object, struct error *e)
{
	static const char signs[] = "+~-";
	struct pod_facts facts;
	int r = pod_parse(object, &facts, e);

	(void)arg;
	if (r < 0)
		return r;
	world.objects++;
	text_appendf(&world.said, "%c%s/%s@%llu", signs[change], facts.namespace_name, facts.name,
		     (unsigned long long)facts.version);
	return 0;
}

static void world_list_ends(void *arg, bool whole)
{
	(void)arg;
	world.lists++;
	text_append(&world.said, whole ? "}" : "?}");
}

static void world_settled(void *arg)
{
	(void)arg;
}

static inline void world_kubeconfig(unsigned int port)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "{current-context: a, clusters: [{name: c, cluster: {server: \"http://127.0.0.1:%u/\"}}],\n"
		 " contexts: [{name: a, context: {cluster: c, user: u}}],\n"
		 " users: [{name: u, user: {tokenFile: token}}]}\n",
		 port);
	world_write(world.kubeconfig, text);
}

/* idle_ms, max_object: 0 for what is usual. */
static inline void world_start(const struct script_step *steps, size_t n, uint64_t idle_ms, size_t max_object)
{
	const struct reflector_callbacks callbacks = {.arrived = world_settled,
						      .list_begins = world_list_begins,
						      .object = world_object,
						      .list_ends = world_list_ends,
						      .settled = world_settled};
	struct reflector_options options = {.loop = &world.loop,
					    .name = "pods",
					    .path = "/api/v1/pods",
					    .field_selector = "spec.nodeName=node-a",
					    .want = pod_want,
					    .access = {.kubeconfig = world.kubeconfig},
					    .max_object = max_object ? max_object : 4 << 20,
					    .idle_ms = idle_ms ? idle_ms : 60000,
					    .retry_max_ms = 2000};
	struct error e = {0};

	memset(&world, 0, sizeof(world));
	assert_int_equal(uv_loop_init(&world.loop), 0);
	strcpy(world.dir, "/tmp/prism-kube-XXXXXX");
	assert_non_null(mkdtemp(world.dir));
	snprintf(world.kubeconfig, sizeof(world.kubeconfig), "%s/kubeconfig", world.dir);
	snprintf(world.token, sizeof(world.token), "%s/token", world.dir);
	world_write(world.token, "first\n");
	world.server = scripted_server_new(&world.loop, VECTORS, steps, n);
	world_kubeconfig(scripted_server_port(world.server));
	world.metrics = options.metrics = metrics_new();
	assert_int_equal(reflector_new(&options, &callbacks, &world.reflector, &e), 0);
}

static inline void world_stop(void)
{
	if (!world.dir[0])
		return;
	reflector_free(world.reflector);
	if (world.server)
		scripted_server_free(world.server);
	while (uv_run(&world.loop, UV_RUN_DEFAULT))
		;
	assert_int_equal(uv_loop_close(&world.loop), 0);
	metrics_free(world.metrics);
	text_done(&world.said);
	unlink(world.kubeconfig);
	unlink(world.token);
	assert_int_equal(rmdir(world.dir), 0);
	world.dir[0] = '\0';
}

/* Also after a failure in the middle. */
static int world_teardown(void **state)
{
	(void)state;
	world_stop();
	return 0;
}

static void world_tick(uv_timer_t *timer)
{
	(void)timer;
}

static void world_tick_closed(uv_handle_t *handle)
{
	(void)handle;
}

/* Runs the loop until the condition holds. */
static inline void world_until_fn(bool (*holds)(void), const char *what)
{
	uint64_t end = monotonic_ns() + PATIENCE_NS;
	static uv_timer_t tick;

	uv_timer_init(&world.loop, &tick);
	uv_timer_start(&tick, world_tick, 20, 20);
	while (!holds() && monotonic_ns() < end)
		uv_run(&world.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, world_tick_closed);
	uv_run(&world.loop, UV_RUN_NOWAIT);
	if (!holds())
		fail_msg("%s does not come true; said: %s", what, world.said.data ? world.said.data : "");
}

static size_t world_wanted;
static const char *world_wanted_text;

static bool world_has_served(void)
{
	return scripted_server_served(world.server) >= world_wanted;
}

static bool world_has_said(void)
{
	return world.said.data && strstr(world.said.data, world_wanted_text);
}

static inline void world_until_served(size_t n)
{
	world_wanted = n;
	world_until_fn(world_has_served, "the number of requests");
}

static inline void world_until_said(const char *text)
{
	world_wanted_text = text;
	world_until_fn(world_has_said, text);
}

static inline struct reflector_view world_view(void)
{
	struct reflector_view view;

	reflector_view(world.reflector, &view);
	return view;
}

static inline double world_metric(enum core_metric id, const char *label)
{
	return metric_get(world.metrics, id, label);
}

#endif
