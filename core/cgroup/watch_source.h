/* SPDX-License-Identifier: Apache-2.0 */
/* Where cgroup events come from: one of two mechanisms behind watch.c. Inside the room only. */
#ifndef CGROUP_WATCH_SOURCE_H
#define CGROUP_WATCH_SOURCE_H

#include <stdint.h>

#include "base/error.h"
#include "cgroup/watch_event.h"
#include "metric/metric.h"

struct watch_source;

struct watch_source_ops {
	const char *name;
	/* Polled for reading by watch.c. */
	int (*fd)(struct watch_source *s);
	/*
	 * Hands on what is there: fn for each event. *ret_lost: some were lost, or this mechanism cannot say what
	 * changed where; a rescan finds it. -errno when the mechanism broke.
	 */
	int (*read)(struct watch_source *s, void (*fn)(void *arg, const struct watch_event *e), void *arg,
		    bool *ret_lost);
	/*
	 * A directory came into (id, path below the root, "" for it) or left the tree: inotify keeps a watch on each.
	 * -errno when it cannot be watched; nothing happens when it is already, or is gone.
	 */
	int (*track)(struct watch_source *s, uint64_t id, const char *path);
	void (*untrack)(struct watch_source *s, uint64_t id);
	void (*free)(struct watch_source *s);
};

struct watch_source {
	const struct watch_source_ops *ops;
};

int watch_bpf_new(struct metrics *metrics, struct watch_source **ret, struct error *e);
int watch_inotify_new(const char *root, struct watch_source **ret, struct error *e);

#endif
