// SPDX-License-Identifier: Apache-2.0
/* The fake host keeps its promises: life, replay, configuration, timers, watches, events, samples, facets. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <prism/fake_host.h>

enum { OPT_LIMIT, OPT_MODE, OPT_NAMES, OPT_PERIOD, N_OPTIONS };
enum { METRIC_SEEN, METRIC_TIME, N_METRICS };

static const char *const modes[] = {"allow", "audit", "block", NULL};
static const struct prism_option options[] = {
	[OPT_LIMIT] = {.name = "limit",
		       .kind = PRISM_OPTION_SIZE,
		       .min = 1,
		       .max = 1 << 20,
		       .fallback = "64KiB",
		       .help = "h"},
	[OPT_MODE] = {.name = "mode", .kind = PRISM_OPTION_ENUM, .choices = modes, .fallback = "audit", .help = "h"},
	[OPT_NAMES] = {.name = "names", .kind = PRISM_OPTION_LIST, .help = "h"},
	[OPT_PERIOD] = {.name = "period", .kind = PRISM_OPTION_DURATION, .fallback = "1.5s", .help = "h"},
};
static const char *const labels[] = {"direction", "verdict", NULL};
static const double buckets[] = {1, 2};
static const struct prism_metric metrics[] = {
	[METRIC_SEEN] = {.name = "prism_t_seen_total", .kind = PRISM_METRIC_COUNTER, .help = "h", .labels = labels},
	[METRIC_TIME] = {.name = "prism_t_seconds",
			 .kind = PRISM_METRIC_HISTOGRAM,
			 .help = "h",
			 .buckets = buckets,
			 .n_buckets = 2},
};
static const struct prism_event_type events[] = {{.name = "tick", .help = "h"}};

/* What the module under the host heard and shall do. */
static struct {
	struct prism_host *host;
	char heard[256];
	int fail_start, fail_configure;
	bool slow_stop;
	int64_t limit, mode, period;
	uint32_t names;
	int ticks, pipe[2];
	struct prism_timer *timer;
	struct prism_watch *watch;
} m;

static void hear(const char *what)
{
	strncat(m.heard, what, sizeof(m.heard) - strlen(m.heard) - 1);
}

static int t_open(struct prism_host *host, void **ret_self)
{
	m.host = host;
	*ret_self = &m;
	hear("open ");
	return 0;
}

static int t_configure(void *self, const struct prism_config *config)
{
	(void)self;
	hear("configure ");
	if (m.fail_configure)
		return prism_node_error(m.host, prism_option_node(m.host, config, OPT_NAMES), "not these names");
	m.limit = prism_option_int(m.host, config, OPT_LIMIT);
	m.mode = prism_option_int(m.host, config, OPT_MODE);
	m.period = prism_option_int(m.host, config, OPT_PERIOD);
	m.names = prism_node_count(m.host, prism_option_node(m.host, config, OPT_NAMES));
	return 0;
}

static int t_start(void *self)
{
	(void)self;
	hear("start ");
	return m.fail_start;
}

static void t_identity(void *self, enum prism_change change, const struct prism_workload *workload)
{
	static const char *const words[] = {"", "+", "~", "-", "x", "S"};
	char text[32];

	(void)self;
	snprintf(text, sizeof(text), "%s%u ", words[change], workload ? workload->identity : 0);
	hear(text);
}

static void on_stop_timer(void *arg)
{
	(void)arg;
	prism_stopped(m.host);
}

static int t_stop(void *self, enum prism_stop why)
{
	struct prism_timer *timer;

	(void)self;
	hear(why == PRISM_STOP_REMOVE ? "remove " : "stop ");
	if (!m.slow_stop)
		return 0;
	assert_int_equal(prism_timer_start(m.host, 5, 0, on_stop_timer, NULL, &timer), 0);
	return PRISM_STOPPING;
}

static void t_close(void *self)
{
	(void)self;
	hear("close");
}

static void t_collect(void *self, struct prism_sink *sink)
{
	const char *const values[] = {"egress", "drop"};
	const uint64_t counts[] = {1, 2, 4};

	(void)self;
	prism_sample(m.host, sink, METRIC_SEEN, 300, values, 42);
	prism_sample_histogram(m.host, sink, METRIC_TIME, 300, NULL, counts, 9.5);
}

static void t_explain(void *self, const struct prism_workload *workload, struct prism_text *out)
{
	(void)self;
	prism_explain(m.host, out, "%s is seen", workload->name);
	prism_explain(m.host, out, "and more");
}

static const struct prism_module module = {
	PRISM_MODULE_HEADER,      .name = "t",          .version = "1",         .summary = "a test",
	.facet = "lsm",           .options = options,   .n_options = N_OPTIONS, .metrics = metrics,
	.n_metrics = N_METRICS,   .events = events,     .n_events = 1,          .open = t_open,
	.configure = t_configure, .start = t_start,     .identity = t_identity, .stop = t_stop,
	.close = t_close,         .collect = t_collect, .explain = t_explain,
};

static const struct prism_label app[] = {{"app", "web"}};
static const struct prism_workload web = {
	.size = sizeof(web),
	.identity = 300,
	.name = "shop/web",
	.namespace_name = "shop",
	.labels = app,
	.n_labels = 1,
	.label_size = sizeof(app[0]),
};

static struct prism_fake_host *fake_new(const char *config)
{
	struct prism_fake_host *fake;

	memset(&m, 0, sizeof(m));
	fake = prism_fake_host_new(&module, config);
	assert_non_null(fake);
	return fake;
}

static void life_in_order(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);

	(void)state;
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &web, 12345), 0);
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_CHANGED, &web, 0), 0);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_REMOVED, &web, 0), 0);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_REMOVED, &web, 0), -ENOENT);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_RELEASED, &web, 0), 0);
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_SHUTDOWN), 0);
	assert_string_equal(m.heard, "open configure start +300 S0 ~300 -300 x300 stop close");
	prism_fake_host_free(fake);
}

static void failed_start_is_closed(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);

	(void)state;
	m.fail_start = -EBUSY;
	assert_int_equal(prism_fake_host_start(fake), -EBUSY);
	assert_string_equal(m.heard, "open configure start close");
	assert_non_null(strstr(prism_fake_host_reason(fake), "start: failed without a reason"));
	prism_fake_host_free(fake);
	assert_string_equal(m.heard, "open configure start close");
}

static void options_arrive(void **state)
{
	struct prism_fake_host *fake = fake_new("limit: 4KiB\nmode: block\nnames: [a, b]\n");

	(void)state;
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_int_equal(m.limit, 4096);
	assert_int_equal(m.mode, 2);
	assert_int_equal(m.names, 2);
	assert_int_equal(m.period, 1500000000);
	assert_int_equal(prism_fake_host_reconfigure(fake, "mode: allow"), 0);
	assert_int_equal(m.limit, 65536);
	assert_int_equal(m.mode, 0);
	m.fail_configure = 1;
	assert_int_equal(prism_fake_host_reconfigure(fake, "limit: 1\nnames: [c]"), -EINVAL);
	assert_string_equal(prism_fake_host_reason(fake), "config:2:1: not these names");
	prism_fake_host_free(fake);
}

static void bad_options_are_refused(void **state)
{
	static const char *const bad[] = {
		"limit: 2MiB",    "limit: 4 KiB",     "limit: [1]",
		"mode: bloc",     "mood: block",      "names: a",
		"period: 3",      "limit: 1\n- oops", "a: &x\n  b: *x\nnames: [",
		"[1, 2]",         "limit: nan",       "limit: 1e30",
		"? [odd]\n: key",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct prism_fake_host *fake = fake_new(bad[i]);

		if (prism_fake_host_start(fake) != -EINVAL || !prism_fake_host_reason(fake)[0])
			fail_msg("accepted: %s", bad[i]);
		assert_string_equal(m.heard, "open close");
		prism_fake_host_free(fake);
	}
}

static void bounds_are_named(void **state)
{
	struct prism_fake_host *fake = fake_new("limit: 0");

	(void)state;
	assert_int_equal(prism_fake_host_start(fake), -EINVAL);
	assert_string_equal(prism_fake_host_reason(fake), "config:1:1: limit: 0 is out of range: 1 to 1MiB");
	prism_fake_host_free(fake);
}

static void refuse(const struct prism_module *bad, const char *reason)
{
	struct prism_fake_host *fake = prism_fake_host_new(bad, NULL);

	assert_non_null(fake);
	memset(&m, 0, sizeof(m));
	assert_int_equal(prism_fake_host_start(fake), -EINVAL);
	assert_string_equal(m.heard, "");
	if (!strstr(prism_fake_host_reason(fake), reason))
		fail_msg("\"%s\" instead of \"%s\"", prism_fake_host_reason(fake), reason);
	prism_fake_host_free(fake);
}

static void refuse_metric(const struct prism_metric *metric, const char *reason)
{
	struct prism_module bad = module;

	bad.metrics = metric;
	bad.n_metrics = 1;
	refuse(&bad, reason);
}

/* What prismd refuses, its author hears of here. */
static void bad_descriptors_are_refused(void **state)
{
	static const char *const odd[] = {"ok", "not ok", NULL};
	static const struct prism_event_type twice[] = {{"tick", "h"}, {"tick", "h"}};
	struct prism_metric metric = {.name = "opens_total", .kind = PRISM_METRIC_COUNTER, .help = "h"};
	struct prism_event_type event = {.name = "Tick", .help = "h"};
	struct prism_module bad = module;

	(void)state;
	refuse_metric(&metric, "metric 0 is called \"opens_total\": a metric's name begins with prism_ and has");
	metric.name = "prism_opens";
	refuse_metric(&metric, "its name has to end in _total");
	metric.name = "prism_opens_total";
	metric.labels = odd;
	refuse_metric(&metric, "label 1 is not a name");
	metric.labels = NULL;
	metric.help = NULL;
	refuse_metric(&metric, "has no help text");
	refuse_metric(NULL, "declares 1 metrics without a table of them");
	bad.events = &event;
	refuse(&bad, "event 0 is called \"Tick\": an event's name begins with a lower-case letter");
	bad.events = twice;
	bad.n_events = 2;
	refuse(&bad, "events 0 and 1 are both called tick");
	bad = module;
	bad.facet = "no facet";
	refuse(&bad, "claims a facet called \"no facet\"");
}

static void slow_stop_is_waited_for(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);

	(void)state;
	m.slow_stop = true;
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_string_equal(m.heard, "open configure start S0 remove close");
	prism_fake_host_free(fake);
}

static void tick(void *arg)
{
	(void)arg;
	if (++m.ticks == 3)
		prism_timer_stop(m.host, m.timer);
}

static void readable(void *arg, int fd, uint32_t what)
{
	char c;

	(void)arg;
	assert_int_equal(what, PRISM_READABLE);
	assert_int_equal(read(fd, &c, 1), 1);
	m.ticks += 100;
	prism_watch_stop(m.host, m.watch);
}

static bool ticked(void *arg)
{
	return m.ticks >= *(int *)arg;
}

static void timers_and_watches(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);
	int want = 3;

	(void)state;
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_int_equal(prism_timer_start(m.host, 0, 1, tick, NULL, &m.timer), 0);
	assert_true(prism_fake_host_run(fake, 5000, ticked, &want));
	assert_int_equal(pipe(m.pipe), 0);
	assert_int_equal(prism_watch_start(m.host, m.pipe[0], PRISM_READABLE, readable, NULL, &m.watch), 0);
	want = 103;
	assert_false(prism_fake_host_run(fake, 10, ticked, &want));
	assert_int_equal(write(m.pipe[1], "x", 1), 1);
	assert_true(prism_fake_host_run(fake, 5000, ticked, &want));
	assert_int_equal(m.ticks, 103);
	close(m.pipe[0]);
	close(m.pipe[1]);
	prism_fake_host_free(fake);
}

static void events_are_json(void **state)
{
	static const char *const argv[] = {"sh", "-c \"x\"", "\xff\x01"};
	const struct prism_field fields[] = {
		{.key = "pid", .kind = PRISM_FIELD_UNSIGNED, .v.u = 7},
		{.key = "code", .kind = PRISM_FIELD_SIGNED, .v.i = -1},
		{.key = "argv", .kind = PRISM_FIELD_LIST, .n = 3, .v.list = argv},
		{.key = "type", .kind = PRISM_FIELD_BOOL, .v.u = 1},
		{.key = "big", .kind = PRISM_FIELD_UNSIGNED, .v.u = UINT64_MAX},
	};
	struct prism_event event = {
		.size = sizeof(event),
		.identity = 300,
		.fields = fields,
		.n_fields = 5,
		.field_size = sizeof(fields[0]),
	};
	struct prism_fake_host *fake = fake_new(NULL);

	(void)state;
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_int_equal(prism_event_emit(m.host, &event), 0);
	event.type = 1;
	assert_int_equal(prism_event_emit(m.host, &event), -EINVAL);
	assert_string_equal(prism_fake_host_event(fake, 0),
			    "{\"type\":\"t.tick\",\"identity\":300,\"flags\":0,\"pid\":7,\"code\":-1,"
			    "\"argv\":[\"sh\",\"-c \\\"x\\\"\",\"\\\\xff\\u0001\"],\"t.type\":true,"
			    "\"big\":\"18446744073709551615\"}");
	assert_null(prism_fake_host_event(fake, 1));
	prism_fake_host_free(fake);
}

static void samples_and_words(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);

	(void)state;
	assert_true(isnan(prism_fake_host_sample(fake, "prism_t_seconds_sum", 300, NULL)));
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_true(prism_fake_host_sample(fake, "prism_t_seen_total", 300, "direction=\"egress\",verdict=\"drop\"") ==
		    42);
	assert_true(isnan(
		prism_fake_host_sample(fake, "prism_t_seen_total", 301, "direction=\"egress\",verdict=\"drop\"")));
	assert_true(isnan(prism_fake_host_sample(fake, "prism_t_seen_total", 300, "direction=\"egress\"")));
	assert_true(prism_fake_host_sample(fake, "prism_t_seconds_count", 300, NULL) == 7);
	assert_true(prism_fake_host_sample(fake, "prism_t_seconds_bucket", 300, "le=\"2\"") == 3);
	assert_true(prism_fake_host_sample(fake, "prism_t_seconds_bucket", 300, "le=\"+Inf\"") == 7);
	assert_true(prism_fake_host_sample(fake, "prism_t_seconds_sum", 300, "") == 9.5);
	assert_string_equal(prism_fake_host_explain(fake, &web), "shop/web is seen\nand more\n");
	prism_fake_host_free(fake);
}

static void facets(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);
	struct prism_workload db = web;

	(void)state;
	db.identity = 301;
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_int_equal(prism_facet_mask(m.host), PRISM_FACET_BIT(PRISM_FACET_LSM));
	assert_int_equal(prism_facet_set(m.host, 300, true), -ENOENT);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &web, 12345), 0);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &db, 12346), 0);
	assert_int_equal(prism_facet_set(m.host, 300, true), 0);
	assert_true(prism_fake_host_facet(fake, 300));
	assert_false(prism_fake_host_facet(fake, 301));
	assert_int_equal(prism_facet_all(m.host, true), 0);
	assert_int_equal(prism_facet_set(m.host, 300, false), 0);
	assert_false(prism_fake_host_facet(fake, 300));
	assert_true(prism_fake_host_facet(fake, 301));
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_false(prism_fake_host_facet(fake, 301));
	prism_fake_host_free(fake);
}

static void condition_is_kept(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);

	(void)state;
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_string_equal(prism_fake_host_condition(fake), "");
	prism_condition(m.host, "the scheduler %s is loaded", "lavd");
	assert_string_equal(prism_fake_host_condition(fake), "the scheduler lavd is loaded");
	prism_condition(m.host, NULL);
	assert_string_equal(prism_fake_host_condition(fake), "");
	prism_condition(m.host, "again");
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REPLACE), 0);
	assert_string_equal(prism_fake_host_condition(fake), "");
	prism_fake_host_free(fake);
}

/* A host of ABI 1.0 does not show it, and nothing breaks. */
static void older_host_knows_no_condition(void **state)
{
	struct prism_host_api older = {.size = offsetof(struct prism_host_api, condition), .abi_major = 1};
	struct prism_host old = {.api = &older};

	(void)state;
	older.condition = (void *)(uintptr_t)8; /* beyond its size: not its own */
	prism_condition(&old, "nobody hears %d", 1);
}

/* Nor does one of ABI 1.1 publish programs. */
static void older_host_knows_no_program(void **state)
{
	struct prism_host_api older = {.size = offsetof(struct prism_host_api, program), .abi_major = 1};
	struct prism_host old = {.api = &older};

	(void)state;
	older.program = (void *)(uintptr_t)8;
	assert_int_equal(prism_program(&old, "on_exec", 0), -ENOSYS);
}

static void only_programs_are_programs(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);

	(void)state;
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_int_equal(prism_program(m.host, "on_exec", m.pipe[0]), -EINVAL);
	assert_int_equal(prism_program(m.host, "on_exec", -1), 0);
	assert_false(prism_fake_host_program(fake, "on_exec"));
	prism_fake_host_free(fake);
}

static struct prism_meta meta_of(void)
{
	struct prism_meta meta = {};
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(prism_meta_fd(m.host), &zero, &meta), 0);
	return meta;
}

static uint32_t entry_of(uint64_t cgroup, uint32_t *ret_flags)
{
	struct prism_identity entry = {};

	if (bpf_map_lookup_elem(prism_bus_fd(m.host), &cgroup, &entry) < 0)
		return 0;
	*ret_flags = entry.flags;
	return entry.identity;
}

/* The cgroup of another identity: that one loses it, as when a workload's labels change. */
static void relabel_moves_the_cgroup(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);
	struct prism_workload other = web;
	uint64_t generation;
	uint32_t flags = 0;

	(void)state;
	other.identity = 301;
	other.flags = PRISM_FLAGS_POLICY(PRISM_CLASS_CRITICAL, 127);
	assert_int_equal(prism_fake_host_start(fake), 0);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &web, 12345), 0);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &web, 12346), 0);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &other, 12345), 0);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &other, 12346), 0);
	assert_string_equal(m.heard, "open configure start S0 +300 +300 +301 -300 +301 ");
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_RELEASED, &web, 0), 0);
	if (prism_bus_fd(m.host) >= 0) {
		assert_int_equal(entry_of(12345, &flags), 301);
		assert_int_equal(PRISM_FLAGS_CLASS(flags), PRISM_CLASS_CRITICAL);
		assert_int_equal(PRISM_FLAGS_WEIGHT(flags), 127);
		generation = meta_of().generation;
		other.flags = PRISM_FLAGS_POLICY(PRISM_CLASS_BATCH, 1);
		assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_CHANGED, &other, 0), 0);
		assert_true(meta_of().generation > generation);
		assert_int_equal(entry_of(12346, &flags), 301);
		assert_int_equal(PRISM_FLAGS_CLASS(flags), PRISM_CLASS_BATCH);
	}
	prism_fake_host_free(fake);
}

/* Consumers may rely on what prismd says of the levels: the fake says it too. */
static void meta_says_what_prismd_says(void **state)
{
	struct prism_fake_host *fake = fake_new(NULL);
	const char *root;
	struct stat st;

	(void)state;
	assert_int_equal(prism_fake_host_start(fake), 0);
	root = prism_cgroup_path(m.host);
	if (prism_bus_fd(m.host) < 0 || !root) {
		prism_fake_host_free(fake);
		skip();
	}
	assert_true(meta_of().feature_flags & PRISM_FEATURE_ROOT_LEVELS);
	assert_true(meta_of().feature_flags & PRISM_FEATURE_STALE_JIFFIES);
	assert_true(meta_of().stale_jiffies > 0);
	assert_int_equal(meta_of().root_levels, 0);
	assert_int_equal(stat(root, &st), 0);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &web, st.st_ino), 0);
	assert_int_equal(meta_of().root_levels, 1);
	/* A number that is no cgroup's may be anywhere. */
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &web, ~0ull), 0);
	assert_true(meta_of().root_levels == ~0ull);
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_REMOVED, &web, 0), 0);
	assert_int_equal(meta_of().root_levels, 0);
	prism_fake_host_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life_in_order),
		cmocka_unit_test(failed_start_is_closed),
		cmocka_unit_test(options_arrive),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(bounds_are_named),
		cmocka_unit_test(bad_descriptors_are_refused),
		cmocka_unit_test(slow_stop_is_waited_for),
		cmocka_unit_test(timers_and_watches),
		cmocka_unit_test(events_are_json),
		cmocka_unit_test(samples_and_words),
		cmocka_unit_test(facets),
		cmocka_unit_test(condition_is_kept),
		cmocka_unit_test(older_host_knows_no_condition),
		cmocka_unit_test(older_host_knows_no_program),
		cmocka_unit_test(only_programs_are_programs),
		cmocka_unit_test(relabel_moves_the_cgroup),
		cmocka_unit_test(meta_says_what_prismd_says),
	};

	return cmocka_run_group_tests_name("fake_host", tests, NULL, NULL);
}
