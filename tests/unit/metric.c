/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: values, and the text that a scraper reads, to the letter. */
#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/util.h"
#include "metric/metric.h"

static void assert_has(const struct text *t, const char *line)
{
	if (!t->data || !strstr(t->data, line))
		fail_msg("no \"%s\" in:\n%s", line, t->data ? t->data : "(nothing)");
}

static void assert_lacks(const struct text *t, const char *line)
{
	if (t->data && strstr(t->data, line))
		fail_msg("\"%s\" in:\n%s", line, t->data);
}

static int setup(void **state)
{
	*state = metrics_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	metrics_free(*state);
	return 0;
}

static void published_names(void **state)
{
	struct metrics *m = *state;
	_cleanup_(text_done) struct text out = {0};

	metric_add(m, METRIC_PODS_PROCESSED, "added", 3);
	metric_add(m, METRIC_IDENTITIES_ALLOCATED, NULL, 2);
	metric_set(m, METRIC_LIVE_IDENTITIES, NULL, 7);
	metrics_write(m, &out);
	assert_has(&out, "# TYPE prism_pods_processed counter\n");
	assert_has(&out, "\nprism_pods_processed_total{event=\"added\"} 3\n");
	assert_has(&out, "\nprism_pods_processed_total{event=\"deleted\"} 0\n");
	assert_has(&out, "# TYPE prism_identities_allocated counter\n");
	assert_has(&out, "\nprism_identities_allocated_total 2\n");
	assert_has(&out, "\nprism_alloc_failures_total 0\n");
	assert_has(&out, "# TYPE prism_live_identities gauge\n");
	assert_has(&out, "\nprism_live_identities 7\n");
	assert_has(&out, "\nprism_build_info{version=\"" PRISM_VERSION "\"} 1\n");
	assert_lacks(&out, "# TYPE prism_pods_processed_total");
	assert_lacks(&out, "# EOF");
}

static void histogram_text(void **state)
{
	struct metrics *m = *state;
	_cleanup_(text_done) struct text out = {0};

	metric_observe(m, METRIC_PROPAGATION, 1e-7); /* a bound belongs to its bucket */
	metric_observe(m, METRIC_PROPAGATION, 2e-5);
	metric_observe(m, METRIC_PROPAGATION, 1000);
	metric_observe(m, METRIC_PROPAGATION, NAN);
	metrics_write(m, &out);
	assert_has(&out, "# TYPE prism_propagation_seconds histogram\n# UNIT prism_propagation_seconds seconds\n"
			 "# HELP prism_propagation_seconds ");
	assert_has(&out, "prism_propagation_seconds_bucket{le=\"1e-07\"} 1\n");
	assert_has(&out, "prism_propagation_seconds_bucket{le=\"6.4e-06\"} 1\n");
	assert_has(&out, "prism_propagation_seconds_bucket{le=\"2.56e-05\"} 2\n");
	assert_has(&out, "prism_propagation_seconds_bucket{le=\"0.0001024\"} 2\n");
	assert_has(&out, "prism_propagation_seconds_bucket{le=\"1.6777216\"} 2\n");
	assert_has(&out, "prism_propagation_seconds_bucket{le=\"107.3741824\"} 2\n"
			 "prism_propagation_seconds_bucket{le=\"+Inf\"} 3\n"
			 "prism_propagation_seconds_count 3\nprism_propagation_seconds_sum 1000.0000201\n");
}

static void whole_numbers_are_written_in_full(void **state)
{
	struct metrics *m = *state;
	_cleanup_(text_done) struct text out = {0};

	metric_set(m, METRIC_LIVE_IDENTITIES, NULL, 1000000);
	metric_set(m, METRIC_HELD_IDENTITIES, NULL, -0.0);
	metric_set(m, METRIC_BUS_GENERATION, NULL, 9007199254740991.0);
	metric_set(m, METRIC_BUS_ENTRIES, NULL, 0.1);
	metric_set(m, METRIC_BUS_CAPACITY, NULL, INFINITY);
	metric_set(m, METRIC_CGROUPS, NULL, 1.5e-9);
	metrics_write(m, &out);
	assert_has(&out, "\nprism_live_identities 1000000\n");
	assert_has(&out, "\nprism_held_identities 0\n");
	assert_has(&out, "\nprism_bus_generation 9007199254740991\n");
	assert_has(&out, "\nprism_bus_entries 0.1\n");
	assert_has(&out, "\nprism_bus_capacity +Inf\n");
	assert_has(&out, "\nprism_cgroups 1.5e-09\n");
}

static void two_labels_and_reset(void **state)
{
	struct metrics *m = *state;
	_cleanup_(text_done) struct text before = {0}, after = {0};

	metric_set(m, METRIC_MODULE_STATE, "net\trunning", 1);
	metric_set(m, METRIC_MODULE_STATE, "tr\"ace\nx\\\tfailed", 1);
	metrics_write(m, &before);
	assert_has(&before, "prism_module_state{module=\"net\",state=\"running\"} 1\n");
	assert_has(&before, "prism_module_state{module=\"tr\\\"ace\\nx\\\\\",state=\"failed\"} 1\n");
	assert_float_equal(metric_get(m, METRIC_MODULE_STATE, "net\trunning"), 1, 0);
	metric_reset(m, METRIC_MODULE_STATE);
	metrics_write(m, &after);
	assert_lacks(&after, "prism_module_state{");
	assert_has(&after, "# TYPE prism_module_state gauge\n");
	assert_float_equal(metric_get(m, METRIC_MODULE_STATE, "net\trunning"), 0, 0);
}

static void quantiles(void **state)
{
	struct metrics *m = *state;
	int i;

	assert_true(isnan(metric_quantile(m, METRIC_PROPAGATION, 0.5)));
	for (i = 0; i < 50; i++)
		metric_observe(m, METRIC_PROPAGATION, 1e-6);
	for (i = 0; i < 50; i++)
		metric_observe(m, METRIC_PROPAGATION, 0.01);
	/* Half of them fill the bucket (4e-7, 1.6e-6], the others (6.5536e-3, 0.0262144]. */
	assert_float_equal(metric_quantile(m, METRIC_PROPAGATION, 0.25), 1e-6, 1e-12);
	assert_float_equal(metric_quantile(m, METRIC_PROPAGATION, 0.5), 1.6e-6, 1e-12);
	assert_float_equal(metric_quantile(m, METRIC_PROPAGATION, 0.75), 6.5536e-3 + (0.0262144 - 6.5536e-3) / 2, 1e-9);
	assert_float_equal(metric_get(m, METRIC_PROPAGATION, NULL), 100, 0);
	assert_true(isnan(metric_quantile(m, METRIC_PROPAGATION, 2)));
	for (i = 0; i < 1000; i++)
		metric_observe(m, METRIC_PROPAGATION, 1e6);
	assert_float_equal(metric_quantile(m, METRIC_PROPAGATION, 0.99), 107.3741824, 0);
}

static void older_format(void **state)
{
	_cleanup_(text_done) struct text open = {0}, plain = {0};

	metric_observe(*state, METRIC_PROPAGATION, 1);
	metrics_write(*state, &open);
	text_append(&open, "# TYPE t gauge\n# HELP t say \\\"hi\\\" \\\\ and\\nbye\nt 1\n# EOF\n");
	metrics_plain(open.data, open.len, &plain);
	assert_has(&plain, "# TYPE prism_pods_processed_total counter\n# HELP prism_pods_processed_total Work");
	assert_has(&plain, "# TYPE prism_live_identities gauge\n# HELP prism_live_identities ");
	assert_has(&plain, "# TYPE prism_propagation_seconds histogram\n# HELP prism_propagation_seconds ");
	assert_has(&plain, "# HELP t say \"hi\" \\\\ and\\nbye\n");
	assert_lacks(&plain, "# UNIT");
	assert_lacks(&plain, "# EOF");
}

/* ---- a module's samples ----------------------------------------------------------------------------------------- */

static const char *const peer_label[] = {"peer", NULL};
static const char *const bad_label[] = {"identity", NULL};
static const double bounds[] = {0.5, 1, 10, 1e6};
static const struct prism_metric declared[] = {
	{.name = "prism_net_packets_total",
	 .kind = PRISM_METRIC_COUNTER,
	 .flags = PRISM_METRIC_BY_IDENTITY,
	 .unit = "packets",
	 .help = "Packets \"seen\",\nall of them."},
	{.name = "prism_net_bytes_total", .kind = PRISM_METRIC_COUNTER, .unit = "bytes", .labels = peer_label},
	{.name = "prism_lag_seconds",
	 .kind = PRISM_METRIC_HISTOGRAM,
	 .flags = PRISM_METRIC_BY_IDENTITY,
	 .unit = "seconds",
	 .buckets = bounds,
	 .n_buckets = ARRAY_SIZE(bounds)},
	{.name = "prism_live_identities", .kind = PRISM_METRIC_GAUGE}, /* 3: the core's */
	{.name = "prism_nototal", .kind = PRISM_METRIC_COUNTER},       /* 4: forbidden name */
	{.name = "prism spaces", .kind = PRISM_METRIC_GAUGE},          /* 5 */
	{.name = "prism_dup",
	 .kind = PRISM_METRIC_GAUGE,
	 .labels = bad_label,
	 .flags = PRISM_METRIC_BY_IDENTITY},                                          /* 6: label of the host */
	{.name = "prism_temperature", .kind = PRISM_METRIC_GAUGE, .unit = "celsius"}, /* 7: unit not in the name */
};
static const struct prism_module module = {
	.size = sizeof(module),
	.name = "net",
	.metrics = declared,
	.n_metrics = ARRAY_SIZE(declared),
	.metric_size = sizeof(declared[0]),
};

static bool name_of(void *arg, uint32_t identity, const char **ret_namespace, const char **ret_workload)
{
	(void)arg;
	if (identity != 4711)
		return false;
	*ret_namespace = "shop";
	*ret_workload = "shop/che\xff\"ck\nout";
	return true;
}

static const struct sink_names names = {.name_of = name_of};

static void module_samples(void **state)
{
	struct prism_sink *sink = sink_new(&module, &names);
	_cleanup_(text_done) struct text out = {0};

	(void)state;
	sink_sample(sink, 0, 4711, NULL, 12);
	sink_sample(sink, 0, 5000, NULL, 18446744073709549568.0);
	sink_sample(sink, 1, 0, (const char *[]){"a\\b"}, 5);
	sink_sample(sink, 7, 0, NULL, NAN);
	sink_write(sink, &out);
	assert_has(&out, "# TYPE prism_net_packets counter\n# UNIT prism_net_packets packets\n"
			 "# HELP prism_net_packets Packets \\\"seen\\\",\\nall of them.\n");
	assert_has(&out, "\nprism_net_packets_total{identity=\"4711\",namespace=\"shop\","
			 "workload=\"shop/che\xef\xbf\xbd\\\"ck\\nout\"} 12\n");
	assert_has(&out, "\nprism_net_packets_total{identity=\"5000\",namespace=\"\",workload=\"\"} "
			 "18446744073709549568\n");
	assert_has(&out, "\nprism_net_bytes_total{peer=\"a\\\\b\"} 5\n");
	assert_has(&out, "# TYPE prism_temperature gauge\nprism_temperature NaN\n");
	assert_int_equal(sink_dropped(sink), 0);
	sink_free(sink);
}

static void module_histogram(void **state)
{
	const uint64_t counts[] = {1, 0, 2, 0, UINT32_MAX};
	struct prism_sink *sink = sink_new(&module, NULL);
	_cleanup_(text_done) struct text out = {0};

	(void)state;
	sink_histogram(sink, 2, 300, NULL, counts, 7.25);
	sink_write(sink, &out);
#define ID "identity=\"300\",namespace=\"\",workload=\"\""
	assert_has(&out, "prism_lag_seconds_bucket{" ID ",le=\"0.5\"} 1\n"
			 "prism_lag_seconds_bucket{" ID ",le=\"1.0\"} 1\n"
			 "prism_lag_seconds_bucket{" ID ",le=\"10.0\"} 3\n"
			 "prism_lag_seconds_bucket{" ID ",le=\"1e+06\"} 3\n"
			 "prism_lag_seconds_bucket{" ID ",le=\"+Inf\"} 4294967298\n"
			 "prism_lag_seconds_count{" ID "} 4294967298\n"
			 "prism_lag_seconds_sum{" ID "} 7.25\n");
	sink_free(sink);
}

static void misfits_are_dropped_and_counted(void **state)
{
	struct prism_sink *sink = sink_new(&module, NULL);
	_cleanup_(text_done) struct text out = {0};

	metrics_write(*state, &out);
	sink_sample(sink, 0, 1, NULL, 1);
	sink_sample(sink, 0, 1, NULL, 2);  /* the same labels again */
	sink_sample(sink, 0, 2, NULL, -1); /* a counter below 0 */
	sink_sample(sink, 0, 3, NULL, NAN);
	sink_sample(sink, 1, 0, NULL, 1); /* a label is missing */
	sink_sample(sink, 2, 0, NULL, 1); /* a histogram */
	sink_histogram(sink, 0, 9, NULL, (uint64_t[8]){0}, 0);
	sink_sample(sink, 99, 0, NULL, 1);
	sink_sample(sink, 3, 0, NULL, 666); /* taken, but the family is the core's */
	sink_sample(sink, 4, 0, NULL, 1);
	sink_sample(sink, 5, 0, NULL, 1);
	sink_sample(sink, 6, 0, (const char *[]){"x"}, 1);
	assert_int_equal(sink_dropped(sink), 10);
	sink_write(sink, &out);
	sink_write(sink, &out); /* another module with the same families */
	assert_has(&out, "prism_net_packets_total{"
			 "identity=\"1\",namespace=\"\",workload=\"\"} 1\n");
	assert_ptr_equal(strstr(strstr(out.data, "# TYPE prism_net_packets ") + 1, "# TYPE prism_net_packets "), NULL);
	assert_lacks(&out, " 666\n");
	assert_lacks(&out, "prism_nototal");
	assert_lacks(&out, "prism spaces");
	assert_lacks(&out, "prism_dup");
	sink_free(sink);
}

static void a_flood_of_samples_is_bounded(void **state)
{
	struct prism_sink *sink = sink_new(&module, NULL);
	uint32_t i;

	(void)state;
	for (i = 0; i < METRIC_MAX_SAMPLES + 10; i++)
		sink_sample(sink, 0, i, NULL, 1);
	assert_int_equal(sink_dropped(sink), 10);
	sink_free(sink);
}

/* A module built against an older minor, whose struct prism_metric ended before `buckets`. */
static void shorter_declarations(void **state)
{
	size_t size = offsetof(struct prism_metric, labels);
	_cleanup_free_ char *old = calloc(2, size);
	struct prism_module short_module = {.name = "old", .metrics = (void *)old, .n_metrics = 2};
	_cleanup_(text_done) struct text out = {0};
	struct prism_sink *sink;

	(void)state;
	memcpy(old, &(struct prism_metric){.name = "old_a_total", .kind = PRISM_METRIC_COUNTER}, size);
	memcpy(old + size, &(struct prism_metric){.name = "old_b", .kind = PRISM_METRIC_GAUGE}, size);
	short_module.metric_size = (uint32_t)size;
	sink = sink_new(&short_module, NULL);
	sink_sample(sink, 0, 0, NULL, 1);
	sink_sample(sink, 1, 0, NULL, -2);
	sink_write(sink, &out);
	assert_string_equal(out.data, "# TYPE old_a counter\nold_a_total 1\n# TYPE old_b gauge\nold_b -2\n");
	sink_free(sink);
}

static void the_reference_is_the_documentation(void **state)
{
	_cleanup_(text_done) struct text reference = {0};
	_cleanup_free_ char *doc = NULL;
	size_t len;

	(void)state;
	metrics_reference(&reference);
	assert_int_equal(file_read(PRISM_DOCS "/metrics.md", 1 << 20, &doc, &len, NULL), 0);
	if (!strstr(doc, reference.data))
		fail_msg("docs/metrics.md does not have this table:\n%s", reference.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(published_names, setup, teardown),
		cmocka_unit_test_setup_teardown(histogram_text, setup, teardown),
		cmocka_unit_test_setup_teardown(whole_numbers_are_written_in_full, setup, teardown),
		cmocka_unit_test_setup_teardown(two_labels_and_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(quantiles, setup, teardown),
		cmocka_unit_test_setup_teardown(older_format, setup, teardown),
		cmocka_unit_test(module_samples),
		cmocka_unit_test(module_histogram),
		cmocka_unit_test_setup_teardown(misfits_are_dropped_and_counted, setup, teardown),
		cmocka_unit_test(a_flood_of_samples_is_bounded),
		cmocka_unit_test(shorter_declarations),
		cmocka_unit_test(the_reference_is_the_documentation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
