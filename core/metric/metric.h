/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as documented data, written out as OpenMetrics text. Core rooms own a struct metric each (a family with its
 * cells) and bump it; modules are asked on each scrape and put samples into a sink.
 */
#ifndef METRIC_METRIC_H
#define METRIC_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <prism/module.h>

#include "base/text.h"

/* The core's families. The list in metric.c is the one place that has name, kind, labels and help. */
enum core_metric {
	METRIC_PODS_PROCESSED,       /* prism_pods_processed_total{event}: workloads added, updated, deleted */
	METRIC_IDENTITIES_ALLOCATED, /* prism_identities_allocated_total */
	METRIC_ALLOC_FAILURES,       /* prism_alloc_failures_total */
	METRIC_LIVE_IDENTITIES,      /* prism_live_identities */
	METRIC_HELD_IDENTITIES,      /* prism_held_identities: waiting out the hold-back */
	METRIC_PROPAGATION,          /* prism_propagation_seconds: event received -> entry on the bus */
	METRIC_BUS_ENTRIES,          /* prism_bus_entries */
	METRIC_BUS_CAPACITY,         /* prism_bus_capacity */
	METRIC_BUS_WRITES,           /* prism_bus_writes_total{op}: update, delete */
	METRIC_BUS_WRITE_FAILURES,   /* prism_bus_write_failures_total{reason}: full, error */
	METRIC_BUS_FOREIGN,          /* prism_bus_foreign_entries_total: found that prismd did not write */
	METRIC_BUS_GENERATION,       /* prism_bus_generation */
	METRIC_CGROUPS,              /* prism_cgroups: known now */
	METRIC_CGROUP_EVENTS,        /* prism_cgroup_events_total{event}: mkdir, rmdir, rename */
	METRIC_CGROUP_LOST,          /* prism_cgroup_events_lost_total: each loss makes a rescan */
	METRIC_CGROUP_RESCANS,       /* prism_cgroup_rescans_total */
	METRIC_POLICY_INVALID,       /* prism_policy_invalid_total{label}: values that could not be read */
	METRIC_MODULE_STATE,         /* prism_module_state{module,state}: 1 for the state it is in */
	METRIC_MODULE_DEGRADED,      /* prism_module_degraded{module}: 1 while it runs and does not do its work */
	METRIC_MODULE_CRASHES,       /* prism_module_crashes_total{module} */
	METRIC_SAMPLES_DROPPED,      /* prism_module_samples_dropped_total{module}: see sink_dropped() */
	METRIC_PROGRAM_RUNS,         /* prism_bpf_program_runs_total{module,program} */
	METRIC_PROGRAM_TIME,         /* prism_bpf_program_run_seconds_total{module,program} */
	METRIC_PROGRAM_MISSES,       /* prism_bpf_program_misses_total{module,program} */
	METRIC_EVENTS,               /* prism_events_total */
	METRIC_EVENTS_LOST,          /* prism_events_lost_total */
	METRIC_CONFIG_RELOADS,       /* prism_config_reloads_total{result}: ok, failed */
	METRIC_STATE_WRITE_FAILURES, /* prism_state_write_failures_total */
	METRIC_KUBE_REQUESTS,        /* prism_kube_requests_total{code}: HTTP's, none: no answer */
	METRIC_KUBE_LISTS,           /* prism_kube_lists_total{way}: watchlist, list */
	METRIC_KUBE_WATCH_RESTARTS,  /* prism_kube_watch_restarts_total{reason} */
	METRIC_KUBE_EVENTS,          /* prism_kube_events_total{type} */
	METRIC_KUBE_LAST_EVENT,      /* prism_kube_last_event_timestamp_seconds{resource} */
	METRIC_KUBE_CONNECTED,       /* prism_kube_connected{resource} */
	METRIC_KUBE_DECODE_FAILURES, /* prism_kube_decode_failures_total */
	METRIC_KUBE_OBJECTS_REFUSED, /* prism_kube_objects_refused_total */
	METRIC_PODS,                 /* prism_pods{state}: known, waiting, left */
	METRIC_POD_WINDOW,           /* prism_pod_window_seconds: pod's cgroup made -> entry on the bus */
	METRIC_BUILD_INFO,           /* prism_build_info{version} */
	METRIC_COUNT,
};

struct metrics; /* the values of one prismd */

struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);

/* label: the value of the family's one label, NULL when it has none; two values are joined by '\t'. */
void metric_add(struct metrics *m, enum core_metric id, const char *label, double by);
void metric_set(struct metrics *m, enum core_metric id, const char *label, double value);
double metric_get(const struct metrics *m, enum core_metric id, const char *label);
/* One observation of a histogram family, in its unit. */
void metric_observe(struct metrics *m, enum core_metric id, double value);
/* Quantile q (0..1) by linear interpolation in the buckets; NAN without observations. */
double metric_quantile(const struct metrics *m, enum core_metric id, double q);
/* Drops every cell of a family (gauges that are rebuilt). */
void metric_reset(struct metrics *m, enum core_metric id);

/* The core's families as OpenMetrics 1.0 text, without the closing # EOF. */
void metrics_write(const struct metrics *m, struct text *out);
/* What metrics_write() and sink_write() wrote, in the older Prometheus text format 0.0.4. */
void metrics_plain(const char *data, size_t len, struct text *out);

/*
 * The inside of the module ABI's opaque type: collects what one module puts, grouped by family, escaped, bounded to
 * METRIC_MAX_SAMPLES samples (more are dropped and counted). name_of says what an identity is called.
 */
#define METRIC_MAX_SAMPLES 200000
struct sink_names {
	/* Fills names of an identity; false when unknown (they become empty). */
	bool (*name_of)(void *arg, uint32_t identity, const char **ret_namespace, const char **ret_workload);
	void *arg;
};
struct prism_sink *sink_new(const struct prism_module *module, const struct sink_names *names);
void sink_sample(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels, double value);
void sink_histogram(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
		    const uint64_t *counts, double sum);
/*
 * Appends every family of the module, with HELP, TYPE and UNIT. Left out: samples that do not fit the declaration or
 * come twice, families whose declaration the format forbids, and families that `out` has already (the core's, another
 * module's): one bad module must not make the whole page unreadable.
 */
void sink_write(const struct prism_sink *sink, struct text *out);
/* Samples that were put and cannot be written: too many, no such metric, wrong kind, a duplicate, a counter below 0. */
uint64_t sink_dropped(const struct prism_sink *sink);
void sink_free(struct prism_sink *sink);

/* Name, kind, help and labels of every core family, as a Markdown table for the docs. */
void metrics_reference(struct text *out);

#endif
