/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What watch.bpf.c says to watch_bpf.c, one record a change in the cgroup v2 tree. */
#ifndef CGROUP_WATCH_EVENT_H
#define CGROUP_WATCH_EVENT_H

#define WATCH_NAME_MAX 256 /* NAME_MAX and a NUL */

enum watch_kind {
	WATCH_MKDIR = 1,
	WATCH_RMDIR = 2,
	WATCH_RENAME = 3,
};

struct watch_event {
	unsigned long long id;
	unsigned long long parent;
	unsigned long long time_ns; /* CLOCK_MONOTONIC */
	unsigned int kind;
	char name[WATCH_NAME_MAX];
};

#endif
