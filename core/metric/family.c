/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/family.h"

#include <string.h>

#include "base/util.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

#define COUNTER(name_, help_) .m = {.name = name_, .kind = PRISM_METRIC_COUNTER, .help = help_}
#define COUNTER_BY(name_, label_, help_)                                                                               \
	.m = {.name = name_, .kind = PRISM_METRIC_COUNTER, .labels = WORDS(label_), .help = help_}
#define GAUGE(name_, help_) .m = {.name = name_, .kind = PRISM_METRIC_GAUGE, .help = help_}

/* 1e-7 * 4^k, each as the decimal that is meant: the products of doubles would print with noise at their end. */
static const double propagation_buckets[] = {
	1e-7,      4e-7,      1.6e-6,    6.4e-6,    2.56e-5,   1.024e-4,  4.096e-4,   1.6384e-3,
	6.5536e-3, 0.0262144, 0.1048576, 0.4194304, 1.6777216, 6.7108864, 26.8435456, 107.3741824,
};

const struct family core_families[METRIC_COUNT] = {
	[METRIC_PODS_PROCESSED] = {COUNTER_BY("prism_pods_processed_total", "event",
					      "Workloads taken in, by what happened to them: added, updated, deleted."),
				   .preset = WORDS("added", "updated", "deleted")},
	[METRIC_IDENTITIES_ALLOCATED] = {COUNTER("prism_identities_allocated_total",
						 "Identity numbers given to a canonical form that had none.")},
	[METRIC_ALLOC_FAILURES] = {COUNTER("prism_alloc_failures_total",
					   "Workloads that got no number because their bucket or memory was full.")},
	[METRIC_LIVE_IDENTITIES] = {GAUGE("prism_live_identities", "Identities that at least one workload holds.")},
	[METRIC_HELD_IDENTITIES] = {GAUGE("prism_held_identities",
					  "Numbers without a workload that wait out the hold-back before reuse.")},
	[METRIC_PROPAGATION] = {.m = {.name = "prism_propagation_seconds",
				      .kind = PRISM_METRIC_HISTOGRAM,
				      .unit = "seconds",
				      .help = "Time from the receipt of an event to its entry on the bus.",
				      .buckets = propagation_buckets,
				      .n_buckets = ARRAY_SIZE(propagation_buckets)}},
	[METRIC_BUS_ENTRIES] = {GAUGE("prism_bus_entries", "Entries on the bus, one for each cgroup of a workload.")},
	[METRIC_BUS_CAPACITY] = {GAUGE("prism_bus_capacity", "Entries that the bus can hold.")},
	[METRIC_BUS_WRITES] = {COUNTER_BY("prism_bus_writes_total", "op",
					  "Entries written to or deleted from the bus."),
			       .preset = WORDS("update", "delete")},
	[METRIC_BUS_WRITE_FAILURES] = {COUNTER_BY("prism_bus_write_failures_total", "reason",
						  "Writes that the kernel refused; each stays staged and is tried "
						  "again."),
				       .preset = WORDS("full", "error")},
	[METRIC_BUS_FOREIGN] = {COUNTER("prism_bus_foreign_entries_total",
					"Entries found on the bus that prismd did not write.")},
	[METRIC_BUS_GENERATION] = {GAUGE("prism_bus_generation",
					 "Generation of the bus; rises when an answer that could be cached changes.")},
	[METRIC_CGROUPS] = {GAUGE("prism_cgroups", "Cgroups known now.")},
	[METRIC_CGROUP_EVENTS] = {COUNTER_BY("prism_cgroup_events_total", "event",
					     "Cgroup events taken in: mkdir, rmdir, rename."),
				  .preset = WORDS("mkdir", "rmdir", "rename")},
	[METRIC_CGROUP_LOST] = {COUNTER("prism_cgroup_events_lost_total",
					"Cgroup events that the kernel could not deliver; each loss makes a rescan.")},
	[METRIC_CGROUP_RESCANS] = {COUNTER("prism_cgroup_rescans_total",
					   "Comparisons of the whole cgroup tree with what is known of it.")},
	[METRIC_POLICY_INVALID] = {COUNTER_BY("prism_policy_invalid_total", "label",
					      "Latency classes and weights that could not be read and count as "
					      "unset."),
				   .preset = WORDS("latency-class", "weight")},
	[METRIC_MODULE_STATE] = {.m = {.name = "prism_module_state",
				       .kind = PRISM_METRIC_GAUGE,
				       .labels = WORDS("module", "state"),
				       .help = "1 for the state that the module is in."}},
	[METRIC_MODULE_DEGRADED] = {.m = {.name = "prism_module_degraded",
					  .kind = PRISM_METRIC_GAUGE,
					  .labels = WORDS("module"),
					  .help = "1 while the module runs and does not do its work, or not all of "
						  "it."}},
	[METRIC_MODULE_CRASHES] = {COUNTER_BY("prism_module_crashes_total", "module",
					      "Deaths of prismd while this module ran its code.")},
	[METRIC_SAMPLES_DROPPED] = {COUNTER_BY("prism_module_samples_dropped_total", "module",
					       "Samples of this module that could not be published: too many, "
					       "duplicates, or not as declared.")},
	[METRIC_PROGRAM_RUNS] = {.m = {.name = "prism_bpf_program_runs_total",
				       .kind = PRISM_METRIC_COUNTER,
				       .labels = WORDS("module", "program"),
				       .help = "Runs of this BPF program while sysctl kernel.bpf_stats_enabled was "
					       "1; it stands still otherwise."}},
	[METRIC_PROGRAM_TIME] = {.m = {.name = "prism_bpf_program_run_seconds_total",
				       .kind = PRISM_METRIC_COUNTER,
				       .unit = "seconds",
				       .labels = WORDS("module", "program"),
				       .help = "Time that these runs took."}},
	[METRIC_PROGRAM_MISSES] = {.m = {.name = "prism_bpf_program_misses_total",
					 .kind = PRISM_METRIC_COUNTER,
					 .labels = WORDS("module", "program"),
					 .help = "Times that the kernel did not run this BPF program because it ran "
						 "on that CPU already; always counted."}},
	[METRIC_EVENTS] = {COUNTER("prism_events_total", "Events put into the event stream.")},
	[METRIC_EVENTS_LOST] = {COUNTER("prism_events_lost_total",
					"Events that could not be put into the event stream.")},
	[METRIC_CONFIG_RELOADS] = {COUNTER_BY("prism_config_reloads_total", "result",
					      "Configuration reloads; a failed one changed nothing."),
				   .preset = WORDS("ok", "failed")},
	[METRIC_STATE_WRITE_FAILURES] = {COUNTER("prism_state_write_failures_total",
						 "Failed writes of the identity table to the state directory.")},
	[METRIC_KUBE_REQUESTS] = {COUNTER_BY("prism_kube_requests_total", "code",
					     "Requests to the API server that came to an end, by HTTP status; none: no "
					     "answer."),
				  .preset = WORDS("200", "none")},
	[METRIC_KUBE_LISTS] = {COUNTER_BY("prism_kube_lists_total", "way",
					  "Complete lists taken in, by how they were asked for."),
			       .preset = WORDS("watchlist", "list")},
	[METRIC_KUBE_WATCH_RESTARTS] = {COUNTER_BY(
						"prism_kube_watch_restarts_total", "reason",
						"Watches that ended: end (by the server), cut, idle (no byte for too "
						"long), expired (410), error, garbage."),
					.preset = WORDS("end", "cut", "idle", "expired", "error", "garbage")},
	[METRIC_KUBE_EVENTS] = {COUNTER_BY("prism_kube_events_total", "type", "Events of watches taken in."),
				.preset = WORDS("added", "modified", "deleted", "bookmark", "error")},
	[METRIC_KUBE_LAST_EVENT] = {.m = {.name = "prism_kube_last_event_timestamp_seconds",
					  .kind = PRISM_METRIC_GAUGE,
					  .unit = "seconds",
					  .labels = WORDS("resource"),
					  .help = "When the API server last said something of this resource."}},
	[METRIC_KUBE_CONNECTED] = {.m = {.name = "prism_kube_connected",
					 .kind = PRISM_METRIC_GAUGE,
					 .labels = WORDS("resource"),
					 .help = "1 while an answer of the API server is open."}},
	[METRIC_KUBE_DECODE_FAILURES] = {COUNTER("prism_kube_decode_failures_total",
						 "Answers and objects of the API server that could not be read.")},
	[METRIC_KUBE_OBJECTS_REFUSED] = {COUNTER("prism_kube_objects_refused_total",
						 "Objects of the API server that were too large and passed over.")},
	[METRIC_PODS] =
		{.m = {.name = "prism_pods",
		       .kind = PRISM_METRIC_GAUGE,
		       .labels = WORDS("state"),
		       .help = "Pods of this node: known to the API server, waiting (a pod's cgroup that nobody "
			       "knows), left (gone from the API server, still running)."},
		 .preset = WORDS("known", "waiting", "left")},
	[METRIC_POD_WINDOW] = {.m = {.name = "prism_pod_window_seconds",
				     .kind = PRISM_METRIC_HISTOGRAM,
				     .unit = "seconds",
				     .help = "Time from the making of a pod's cgroup to its entry on the bus.",
				     .buckets = propagation_buckets,
				     .n_buckets = ARRAY_SIZE(propagation_buckets)}},
	[METRIC_BUILD_INFO] = {.m = {.name = "prism_build_info",
				     .kind = PRISM_METRIC_GAUGE,
				     .labels = WORDS("version"),
				     .help = "1, with the version of prismd."},
			       .preset = WORDS(PRISM_VERSION)},
};

static void append_labels(const struct prism_metric *m, struct text *out)
{
	size_t i;

	for (i = 0; m->labels && m->labels[i]; i++)
		text_appendf(out, "%s`%s`", i ? ", " : "", m->labels[i]);
}

void metrics_reference(struct text *out)
{
	size_t i;

	text_append(out, "| name | kind | labels | meaning |\n|---|---|---|---|\n");
	for (i = 0; i < METRIC_COUNT; i++) {
		const struct prism_metric *m = &core_families[i].m;

		text_appendf(out, "| `%s` | %s | ", m->name,
			     m->kind == PRISM_METRIC_COUNTER ? "counter"
			     : m->kind == PRISM_METRIC_GAUGE ? "gauge"
							     : "histogram");
		append_labels(m, out);
		text_appendf(out, " | %s |\n", m->help);
	}
}
