/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prismd put together: one loop, one thread. This structure is the whole of it; the path that a workload takes through
 * it stands in pipeline.c, from end to end.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/util.h"
#include "bus/bus.h"
#include "cgroup/tree.h"
#include "cgroup/watch.h"
#include "config/settings.h"
#include "event/stream.h"
#include "host/host.h"
#include "identity/table.h"
#include "metric/metric.h"
#include "source/source.h"

#define AGENT_MAX_SOURCES 4

struct pipeline;
struct state_saver;

struct agent {
	uv_loop_t *loop;
	struct settings *settings;
	struct settings_source settings_source; /* where to read them again */
	struct metrics *metrics;
	struct stream *stream;
	struct bus *bus;
	struct cgroups *cgroups;
	struct watch *watch;
	struct identity_table *identities;
	struct label_filter *label_filter;
	struct host *host;
	struct source *source[AGENT_MAX_SOURCES]; /* in order of precedence */
	unsigned int n_sources;
	struct pipeline *pipeline;
	char cgroup_root[256];
	int cgroup_fd;
	uint64_t started_ns;      /* CLOCK_MONOTONIC */
	uint64_t started_wall_ns; /* CLOCK_REALTIME then */
	bool synced;              /* first sync done and written to the bus */
	bool started;             /* agent_start() succeeded */
	bool modules_rested;      /* the modules of the first host_apply() came to rest */
	uint64_t trimmed_ns;      /* when memory that is seldom needed was given back last; 0: not yet */
	bool reloading;
	bool node_labels_changed; /* profiles are to be chosen anew */
	bool stopping;
	struct error last_reload;    /* of the last reload that was refused; code 0: none */
	struct error state_error;    /* the identity table cannot be written; code 0: fine */
	struct error pin_error;      /* the maps are not pinned where consumers look; code 0: fine */
	struct bus_check last_check; /* of the last comparison of map and memory */
	struct state_saver *saver;
	uv_timer_t heartbeat, reconcile, expire;
	unsigned int closing; /* handles of ours that are still closing */
	bool remove;          /* agent_stop() was told to take everything away */
	void (*stopped)(void *arg);
	void *stopped_arg;
	/* Set by main: the settings changed (admin listens elsewhere, log level, ...). */
	void (*on_reload)(struct agent *agent);
	void *on_reload_arg;
};

/* The clock that numbers are held back by: wall-clock ns which no step of the clock, forward or back, shortens. */
static inline uint64_t agent_clock_ns(const struct agent *agent)
{
	return agent->started_wall_ns + (monotonic_ns() - agent->started_ns);
}

/* Builds everything in order; what was built is undone in reverse on failure. Takes settings on success. */
int agent_start(struct agent *agent, uv_loop_t *loop, struct settings *settings, struct error *e);
/*
 * Reads the configuration again. A bad one changes nothing: -EINVAL and p says why, or, when it takes a look at module
 * files to know, done(arg, p) with problems in p. Otherwise done(arg, p) with none when every module has come to rest.
 */
typedef void (*agent_reload_fn)(void *arg, const struct problems *p);
int agent_reload(struct agent *agent, struct problems *p, agent_reload_fn done, void *arg);
/* Stops modules, sources and bus in reverse order of start; done(arg) when the loop has nothing of ours left. */
void agent_stop(struct agent *agent, bool remove, void (*done)(void *arg), void *arg);

/* node_label.c: the Node object has these labels: kept for the next start; other profiles than now: a reload. */
void agent_node_labels(struct agent *agent, const char *labels);
/* Does the reload that changed labels wait for. */
void agent_choose_profiles(struct agent *agent);

/* Shared by start and reload, inside the room. */
void agent_start_timers(struct agent *agent);

enum agent_health {
	AGENT_HEALTHY,
	AGENT_DEGRADED, /* works, something is not as configured: agent_conditions() says what */
	AGENT_STARTING,
};
enum agent_health agent_health(const struct agent *agent);
/* Each thing that is not well, with what to do: fn(arg, subject, text). */
void agent_conditions(const struct agent *agent, void (*fn)(void *arg, const char *subject, const char *text),
		      void *arg);
bool agent_ready(const struct agent *agent);

#endif
