// SPDX-License-Identifier: Apache-2.0
/*
 * trace: exec and exit of processes with the identity that acted. The kernel side (trace.bpf.c) puts records into a
 * pinned ring; this side turns them into events, accounts for each, and says what was lost.
 */
#include <prism/module.h>

#include <inttypes.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "leg.h"
#include "report.h"
#include "counts.h"

#define LOSS_PERIOD_NS 1000000000ull /* one trace.lost event a reason in this time */

enum {
	METRIC_EVENTS,
	METRIC_LOST,
	METRIC_DELIVERED,
	METRIC_PENDING,
	METRIC_UNRATED,
};

static const char *const type_labels[] = {"type", NULL};
static const char *const reason_labels[] = {"reason", NULL};

static const struct prism_metric metrics[] = {
	[METRIC_EVENTS] = {.name = "prism_trace_events_total",
			   .kind = PRISM_METRIC_COUNTER,
			   .flags = PRISM_METRIC_BY_IDENTITY,
			   .help = "Execs and exits that happened, reported or lost.",
			   .labels = type_labels},
	[METRIC_LOST] = {.name = "prism_trace_lost_total",
			 .kind = PRISM_METRIC_COUNTER,
			 .help = "Events that were not reported: ring_full, rate_limited, skipped.",
			 .labels = reason_labels},
	[METRIC_DELIVERED] = {.name = "prism_trace_delivered_total",
			      .kind = PRISM_METRIC_COUNTER,
			      .help = "Events handed to the event stream."},
	[METRIC_PENDING] = {.name = "prism_trace_pending_bytes",
			    .kind = PRISM_METRIC_GAUGE,
			    .unit = "bytes",
			    .help = "Bytes in the ring that are not read yet."},
	[METRIC_UNRATED] = {.name = "prism_trace_unrated_total",
			    .kind = PRISM_METRIC_COUNTER,
			    .help = "Events without a rate limit and a count by identity: more than max_identities."},
};

static const struct prism_event_type events[] = {
	[REPORT_EXEC] = {.name = "exec", .help = "A process runs a new program."},
	[REPORT_EXIT] = {.name = "exit", .help = "The last thread of a process is gone."},
	[REPORT_LOST] = {.name = "lost", .help = "Events are missing here: how many, and why."},
};

static const char *const type_names[TRACE_TYPES] = {[TRACE_EXEC] = "exec", [TRACE_EXIT] = "exit"};
static const char *const loss_names[TRACE_LOSSES] = {
	[TRACE_LOST_RING] = "ring_full", [TRACE_LOST_RATE] = "rate_limited", [TRACE_LOST_SKIPPED] = "skipped"};

struct trace {
	struct prism_host *host;
	struct trace_leg_config config;
	struct report report;
	struct trace_leg *leg; /* NULL until it runs */
	uint64_t losses_told_ns;
	uint64_t losses_read_ns;
	uint64_t broken; /* records that report_record() refused */
};

/* ---- records and losses ------------------------------------------------------------------------------------------ */

static void on_record(void *arg, const void *record, size_t size)
{
	struct trace *trace = arg;
	int r = report_record(&trace->report, record, size);

	if (r < 0 && trace->broken++ == 0)
		prism_log(trace->host, PRISM_LOG_ERROR, "a record of %zu bytes in the ring is not reported: %s", size,
			  r == -EPROTO ? "another build wrote it" : strerror(-r));
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static int read_losses(const struct trace *trace, uint64_t losses[TRACE_LOSSES])
{
	struct trace_counts counts;
	int r = trace_counts_read(trace_leg_counts_fd(trace->leg), &counts);

	if (r < 0)
		return r;
	losses[TRACE_LOST_RING] = counts.dropped;
	losses[TRACE_LOST_RATE] = counts.limited;
	losses[TRACE_LOST_SKIPPED] = trace_leg_skipped(trace->leg);
	return 0;
}

/* Says what has been lost since it last did. */
static void tell_losses(struct trace *trace, uint64_t now)
{
	__u64 *told = trace->leg->reader.shared->told;
	uint64_t losses[TRACE_LOSSES];

	if (read_losses(trace, losses) < 0)
		return;
	for (int i = 0; i < TRACE_LOSSES; i++) {
		if (losses[i] <= told[i])
			continue;
		report_lost(&trace->report, loss_names[i], losses[i] - told[i], losses[i]);
		told[i] = losses[i];
		trace->losses_told_ns = now;
	}
}

static bool losses_untold(const struct trace *trace)
{
	const __u64 *told = trace->leg->reader.shared->told;
	uint64_t losses[TRACE_LOSSES];

	if (read_losses(trace, losses) < 0)
		return false;
	for (int i = 0; i < TRACE_LOSSES; i++) {
		if (losses[i] > told[i])
			return true;
	}
	return false;
}

/* Losses are told once a second while they go on, and before the reader sleeps. */
static bool on_turn(void *arg, bool idle)
{
	struct trace *trace = arg;
	uint64_t now = monotonic_ns();

	if (now - trace->losses_told_ns >= LOSS_PERIOD_NS) {
		if (idle || now - trace->losses_read_ns >= LOSS_PERIOD_NS) {
			trace->losses_read_ns = now;
			tell_losses(trace, now);
		}
		return false;
	}
	return idle && losses_untold(trace);
}

/* ---- identities -------------------------------------------------------------------------------------------------- */

static void trace_identity(void *self, enum prism_change change, const struct prism_workload *workload)
{
	struct trace *trace = self;

	if (trace->leg)
		prism_rows_identity(&trace->leg->rows, change, workload);
}

/* ---- configuration ---- */

/* Loads, attaches and reads with this configuration; what ran before is let go once it does. */
static int run(struct trace *trace, const struct trace_leg_config *config)
{
	struct trace_leg *leg = calloc(1, sizeof(*leg));
	int r;

	if (!leg)
		return prism_fail(trace->host, ENOMEM, "trace: start", "no memory");
	r = trace_leg_up(trace->host, config, on_record, trace, leg);
	if (r == 0) {
		r = reader_start(&leg->reader, on_turn);
		if (r < 0) {
			trace_leg_down(leg, PRISM_STOP_SHUTDOWN);
			r = prism_fail(trace->host, -r, "trace: watching the ring", "%s", strerror(-r));
		}
	}
	if (r < 0) {
		free(leg);
		return r;
	}
	if (trace->leg)
		trace_leg_down(trace->leg, PRISM_STOP_REPLACE);
	free(trace->leg);
	trace->leg = leg;
	prism_rows_claim(&leg->rows, PRISM_ID_UNKNOWN, 0);
	prism_rows_claim(&leg->rows, PRISM_ID_UNMANAGED, 0);
	return 0;
}

static int trace_configure(void *self, const struct prism_config *config)
{
	struct trace *trace = self;
	struct trace_config next;
	int r = trace_config_read(trace->host, config, &next);

	if (r < 0)
		return r;
	if (trace->leg && !trace_same_leg(&next.leg, &trace->config)) {
		r = run(trace, &next.leg);
		if (r < 0) {
			redact_done(&next.redact);
			return r;
		}
		prism_rows_claim_all(&trace->leg->rows);
	}
	redact_done(&trace->report.redact);
	trace->report.redact = next.redact;
	trace->report.max_args = next.max_args;
	trace->config = next.leg;
	return 0;
}

/* ---- life ---- */

static int trace_probe(struct prism_host *host)
{
	int r = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, NULL);

	if (r < 0)
		return prism_fail(host, -r, "trace: probing task storage", "%s", strerror(-r));
	if (r == 0 || access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return prism_unsupported(host, "trace: tp_btf",
					 "this kernel has no task storage or no BTF of its own; it wants Linux 6.1 or "
					 "later with CONFIG_BPF_EVENTS and CONFIG_DEBUG_INFO_BTF");
	return 0;
}

static int trace_open(struct prism_host *host, void **ret_self)
{
	struct trace *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return prism_fail(host, ENOMEM, "trace: open", "no memory");
	trace->host = host;
	trace->report.host = host;
	*ret_self = trace;
	return 0;
}

static int trace_start(void *self)
{
	struct trace *trace = self;
	int r = run(trace, &trace->config);

	if (r < 0)
		return r;
	r = prism_facet_all(trace->host, true);
	if (r < 0) {
		trace_leg_down(trace->leg, PRISM_STOP_REMOVE);
		free(trace->leg);
		trace->leg = NULL;
		return prism_fail(trace->host, -r, "trace: claiming the facet", "%s", strerror(-r));
	}
	return 0;
}

/* What is in the ring stays there for the next one; who removes the module gets what there is. */
static int trace_stop(void *self, enum prism_stop why)
{
	struct trace *trace = self;

	if (!trace->leg)
		return 0;
	if (why == PRISM_STOP_REMOVE) {
		prism_facet_all(trace->host, false);
		trace_leg_finish(trace->leg);
		tell_losses(trace, monotonic_ns());
	}
	trace_leg_down(trace->leg, why);
	free(trace->leg);
	trace->leg = NULL;
	return 0;
}

static void trace_close(void *self)
{
	struct trace *trace = self;

	redact_done(&trace->report.redact);
	free(trace);
}

/* ---- what it says ---- */

struct collection {
	struct trace *trace;
	struct prism_sink *sink;
};

static void collect_row(void *arg, uint32_t identity, const void *values)
{
	const struct trace_row *row = values;
	struct collection *to = arg;

	for (int i = 0; i < TRACE_TYPES; i++)
		prism_sample(to->trace->host, to->sink, METRIC_EVENTS, identity, (const char *const[]){type_names[i]},
			     (double)row->seen[i]);
}

static void collect_totals(struct trace *trace, struct prism_sink *sink, const struct trace_counts *counts)
{
	const struct reader *reader = &trace->leg->reader;
	const double losses[TRACE_LOSSES] = {
		[TRACE_LOST_RING] = (double)counts->dropped,
		[TRACE_LOST_RATE] = (double)counts->limited,
		[TRACE_LOST_SKIPPED] = (double)trace_leg_skipped(trace->leg),
	};

	for (int i = 0; i < TRACE_LOSSES; i++)
		prism_sample(trace->host, sink, METRIC_LOST, 0, (const char *const[]){loss_names[i]}, losses[i]);
	prism_sample(trace->host, sink, METRIC_DELIVERED, 0, NULL, (double)reader->shared->delivered);
	prism_sample(trace->host, sink, METRIC_PENDING, 0, NULL, (double)reader_pending(reader));
	prism_sample(trace->host, sink, METRIC_UNRATED, 0, NULL, (double)counts->unrated);
}

static void trace_collect(void *self, struct prism_sink *sink)
{
	struct trace *trace = self;
	struct collection to = {.trace = trace, .sink = sink};
	struct trace_counts counts;
	int r;

	if (!trace->leg)
		return;
	r = prism_rows_each(&trace->leg->rows, collect_row, &to);
	if (r == 0)
		r = trace_counts_read(trace_leg_counts_fd(trace->leg), &counts);
	if (r < 0)
		prism_log(trace->host, PRISM_LOG_ERROR, "reading the counters: %s", strerror(-r));
	else
		collect_totals(trace, sink, &counts);
}

static void trace_explain(void *self, const struct prism_workload *workload, struct prism_text *out)
{
	struct trace *trace = self;
	struct trace_row row;
	int r;

	if (!trace->leg) {
		prism_explain(trace->host, out, "not traced: the leg is not attached");
		return;
	}
	r = prism_rows_read(&trace->leg->rows, workload->identity, &row);
	if (r < 0) {
		prism_explain(trace->host, out, "reported, but neither counted nor limited: %s",
			      r == -ENOENT ? "no room among max_identities" : strerror(-r));
	} else {
		prism_explain(trace->host, out, "%" PRIu64 " execs, %" PRIu64 " exits", (uint64_t)row.seen[TRACE_EXEC],
			      (uint64_t)row.seen[TRACE_EXIT]);
		if (row.limited)
			prism_explain(trace->host, out,
				      "%" PRIu64 " of them not reported: above %" PRIu32
				      " events a second (rate, burst)",
				      (uint64_t)row.limited, trace->config.rate);
	}
	if (!trace->config.exec)
		prism_explain(trace->host, out, "execs are not reported (exec: false)");
	if (!trace->config.exit)
		prism_explain(trace->host, out, "exits are not reported (exit: false)");
	else if (!trace->config.fork_exits)
		prism_explain(trace->host, out, "exits without an exec are not reported (fork_exits: false)");
}

const struct prism_module prism_module = {
	PRISM_MODULE_HEADER,
	.name = "trace",
	.version = PRISM_VERSION,
	.summary = "exec and exit of processes, by identity",
	.facet = "trace",
	.options = trace_options,
	.n_options = TRACE_OPTIONS,
	.metrics = metrics,
	.n_metrics = sizeof(metrics) / sizeof(metrics[0]),
	.events = events,
	.n_events = sizeof(events) / sizeof(events[0]),
	.probe = trace_probe,
	.open = trace_open,
	.configure = trace_configure,
	.start = trace_start,
	.identity = trace_identity,
	.stop = trace_stop,
	.close = trace_close,
	.collect = trace_collect,
	.explain = trace_explain,
	.capabilities = PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_PERFMON),
};

PRISM_MODULE_NOTE("trace", PRISM_VERSION, PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
