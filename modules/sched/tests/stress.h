/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes on at once on a bad day: a process for each kind, which does its own over and over. A kind that fails ends
 * the process with its reason; one that the machine cannot do says so and is left out.
 */
#ifndef SCHED_TESTS_STRESS_H
#define SCHED_TESTS_STRESS_H

#include "policy.h"

#define STRESS_HOGS 8
#define STRESS_GROUPS 3 /* of hogs: their identities are 300, 301, ... */
#define STRESS_FIRST 300
#define STRESS_CGROUPS 2500
#define STRESS_KINDS 11

/* In memory that all of the processes share. */
struct stress {
	struct policy *policy;
	pid_t hogs[STRESS_HOGS];
	uint64_t groups[STRESS_GROUPS]; /* cgroup ids */
	volatile uint64_t turns[STRESS_KINDS];
	volatile uint64_t stayed; /* switches to a task that could not be moved */
	pid_t pids[STRESS_KINDS]; /* 0: left out */
};

extern const char *const stress_names[STRESS_KINDS];

/* Hogs, cgroups, and a process for each kind. Asserts. */
struct stress *stress_start(struct policy *policy);
/* Fails the test if one of the processes has ended. */
void stress_going(struct stress *stress);
/* Every process is gone, every CPU is online, the cgroups are empty. */
void stress_stop(struct stress *stress);

#endif
