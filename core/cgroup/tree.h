/* SPDX-License-Identifier: Apache-2.0 */
/* The node's cgroups as prismd knows them: id, name, parent, children, and what the pipeline hangs on each. */
#ifndef CGROUP_TREE_H
#define CGROUP_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroups; /* the tree */

struct cgroup {
	uint64_t id;
	struct cgroup *parent; /* NULL: the root */
	struct cgroup *child, *next, *prev;
	uint16_t level;   /* the root is 0 */
	bool mark;        /* for a rescan */
	uint64_t turn;    /* of the watch's, in which an event told of it; 0: it was seen */
	uint64_t made_ns; /* CLOCK_MONOTONIC; 0: was there when prismd started. The pipeline's */
	void *workload;   /* the workload whose own cgroup this is, or NULL; the pipeline's */
	char *name;       /* "" for the root */
};

struct cgroups *cgroups_new(uint64_t root_id);
void cgroups_free(struct cgroups *t);
struct cgroup *cgroups_root(const struct cgroups *t);
struct cgroup *cgroup_by_id(const struct cgroups *t, uint64_t id);
struct cgroup *cgroup_by_path(const struct cgroups *t, const char *path);
/* -EEXIST with *ret set when the id is known. */
int cgroup_add(struct cgroups *t, struct cgroup *parent, uint64_t id, const char *name, struct cgroup **ret);
int cgroup_rename(struct cgroup *cg, const char *name);
/* Removes one that has no children. */
void cgroup_remove(struct cgroups *t, struct cgroup *cg);
size_t cgroups_count(const struct cgroups *t);
/* Path below the root, "/" for the root, into buf; -ENAMETOOLONG. */
int cgroup_path(const struct cgroup *cg, char *buf, size_t size);
/* Depth first, parents before children, starting with cg itself. fn must not add or remove. */
void cgroup_walk(struct cgroup *cg, void (*fn)(void *arg, struct cgroup *cg), void *arg);

#endif
