/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps a struct cgroups equal to the kernel's tree and says what changes. Events come from the core's own BPF object
 * (mkdir, rmdir, rename through a ring buffer) or, where that cannot be loaded, from inotify; status says which.
 * Events are attached before the start-up walk and read after it, so nothing that happens meanwhile is lost; a lost
 * event (ring full, inotify overflow) makes a rescan, and so does, a second later, whatever kept a cgroup from being
 * seen or watched (no descriptors, memory, inotify watches); what cannot be looked at stays in the tree as it was.
 */
#ifndef CGROUP_WATCH_H
#define CGROUP_WATCH_H

#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "cgroup/tree.h"
#include "metric/metric.h"

struct watch;

struct watch_callbacks {
	void (*added)(void *arg, struct cgroup *cg, uint64_t event_ns); /* already in the tree */
	void (*removed)(void *arg, struct cgroup *cg);                  /* still in the tree, has no children */
	void (*renamed)(void *arg, struct cgroup *cg);                  /* name is the new one already */
	void (*drained)(void *arg); /* no more events at hand: a good moment to flush */
	void *arg;
};

struct watch_options {
	uv_loop_t *loop;
	const char *root; /* mount point */
	int root_fd;
	struct cgroups *tree;
	struct metrics *metrics;
	bool no_bpf; /* inotify although BPF would work; for tests */
};

/* Attaches, walks, reports every cgroup through added(), and goes on with live events. */
int watch_start(const struct watch_options *options, const struct watch_callbacks *callbacks, struct watch **ret,
		struct error *e);
/* "bpf" or "inotify"; *ret_why: why not bpf, or NULL. */
const char *watch_mechanism(const struct watch *w, const char **ret_why);
/* Compares tree and kernel now and reports the differences. */
void watch_rescan(struct watch *w);
void watch_stop(struct watch *w);

#endif
