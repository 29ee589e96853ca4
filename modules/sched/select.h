/* SPDX-License-Identifier: Apache-2.0 */
/* Which workloads partial mode takes: shell patterns on their names, or a class. */
#ifndef SCHED_SELECT_H
#define SCHED_SELECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct select {
	char **names; /* shell patterns on the names of workloads */
	size_t n;
	uint32_t classes; /* bit 1 << enum prism_latency_class */
};

/* `class:critical`, or a shell pattern. -EINVAL: no such class, or empty. -ENOMEM. The rest is untouched then. */
int select_add(struct select *select, const char *text);
void select_done(struct select *select);

bool select_empty(const struct select *select);
bool select_matches(const struct select *select, const char *name, uint32_t flags);

#endif
