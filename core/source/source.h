/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source says which workload a cgroup belongs to. The cgroup rules are one; Kubernetes plugs in here.
 *
 * Both orders work: the pipeline asks every source about each new cgroup (claim), and a source that learns of a
 * workload later asks the pipeline to look at a cgroup again (env.reconsider), which asks every source anew. Sources
 * are asked in order of precedence; the first that claims the cgroup has it. A cgroup that nobody claims inherits from
 * its parent.
 */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include <stdbool.h>
#include <uv.h>

#include "base/text.h"
#include "cgroup/tree.h"
#include "config/settings.h"
#include "identity/canonical.h"
#include "metric/metric.h"

struct source;

struct source_env {
	uv_loop_t *loop;
	/* Ask all sources about this cgroup again: what a source says of it has changed. */
	void (*reconsider)(void *arg, struct cgroup *cg);
	/*
	 * The rest is for a source that hears of workloads by itself, and not through a cgroup.
	 * received: what is staged next was taken in at this time (CLOCK_MONOTONIC). flush: write what is staged now.
	 */
	void (*received)(void *arg, uint64_t received_ns);
	void (*flush)(void *arg);
	/*
	 * Start-up only: what the bus that the run before has left says of this cgroup. false: nothing. Borrowed until
	 * the next call.
	 */
	bool (*adopted)(void *arg, const struct cgroup *cg, struct workload_spec *ret);
	/* The labels of the Node object, `key=value` one a line, sorted: what profiles are chosen by. */
	void (*node_labels)(void *arg, const char *labels);
	struct cgroups *cgroups;
	struct metrics *metrics;
	void *arg;
};

struct source_ops {
	const char *name;
	/*
	 * Is this cgroup the own cgroup of a workload? true and *ret filled (borrowed until the next call into the
	 * source) if it is. path is the cgroup's path below the root.
	 */
	bool (*claim)(struct source *source, struct cgroup *cg, const char *path, struct workload_spec *ret);
	/* The cgroup is gone from the kernel. */
	void (*gone)(struct source *source, struct cgroup *cg);
	/* New settings, already checked. Whatever changed is announced through env.reconsider. */
	int (*configure)(struct source *source, const struct settings *settings, struct problems *p);
	/* Why does this path (not) belong to a workload? Lines for `identity explain`. */
	void (*explain)(struct source *source, const char *path, struct text *out);
	/* true when everything that existed at start has been said: readiness waits for it. */
	bool (*synced)(struct source *source);
	/* How it is, in one line, for status. May be NULL. */
	void (*summary)(struct source *source, struct text *out);
	/* What was staged is written. May be NULL. */
	void (*flushed)(struct source *source);
	/* Each thing that is not well, with what to do. May be NULL. */
	void (*conditions)(struct source *source, void (*fn)(void *arg, const char *subject, const char *text),
			   void *arg);
	void (*free)(struct source *source);
};

/* Embedded first in each source's own structure. */
struct source {
	const struct source_ops *ops;
	struct source_env env;
};

#endif
