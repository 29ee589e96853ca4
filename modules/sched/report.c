// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <inttypes.h>
#include <string.h>

#define NS_PER_SEC 1e9

enum {
	METRIC_STATE,
	METRIC_EXITS,
	METRIC_GAP,
	METRIC_THREADS,
	METRIC_CLASS_RUN,
	METRIC_CLASS_WAIT,
	METRIC_CLASS_LONGEST,
	METRIC_CLASS_VIOLATIONS,
	METRIC_CLASS_PREEMPTIONS,
	METRIC_CLASS_OVERTAKES,
	METRIC_CLASS_PREEMPTED,
	METRIC_CLASS_GRANTS,
	METRIC_DIRECT,
	METRIC_STOLEN,
	METRIC_REENQUEUED,
	METRIC_UNPLACED,
	METRIC_RUN,
	METRIC_WAIT,
	METRIC_LONGEST,
	METRIC_VIOLATIONS,
	METRIC_PREEMPTED,
	METRICS,
};

_Static_assert(METRICS == REPORT_METRICS, "the header says how many there are");
_Static_assert(SCHED_BUCKETS == 12, "a bound for each bucket but the last");

static const char *const class_names[SCHED_RANKS] = {
	[SCHED_CRITICAL] = "critical", [SCHED_NORMAL] = "normal", [SCHED_BATCH] = "batch"};

static const char *const state_labels[] = {"state", NULL};
static const char *const cause_labels[] = {"cause", NULL};
static const char *const class_labels[] = {"class", NULL};

#define BOUND(i) ((double)SCHED_BUCKET_NS(i) / NS_PER_SEC)
static const double bounds[SCHED_BUCKETS - 1] = {BOUND(0), BOUND(1), BOUND(2), BOUND(3), BOUND(4), BOUND(5),
						 BOUND(6), BOUND(7), BOUND(8), BOUND(9), BOUND(10)};

#define CLASS_COUNTER(name_, help_)                                                                                    \
	{.name = (name_), .kind = PRISM_METRIC_COUNTER, .help = (help_), .labels = class_labels}
#define COUNTER(name_, help_) {.name = (name_), .kind = PRISM_METRIC_COUNTER, .help = (help_)}
#define IDENTITY_COUNTER(name_, help_)                                                                                 \
	{.name = (name_), .kind = PRISM_METRIC_COUNTER, .flags = PRISM_METRIC_BY_IDENTITY, .help = (help_)}

const struct prism_metric report_metrics[REPORT_METRICS] = {
	[METRIC_STATE] = {.name = "prism_sched_state",
			  .kind = PRISM_METRIC_GAUGE,
			  .help = "1 for the state that the scheduler is in: attached, foreign, retrying, left_alone, "
				  "given_up.",
			  .labels = state_labels},
	[METRIC_EXITS] = {.name = "prism_sched_exits_total",
			  .kind = PRISM_METRIC_COUNTER,
			  .help = "How often the kernel let go of the scheduler since prismd started, and why.",
			  .labels = cause_labels},
	[METRIC_GAP] = {.name = "prism_sched_last_gap_seconds",
			.kind = PRISM_METRIC_GAUGE,
			.unit = "seconds",
			.help = "How long the kernel's own scheduler had the tasks before the last attach; 0: no gap."},
	[METRIC_THREADS] = {.name = "prism_sched_partial_threads",
			    .kind = PRISM_METRIC_GAUGE,
			    .help = "Threads that partial mode has taken."},
	[METRIC_CLASS_RUN] = {.name = "prism_sched_class_run_seconds_total",
			      .kind = PRISM_METRIC_COUNTER,
			      .unit = "seconds",
			      .help = "CPU time of the tasks of a class.",
			      .labels = class_labels},
	[METRIC_CLASS_WAIT] = {.name = "prism_sched_class_wait_seconds",
			       .kind = PRISM_METRIC_HISTOGRAM,
			       .unit = "seconds",
			       .help = "How long tasks of a class waited for a CPU while they could have run.",
			       .labels = class_labels,
			       .buckets = bounds,
			       .n_buckets = SCHED_BUCKETS - 1},
	[METRIC_CLASS_LONGEST] = {.name = "prism_sched_class_longest_wait_seconds",
				  .kind = PRISM_METRIC_GAUGE,
				  .unit = "seconds",
				  .help = "The longest of these waits since the scheduler was first attached.",
				  .labels = class_labels},
	[METRIC_CLASS_VIOLATIONS] = CLASS_COUNTER("prism_sched_class_wait_violations_total",
						  "Waits of a class that were longer than max_wait."),
	[METRIC_CLASS_PREEMPTIONS] = CLASS_COUNTER("prism_sched_class_preemptions_total",
						   "Wake-ups that took the CPU from a task of a lower class."),
	[METRIC_CLASS_OVERTAKES] = CLASS_COUNTER("prism_sched_class_overtakes_total",
						 "Wake-ups that took the CPU from a task of their own class that had "
						 "got ahead of its share."),
	[METRIC_CLASS_PREEMPTED] =
		CLASS_COUNTER("prism_sched_class_preempted_total", "Tasks that lost their CPU to a wake-up."),
	[METRIC_CLASS_GRANTS] = CLASS_COUNTER("prism_sched_class_grants_total",
					      "Times a task was served because of its wait and not by its turn."),
	[METRIC_DIRECT] = COUNTER("prism_sched_direct_total", "Wake-ups that were handed a CPU without a queue."),
	[METRIC_STOLEN] = COUNTER("prism_sched_stolen_total", "Tasks run by a CPU of another last-level cache."),
	[METRIC_REENQUEUED] =
		COUNTER("prism_sched_reenqueued_total", "Tasks taken back from a CPU that realtime work took over."),
	[METRIC_UNPLACED] = COUNTER("prism_sched_unplaced_total",
				    "Tasks queued without a place of their own: no memory, or more than "
				    "max_identities."),
	[METRIC_RUN] = {.name = "prism_sched_run_seconds_total",
			.kind = PRISM_METRIC_COUNTER,
			.flags = PRISM_METRIC_BY_IDENTITY,
			.unit = "seconds",
			.help = "CPU time of the workload's tasks."},
	[METRIC_WAIT] = {.name = "prism_sched_wait_seconds",
			 .kind = PRISM_METRIC_HISTOGRAM,
			 .flags = PRISM_METRIC_BY_IDENTITY,
			 .unit = "seconds",
			 .help = "How long the workload's tasks waited for a CPU while they could have run.",
			 .buckets = bounds,
			 .n_buckets = SCHED_BUCKETS - 1},
	[METRIC_LONGEST] = {.name = "prism_sched_longest_wait_seconds",
			    .kind = PRISM_METRIC_GAUGE,
			    .flags = PRISM_METRIC_BY_IDENTITY,
			    .unit = "seconds",
			    .help = "The longest of these waits."},
	[METRIC_VIOLATIONS] =
		IDENTITY_COUNTER("prism_sched_wait_violations_total", "Those that were longer than max_wait."),
	[METRIC_PREEMPTED] = IDENTITY_COUNTER("prism_sched_preempted_total",
					      "Times a task of the workload lost its CPU to a wake-up."),
};

static double seconds(uint64_t ns)
{
	return (double)ns / NS_PER_SEC;
}

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

struct collection {
	struct prism_host *host;
	struct prism_sink *sink;
};

static void sample(const struct collection *to, uint32_t metric, uint32_t identity, const char *label, double value)
{
	const char *const labels[] = {label};

	prism_sample(to->host, to->sink, metric, identity, label ? labels : NULL, value);
}

static void sample_waits(const struct collection *to, uint32_t metric, uint32_t identity, const char *label,
			 const struct sched_waits *waits)
{
	const char *const labels[] = {label};
	uint64_t counts[SCHED_BUCKETS];

	for (int i = 0; i < SCHED_BUCKETS; i++)
		counts[i] = waits->bucket[i];
	prism_sample_histogram(to->host, to->sink, metric, identity, label ? labels : NULL, counts,
			       seconds(waits->total_ns));
}

static void collect_row(void *arg, const struct sched_row *row)
{
	const struct collection *to = arg;

	sample(to, METRIC_RUN, row->identity, NULL, seconds(row->run_ns));
	sample_waits(to, METRIC_WAIT, row->identity, NULL, &row->waits);
	sample(to, METRIC_LONGEST, row->identity, NULL, seconds(row->waits.longest_ns));
	sample(to, METRIC_VIOLATIONS, row->identity, NULL, (double)row->waits.violations);
	sample(to, METRIC_PREEMPTED, row->identity, NULL, (double)row->preempted);
}

static void collect_stats(const struct collection *to, const struct sched_stats *stats)
{
	for (int i = 0; i < SCHED_RANKS; i++) {
		const struct sched_class_stats *class = &stats->class[i];
		const char *name = class_names[i];

		sample(to, METRIC_CLASS_RUN, 0, name, seconds(class->run_ns));
		sample_waits(to, METRIC_CLASS_WAIT, 0, name, &class->waits);
		sample(to, METRIC_CLASS_LONGEST, 0, name, seconds(class->waits.longest_ns));
		sample(to, METRIC_CLASS_VIOLATIONS, 0, name, (double)class->waits.violations);
		sample(to, METRIC_CLASS_PREEMPTIONS, 0, name, (double)class->preemptions);
		sample(to, METRIC_CLASS_OVERTAKES, 0, name, (double)class->overtakes);
		sample(to, METRIC_CLASS_PREEMPTED, 0, name, (double)class->preempted);
		sample(to, METRIC_CLASS_GRANTS, 0, name, (double)class->grants);
	}
	sample(to, METRIC_DIRECT, 0, NULL, (double)stats->direct);
	sample(to, METRIC_STOLEN, 0, NULL, (double)stats->stolen);
	sample(to, METRIC_REENQUEUED, 0, NULL, (double)stats->reenqueued);
	sample(to, METRIC_UNPLACED, 0, NULL, (double)stats->unplaced);
}

void report_collect(const struct attach *attach, uint64_t threads, struct prism_sink *sink)
{
	struct collection to = {.host = attach->host, .sink = sink};
	struct sched_stats stats;
	int r;

	for (int i = ATTACH_ON; i < ATTACH_STATES; i++)
		sample(&to, METRIC_STATE, 0, attach_word((enum attach_state)i), attach->state == (enum attach_state)i);
	for (int i = 0; i < KERNEL_EXITS; i++)
		sample(&to, METRIC_EXITS, 0, kernel_exit_word((enum kernel_exit)i), (double)attach->exits[i]);
	sample(&to, METRIC_GAP, 0, NULL, seconds(attach->gap_ns));
	sample(&to, METRIC_THREADS, 0, NULL, (double)threads);
	if (!attach->leg)
		return;
	r = rows_read_stats(leg_rows(attach->leg), &stats);
	if (r == 0) {
		collect_stats(&to, &stats);
		r = rows_each(leg_rows(attach->leg), collect_row, &to);
	}
	if (r < 0)
		prism_log(attach->host, PRISM_LOG_ERROR, "reading the counters: %s", strerror(-r));
}

/* ---- one workload ------------------------------------------------------------------------------------------------ */

static enum sched_rank rank_of(uint32_t flags)
{
	switch (PRISM_FLAGS_CLASS(flags)) {
	case PRISM_CLASS_CRITICAL:
		return SCHED_CRITICAL;
	case PRISM_CLASS_BATCH:
		return SCHED_BATCH;
	default:
		return SCHED_NORMAL;
	}
}

static void explain_class(const struct attach *attach, const struct prism_workload *workload, struct prism_text *out)
{
	const struct sched_config *config = &attach->settings->config;
	enum sched_rank rank = rank_of(workload->flags);
	uint32_t set = PRISM_FLAGS_WEIGHT(workload->flags), weight = set ? set : PRISM_WEIGHT_ONE, all = 0;

	for (int i = 0; i < SCHED_RANKS; i++)
		all += config->share[i];
	prism_explain(attach->host, out,
		      "class %s%s, weight %" PRIu32 " (%.2fx): %" PRIu32 " of %" PRIu32
		      " parts of the CPU for its class when every class wants all of it, no wait above %.0f ms",
		      class_names[rank], PRISM_FLAGS_CLASS(workload->flags) ? "" : " (none set)", weight,
		      (double)weight / PRISM_WEIGHT_ONE, config->share[rank], all, (double)config->max_wait_ns / 1e6);
}

/* The bound of the bucket that holds the 99th of 100 waits; 0: the last one, which has none. */
static uint64_t percentile_99(const struct sched_waits *waits, uint64_t n)
{
	uint64_t seen = 0;

	for (uint32_t i = 0; i < SCHED_BUCKETS - 1; i++) {
		seen += waits->bucket[i];
		if (seen >= n - n / 100)
			return SCHED_BUCKET_NS(i);
	}
	return 0;
}

static void explain_waits(const struct attach *attach, const struct sched_row *row, struct prism_text *out)
{
	const struct sched_waits *waits = &row->waits;
	uint64_t n = 0, most;

	for (int i = 0; i < SCHED_BUCKETS; i++)
		n += waits->bucket[i];
	if (!n)
		return;
	most = percentile_99(waits, n);
	prism_explain(attach->host, out,
		      "%" PRIu64 " waits for a CPU: 99 %% below %.3f ms, the longest %.3f ms, %" PRIu64
		      " above max_wait; lost the CPU to a wake-up %" PRIu64 " times",
		      n, (double)(most ? most : waits->longest_ns) / 1e6, (double)waits->longest_ns / 1e6,
		      (uint64_t)waits->violations, (uint64_t)row->preempted);
}

static void explain_row(const struct attach *attach, const struct prism_workload *workload, struct prism_text *out)
{
	struct sched_row row;
	int r = rows_read(leg_rows(attach->leg), workload->identity, &row);

	if (r < 0) {
		prism_explain(attach->host, out, "no counters: %s",
			      r == -ENOENT ? "it has not run yet, or max_identities left no room for it"
					   : strerror(-r));
		return;
	}
	prism_explain(attach->host, out, "ran %.3f s", seconds(row.run_ns));
	explain_waits(attach, &row, out);
}

static bool explain_state(const struct attach *attach, struct prism_text *out)
{
	switch (attach->state) {
	case ATTACH_ON:
		return true;
	case ATTACH_FOREIGN:
		prism_explain(attach->host, out, "scheduled by %s, which was loaded before: this scheduler waits",
			      attach->foreign);
		return false;
	case ATTACH_RETRYING:
		prism_explain(attach->host, out,
			      "scheduled by the kernel alone: this scheduler is about to be attached");
		return false;
	case ATTACH_LEFT_ALONE:
		prism_explain(attach->host, out, "scheduled by the kernel alone: an operator took this scheduler away");
		return false;
	case ATTACH_GIVEN_UP:
		prism_explain(attach->host, out, "scheduled by the kernel alone: it ejected this scheduler too often");
		return false;
	default:
		prism_explain(attach->host, out, "scheduled by the kernel alone: this scheduler is not attached");
		return false;
	}
}

void report_explain(const struct attach *attach, const struct prism_workload *workload, struct prism_text *out)
{
	const struct sched_settings *settings = attach->settings;

	if (explain_state(attach, out)) {
		if (settings->partial && !select_matches(&settings->select, workload->name, workload->flags)) {
			prism_explain(attach->host, out,
				      "scheduled by the kernel alone: mode is partial and `select` does not name it");
			return;
		}
		explain_class(attach, workload, out);
	}
	if (attach->leg)
		explain_row(attach, workload, out);
}
