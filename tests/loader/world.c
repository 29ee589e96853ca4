/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "host/probe.h"

char world_exe[4096];
static uint64_t seen_seq;

void world_workload(uint32_t number, struct prism_workload *ret)
{
	static char names[8][32];
	char *name = names[number % 8];

	snprintf(name, sizeof(names[0]), "shop/w%u", number);
	*ret = (struct prism_workload){
		.size = sizeof(*ret),
		.identity = number,
		.n_cgroups = 1,
		.name = name,
		.namespace_name = "shop",
		.service_account = "default",
		.canonical = "io.prism/namespace=shop;io.prism/serviceaccount=default;",
		.label_size = sizeof(struct prism_label),
	};
}

static void each_identity(void *arg, prism_workload_fn fn, void *fn_arg)
{
	struct world *w = arg;

	for (unsigned int i = 0; i < w->n_identities; i++) {
		struct prism_workload workload;

		world_workload(w->identity[i], &workload);
		fn(fn_arg, &workload);
	}
}

static int one_identity(void *arg, uint32_t number, prism_workload_fn fn, void *fn_arg)
{
	struct world *w = arg;
	struct prism_workload workload;

	for (unsigned int i = 0; i < w->n_identities; i++) {
		if (w->identity[i] != number)
			continue;
		world_workload(number, &workload);
		fn(fn_arg, &workload);
		return 0;
	}
	return -ENOENT;
}

static void facets_changed(void *arg, uint32_t number)
{
	struct world *w = arg;

	w->facets_changed++;
	w->facets_number = number;
	if (w->on_facets)
		w->on_facets(w);
}

const char *world_path(const struct world *w, const char *format, ...)
{
	static char path[16][512];
	static unsigned int next;
	char *p = path[next++ % 16];
	va_list args;
	int n = snprintf(p, sizeof(path[0]), "%s/", w->dir);

	va_start(args, format);
	vsnprintf(p + n, sizeof(path[0]) - (size_t)n, format, args);
	va_end(args);
	return p;
}

int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct error e = {};
	struct host_env env = {};

	w->param = *state;
	snprintf(w->dir, sizeof(w->dir), "/tmp/prism-test-%d-XXXXXX", (int)getpid());
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(mkdir(world_path(w, "modules"), 0755), 0);
	assert_int_equal(uv_loop_init(&w->loop), 0);
	w->stream = stream_new(4096);
	w->metrics = metrics_new();
	w->identity[w->n_identities++] = 300;
	w->identity[w->n_identities++] = 301;
	env.loop = &w->loop;
	env.stream = w->stream;
	env.metrics = w->metrics;
	env.self_exe = world_exe;
	env.state_dir = world_path(w, "state");
	env.pin_root = world_path(w, "pins");
	env.bus_fd = env.meta_fd = env.cgroup_fd = -1;
	env.identities = each_identity;
	env.identity = one_identity;
	env.facets_changed = facets_changed;
	env.arg = w;
	if (host_new(&env, &w->host, &e))
		fail_msg("host_new: %s: %s", e.where, e.text);
	seen_seq = 0;
	*state = w;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int world_teardown(void **state)
{
	struct world *w = *state;

	w->on_facets = NULL;
	if (w->host)
		host_stop(w->host, PRISM_STOP_SHUTDOWN, NULL, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	host_free(w->host);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	/* Every timer, watch and child is gone, or this says EBUSY. */
	assert_int_equal(uv_loop_close(&w->loop), 0);
	stream_free(w->stream);
	metrics_free(w->metrics);
	settings_free(w->settings);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return 0;
}

int world_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n)
{
	ssize_t len = readlink("/proc/self/exe", world_exe, sizeof(world_exe) - 1);

	if (argc > 1 && !strcmp(argv[1], PROBE_ARGUMENT))
		return host_probe_main(argc, argv);
	if (getuid() != 0) {
		fprintf(stderr, "SKIP: module files have to be root's; run this as root\n");
		return 77;
	}
	if (len < 0)
		return 1;
	log_setup(getenv("VERBOSE") ? LOG_LEVEL_DEBUG : (enum log_level)0, LOG_FORMAT_PLAIN);
	return _cmocka_run_group_tests("loader", tests, n, NULL, NULL);
}

void world_install(struct world *w, const char *fixture, const char *as)
{
	_cleanup_free_ char *data = NULL;
	char from[512];
	const char *base = strrchr(fixture, '/') ? strrchr(fixture, '/') + 1 : fixture;
	struct error e = {};
	size_t len;

	snprintf(from, sizeof(from), "%s/%s.so", FIXTURE_DIR, fixture);
	if (file_read(from, 64 << 20, &data, &len, &e) ||
	    file_write_atomic(world_path(w, "modules/%s.so", as ? as : base), data, len, 0644, &e))
		fail_msg("%s: %s", e.where, e.text);
}

void world_count_done(void *arg)
{
	struct world *w = arg;

	w->done++;
}

static int load_settings(struct world *w, const char *modules, struct problems *p)
{
	const char *path = world_path(w, "prismd.yaml");
	struct settings_source source = {.path = path};
	struct settings *settings = NULL;
	FILE *f = fopen(path, "w");
	int r;

	assert_non_null(f);
	fprintf(f, "node: {callback_deadline: 10s}\nmodule_dirs: [%s]\nmodules:\n%s", world_path(w, "modules"),
		modules);
	fclose(f);
	r = settings_load(&source, &settings, p);
	if (r)
		return r;
	settings_free(w->settings);
	w->settings = settings;
	return 0;
}

bool world_is_done(struct world *w, const void *arg)
{
	return w->done >= *(const unsigned int *)arg;
}

int world_apply(struct world *w, const char *modules, struct problems *p)
{
	unsigned int want = w->done + 1;
	int r = load_settings(w, modules, p);

	if (r)
		fail_msg("%s: %s", p->list[0].where, p->list[0].text);
	r = host_apply(w->host, w->settings, p, world_count_done, w);
	/* What is kept is the host's own: prove it. */
	settings_free(w->settings);
	w->settings = NULL;
	assert_int_not_equal(w->done, want);
	if (!r)
		world_until(w, world_is_done, &want);
	return r;
}

void world_run(struct world *w, const char *modules)
{
	struct problems p = {};

	if (world_apply(w, modules, &p))
		fail_msg("%s: %s", p.n ? p.list[0].where : "", p.n ? p.list[0].text : "refused");
	problems_done(&p);
}

static void give_up(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

void world_until(struct world *w, bool (*cond)(struct world *w, const void *arg), const void *arg)
{
	bool late = false;
	uv_timer_t timer;

	uv_timer_init(&w->loop, &timer);
	timer.data = &late;
	uv_timer_start(&timer, give_up, 20000, 0);
	while (!cond(w, arg) && !late)
		uv_run(&w->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	assert_false(late);
}

struct look {
	const char *name;
	struct module_view view;
	struct error reason;
	bool found;
};

static void take_view(void *arg, const struct module_view *view)
{
	struct look *look = arg;

	if (strcmp(view->name, look->name) != 0)
		return;
	look->view = *view;
	look->reason = *view->reason;
	look->found = true;
}

enum module_state world_state(struct world *w, const char *name)
{
	struct look look = {.name = name};

	host_modules(w->host, take_view, &look);
	assert_true(look.found);
	return look.view.state;
}

const char *world_condition(struct world *w, const char *name)
{
	struct look look = {.name = name};

	host_modules(w->host, take_view, &look);
	assert_true(look.found);
	return look.view.condition;
}

const char *world_clean(const struct world *w, const char *text)
{
	static char out[2048];
	size_t n = 0, dir = strlen(w->dir);

	while (*text && n < sizeof(out) - 4) {
		if (!strncmp(text, w->dir, dir)) {
			memcpy(out + n, "DIR", 3);
			n += 3;
			text += dir;
		} else {
			out[n++] = *text++;
		}
	}
	out[n] = 0;
	return out;
}

const char *world_reason(struct world *w, const char *name)
{
	struct look look = {.name = name};
	char text[1400];

	host_modules(w->host, take_view, &look);
	assert_true(look.found);
	return look.reason.code ? world_clean(w, error_format(&look.reason, text, sizeof(text))) : "";
}

void world_assert_state(struct world *w, const char *name, enum module_state state, const char *reason)
{
	assert_string_equal(world_reason(w, name), reason);
	assert_string_equal(module_state_name(world_state(w, name)), module_state_name(state));
}

void world_assert_nothing_left(struct world *w, const char *name)
{
	struct look look = {.name = name};

	host_modules(w->host, take_view, &look);
	assert_true(look.found);
	assert_int_equal(look.view.facet_bit, -1);
	assert_false(look.view.facet_all);
	assert_int_equal(access(world_path(w, "pins/%s", name), F_OK), -1);
}

/* The value of "key": in a line of JSON, bare. */
static bool json_value(const char *json, const char *key, char *buf, size_t size)
{
	char quoted[32];
	const char *at;
	size_t n;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(json, quoted);
	if (!at)
		return false;
	at += strlen(quoted);
	at += strspn(at, " \"");
	n = strcspn(at, "\",}");
	snprintf(buf, size, "%.*s", (int)n, at);
	return true;
}

const char *world_steps(struct world *w, const char *module)
{
	static char out[2048];
	char type[64], what[64], n[32];
	const struct stream_record *record;
	uint64_t missed;
	size_t len = 0;

	out[0] = 0;
	snprintf(type, sizeof(type), "%s.step", module);
	for (uint64_t seq = 1; (record = stream_read(w->stream, seq, &missed)); seq = record->seq + 1) {
		if (record->seq <= seen_seq || strcmp(record->type, type) != 0)
			continue;
		assert_true(json_value(record->json, "what", what, sizeof(what)));
		assert_true(json_value(record->json, "n", n, sizeof(n)));
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%s:%s", len ? " " : "", what, n);
	}
	return out;
}

void world_forget(struct world *w)
{
	seen_seq = stream_last_seq(w->stream);
}
