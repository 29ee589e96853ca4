/* SPDX-License-Identifier: Apache-2.0 */
/* A module's life from open to close, and what is undone when a step of it fails. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "metric/program.h"

#define AT "prismd.yaml:4:5: module life: "
#define REPLAY "added:300 added:301 synced:0"
#define BOTH(trouble) "  - name: life\n    config: {do: " trouble "}\n  - name: other\n"

static void install_both(struct world *w)
{
	world_install(w, "life", NULL);
	world_install(w, "other", NULL);
}

static bool has_left(struct world *w, const void *name)
{
	return world_state(w, name) != MODULE_RUNNING;
}

static bool has_step(struct world *w, const void *step)
{
	return strstr(world_steps(w, "life"), step) != NULL;
}

static void test_order(void **state)
{
	struct world *w = *state;
	unsigned int want = 2;

	install_both(w);
	world_run(w, BOTH("none"));
	assert_string_equal(world_steps(w, "life"), "open:0 configure:5 start:5 " REPLAY);
	assert_int_equal(access(world_path(w, "pins/life/link"), F_OK), 0);
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(4) | PRISM_FACET_BIT(5));
	world_forget(w);
	host_stop(w->host, PRISM_STOP_SHUTDOWN, world_count_done, w);
	world_until(w, world_is_done, &want);
	assert_string_equal(world_steps(w, "life"), "stop:1 close:0");
	/* Enforcement outlives a clean stop. */
	assert_int_equal(access(world_path(w, "pins/life/link"), F_OK), 0);
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(4) | PRISM_FACET_BIT(5));
}

struct failing {
	const char *trouble;
	const char *reason;
	const char *steps;
	enum module_state state;
};

static const struct failing failing[] = {
	{"configure-fails", AT "configure() failed: rules: no rule matches anything", "open:0 close:0", MODULE_FAILED},
	{"configure-node, rules: [a, b]", "prismd.yaml:5:45: modules[0].config.rules[1]: \"b\" is no rule",
	 "open:0 close:0", MODULE_FAILED},
	{"start-fails", AT "start() failed: attach ingress: the hook is taken", "open:0 configure:5 start:5 close:0",
	 MODULE_FAILED},
	{"start-silent", AT "start() failed: Operation not permitted (it gave no reason)",
	 "open:0 configure:5 start:5 close:0", MODULE_FAILED},
	{"replay-fails", AT "identity() failed: policy map: is full",
	 "open:0 configure:5 start:5 added:300 stop:3 close:0", MODULE_FAILED},
};

static void test_failing_step(void **state)
{
	struct world *w = *state;
	const struct failing *f = w->param;
	char modules[256];

	install_both(w);
	snprintf(modules, sizeof(modules), "  - name: life\n    config: {do: %s}\n  - name: other\n", f->trouble);
	world_run(w, modules);
	world_assert_state(w, "life", f->state, f->reason);
	assert_string_equal(world_steps(w, "life"), f->steps);
	world_assert_nothing_left(w, "life");
	world_assert_state(w, "other", MODULE_RUNNING, "");
	/* Bit 4 was life's: named, remembered, and nobody's. */
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(5));
}

static void test_open_fails(void **state)
{
	struct world *w = *state;

	install_both(w);
	setenv("LIFE_OPEN", "life", 1);
	world_run(w, BOTH("none"));
	unsetenv("LIFE_OPEN");
	/* A failed open is not followed by close. */
	world_assert_state(w, "life", MODULE_FAILED, AT "open() failed: allocate: nothing left");
	assert_string_equal(world_steps(w, "life"), "");
	world_assert_nothing_left(w, "life");
	assert_int_equal(host_health(w->host), 1);
}

static void test_unsupported(void **state)
{
	struct world *w = *state;

	install_both(w);
	setenv("LIFE_PROBE", "life", 1);
	world_run(w, BOTH("none"));
	world_assert_state(w, "life", MODULE_UNSUPPORTED,
			   AT "probe() failed: probe hooks: this kernel has no such hook: take a newer one");
	world_assert_nothing_left(w, "life");
	assert_int_equal(host_health(w->host), 0);
	world_run(w, "  - name: life\n    required: true\n  - name: other\n");
	unsetenv("LIFE_PROBE");
	assert_int_equal(host_health(w->host), 2);
}

static void test_fail_while_running(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, BOTH("timer-fails"));
	world_until(w, has_left, "life");
	world_assert_state(w, "life", MODULE_FAILED, AT "gave up while it was running: read counters: the map is gone");
	assert_string_equal(world_steps(w, "life"), "open:0 configure:5 start:5 " REPLAY " timer:0 stop:3 close:0");
	world_assert_nothing_left(w, "life");
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(5));
	world_assert_state(w, "other", MODULE_RUNNING, "");
}

static void test_slow_stop(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, BOTH("stop-slow"));
	world_forget(w);
	world_run(w, "  - name: other\n");
	assert_string_equal(world_steps(w, "life"), "stop:3 timer:0 stopped:0 close:0");
	assert_int_equal(access(world_path(w, "pins/life"), F_OK), -1);
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(5));
}

static void test_endless_stop(void **state)
{
	struct world *w = *state;
	struct error e = {};
	unsigned int want = 2;

	install_both(w);
	world_run(w, "  - name: life\n    stop_deadline: 100ms\n    config: {do: stop-never}\n  - name: other\n");
	world_forget(w);
	assert_int_equal(host_module_reload(w->host, "life", &e, world_count_done, w), 0);
	world_until(w, world_is_done, &want);
	/* Late, closed, and then started again as was asked. */
	assert_string_equal(world_steps(w, "life"), "stop:2 close:0 open:0 configure:5 start:5 " REPLAY);
	want = 3;
	host_stop(w->host, PRISM_STOP_SHUTDOWN, world_count_done, w);
	world_until(w, world_is_done, &want);
	world_assert_state(
		w, "life", MODULE_FAILED,
		AT "did not stop within 100 ms (stop_deadline): its timers and watches were taken from it and it "
		   "was closed");
	world_assert_state(w, "other", MODULE_CLOSED, "");
}

static void test_double_timer_stop(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, BOTH("double-stop"));
	world_until(w, has_step, "stopped-twice:0");
	world_assert_state(w, "life", MODULE_RUNNING, "");
}

static void test_bad_events(void **state)
{
	struct world *w = *state;
	uint64_t before;

	install_both(w);
	before = stream_last_seq(w->stream);
	world_run(w, BOTH("bad-events"));
	assert_non_null(strstr(world_steps(w, "life"), "refused:9"));
	assert_true(stream_last_seq(w->stream) > before);
	world_assert_state(w, "life", MODULE_RUNNING, "");
}

static void test_stale_calls(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, BOTH("stale-calls"));
	assert_non_null(strstr(world_steps(w, "life"), "harmless:9"));
}

static void test_watch(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, BOTH("watch"));
	world_until(w, has_step, "readable:1");
	world_run(w, BOTH("none"));
	world_assert_state(w, "life", MODULE_RUNNING, "");
}

static void test_fd_closed_under_its_watch(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, BOTH("closed-fd"));
	uv_run(&w->loop, UV_RUN_NOWAIT);
	uv_run(&w->loop, UV_RUN_NOWAIT);
	world_assert_state(w, "life", MODULE_RUNNING, "");
}

static void test_facets(void **state)
{
	struct world *w = *state;
	struct error e = {};
	unsigned int want = 2;

	install_both(w);
	world_run(w, BOTH("claim-one"));
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(4) | PRISM_FACET_BIT(5));
	assert_int_equal(host_facets(w->host, 301), PRISM_FACET_BIT(5));
	w->facets_changed = 0;
	assert_int_equal(host_module_disable(w->host, "life", &e, world_count_done, w), 0);
	world_until(w, world_is_done, &want);
	assert_int_equal(w->facets_changed, 1);
	assert_int_equal(w->facets_number, 0);
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(5));
	world_assert_nothing_left(w, "life");
}

static void test_facet_conflict(void **state)
{
	struct world *w = *state;

	world_install(w, "facet-one", NULL);
	world_install(w, "facet-two", NULL);
	world_run(w, "  - name: facet-one\n  - name: facet-two\n");
	world_assert_state(w, "facet-one", MODULE_RUNNING, "");
	world_assert_state(
		w, "facet-two", MODULE_FAILED,
		"prismd.yaml:5:5: module facet-two: facet \"shared\" belongs to module facet-one, module facet-two "
		"cannot have it too: disable one of them");
	world_assert_nothing_left(w, "facet-two");
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(4));
	/* What holds it goes, and what wants it comes: in one step. */
	world_run(w, "  - name: facet-two\n");
	world_assert_state(w, "facet-two", MODULE_RUNNING, "");
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(4));
}

/* The pipeline may flush staged arrivals from facets_changed(), in the middle of a module's start. */
static void arrive_meanwhile(struct world *w)
{
	struct prism_workload workload;

	w->on_facets = NULL;
	w->identity[w->n_identities++] = 302;
	world_workload(302, &workload);
	host_identity(w->host, PRISM_IDENTITY_ADDED, &workload);
	world_workload(301, &workload);
	host_identity(w->host, PRISM_IDENTITY_ADDED, &workload);
}

static void test_identities_once(void **state)
{
	struct world *w = *state;
	struct prism_workload workload;

	world_install(w, "life", NULL);
	w->on_facets = arrive_meanwhile;
	world_run(w, "  - name: life\n");
	assert_string_equal(world_steps(w, "life"),
			    "open:0 configure:5 start:5 added:300 added:301 added:302 synced:0");
	world_forget(w);
	world_workload(300, &workload);
	host_identity(w->host, PRISM_IDENTITY_ADDED, &workload);
	host_identity(w->host, PRISM_IDENTITY_CHANGED, &workload);
	host_identity(w->host, PRISM_IDENTITY_REMOVED, &workload);
	host_identity(w->host, PRISM_IDENTITY_REMOVED, &workload);
	host_identity(w->host, PRISM_IDENTITY_CHANGED, &workload);
	host_identity(w->host, PRISM_IDENTITY_RELEASED, &workload);
	assert_string_equal(world_steps(w, "life"), "changed:300 removed:300 released:300");
}

static void keep_line(void *arg, const char *module, const char *line)
{
	char *out = arg;

	snprintf(out + strlen(out), 512 - strlen(out), "%s: %s|", module, line);
}

static void test_collect_and_explain(void **state)
{
	struct world *w = *state;
	struct prism_workload workload;
	struct text out = {};
	char lines[512] = "";

	install_both(w);
	world_run(w, BOTH("none"));
	host_collect(w->host, &out);
	assert_non_null(strstr(out.data, "prism_life_steps_total 6"));
	assert_non_null(
		strstr(out.data, "prism_life_seen{identity=\"300\",namespace=\"shop\",workload=\"shop/w300\"} 1"));
	assert_non_null(strstr(out.data, "prism_other_steps_total"));
	text_done(&out);
	world_workload(300, &workload);
	host_explain(w->host, &workload, keep_line, lines);
	assert_string_equal(lines, "life: watches shop/w300 at level 5|other: watches shop/w300 at level 5|");
	assert_true(metric_get(w->metrics, METRIC_MODULE_STATE, "life\trunning") == 1);
}

/* A state change is in the event stream, for `prismctl events`. */
static void test_state_events(void **state)
{
	struct world *w = *state;
	const struct stream_record *record;
	uint64_t missed;
	bool found = false;

	install_both(w);
	world_run(w, BOTH("start-fails"));
	for (uint64_t seq = 1; (record = stream_read(w->stream, seq, &missed)); seq = record->seq + 1)
		found |= !strcmp(record->type, "prism.module") && strstr(record->json, "\"failed\"") &&
			 strstr(record->json, "the hook is taken");
	assert_true(found);
}

static unsigned int count_events(struct world *w, const char *part)
{
	const struct stream_record *record;
	unsigned int n = 0;
	uint64_t missed;

	for (uint64_t seq = 1; (record = stream_read(w->stream, seq, &missed)); seq = record->seq + 1)
		n += !strcmp(record->type, "prism.module") && strstr(record->json, part);
	return n;
}

#define DEGRADED(level) "  - name: life\n    config: {do: degraded, level: " #level "}\n  - name: other\n"

static void test_condition(void **state)
{
	struct world *w = *state;
	struct error e = {};
	unsigned int want;

	install_both(w);
	/* Said before it runs, by one line whatever it holds, and once. */
	world_run(w, DEGRADED(3));
	world_assert_state(w, "life", MODULE_RUNNING, "");
	assert_string_equal(world_condition(w, "life"), "level 3 holds it up");
	assert_string_equal(world_condition(w, "other"), "");
	assert_int_equal(host_health(w->host), 1);
	assert_int_equal(count_events(w, "\"condition\":\"level 3 holds it up\""), 1);
	world_run(w, DEGRADED(4));
	assert_string_equal(world_condition(w, "life"), "level 4 holds it up");
	assert_int_equal(count_events(w, "\"condition\":\"level 4 holds it up\""), 1);
	world_run(w, BOTH("none"));
	assert_string_equal(world_condition(w, "life"), "");
	assert_int_equal(count_events(w, "\"condition\":\"\""), 1);
	assert_int_equal(host_health(w->host), 0);
	/* It ends with the instance that said it. */
	world_run(w, DEGRADED(3));
	want = w->done + 1;
	assert_int_equal(host_module_disable(w->host, "life", &e, world_count_done, w), 0);
	world_until(w, world_is_done, &want);
	assert_string_equal(world_condition(w, "life"), "");
	assert_int_equal(host_health(w->host), 0);
}

static bool publishes_program(struct world *w)
{
	struct text out = {};
	bool found;

	programs_refresh(w->metrics);
	metrics_write(w->metrics, &out);
	found = strstr(out.data, "prism_bpf_program_runs_total{module=\"life\",program=\"nothing\"} ");
	text_done(&out);
	return found;
}

/* What a module tells of is published until it is closed, also when it does not take it back. */
static void test_program(void **state)
{
	struct world *w = *state;
	struct error e = {};
	unsigned int want;

	install_both(w);
	world_run(w, BOTH("program"));
	if (world_state(w, "life") == MODULE_UNSUPPORTED)
		skip(); /* BPF programs cannot be loaded here */
	world_assert_state(w, "life", MODULE_RUNNING, "");
	assert_true(publishes_program(w));
	want = w->done + 1;
	assert_int_equal(host_module_disable(w->host, "life", &e, world_count_done, w), 0);
	world_until(w, world_is_done, &want);
	assert_false(publishes_program(w));
}

/* A required one that does not do its work is as good as none. */
static void test_condition_of_a_required_one(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, "  - name: life\n    required: true\n    config: {do: degraded}\n");
	world_assert_state(w, "life", MODULE_RUNNING, "");
	assert_int_equal(host_health(w->host), 2);
	world_run(w, "  - name: life\n    required: true\n");
	assert_int_equal(host_health(w->host), 0);
}

static void test_module_of_an_older_minor(void **state)
{
	struct world *w = *state;

	world_install(w, "older", NULL);
	world_run(w, "  - name: older\n");
	world_assert_state(w, "older", MODULE_RUNNING, "");
}

int main(int argc, char **argv)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
#define FAILING(i) {failing[i].trouble, test_failing_step, world_setup, world_teardown, (void *)&failing[i]}
	const struct CMUnitTest tests[] = {
		TEST(test_order),
		FAILING(0),
		FAILING(1),
		FAILING(2),
		FAILING(3),
		FAILING(4),
		TEST(test_open_fails),
		TEST(test_unsupported),
		TEST(test_fail_while_running),
		TEST(test_slow_stop),
		TEST(test_endless_stop),
		TEST(test_double_timer_stop),
		TEST(test_bad_events),
		TEST(test_stale_calls),
		TEST(test_watch),
		TEST(test_fd_closed_under_its_watch),
		TEST(test_facets),
		TEST(test_facet_conflict),
		TEST(test_identities_once),
		TEST(test_collect_and_explain),
		TEST(test_state_events),
		TEST(test_condition),
		TEST(test_program),
		TEST(test_condition_of_a_required_one),
		TEST(test_module_of_an_older_minor),
	};

	_Static_assert(ARRAY_SIZE(failing) == 5, "one FAILING() each");
	return world_main(argc, argv, tests, ARRAY_SIZE(tests));
}
