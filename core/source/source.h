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

struct source;

struct source_env {
	uv_loop_t *loop;
	/* Ask all sources about this cgroup again: what a source says of it has changed. */
	void (*reconsider)(void *arg, struct cgroup *cg);
	struct cgroups *cgroups;
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
	void (*free)(struct source *source);
};

/* Embedded first in each source's own structure. */
struct source {
	const struct source_ops *ops;
	struct source_env env;
};

#endif
