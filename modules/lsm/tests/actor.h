/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes of a workload that do as they are told: programs of their own, which have completed an exec in their
 * cgroup, or, with ACTOR_UNARMED, have not. Every function ends the test program when the machine does not let it do
 * its work.
 */
#ifndef LSM_TEST_ACTOR_H
#define LSM_TEST_ACTOR_H

#include "sandbox.h"

enum actor_kind {
	ACTOR_ARMED,   /* joins the cgroup, then execs, as a container's own program */
	ACTOR_UNARMED, /* execs, then joins, as a runtime's process that is moved in */
};

struct actor {
	pid_t pid;
	int orders_fd;
	int answers_fd;
};

/* First in main(): does not return in a process that actor_start() or hammer_start() has made. */
void actor_main(int argc, char **argv);

struct actor actor_start(const struct sandbox_cgroup *cgroup, enum actor_kind kind);
/*
 * What this operation ends with: 0 or an errno. exec PATH, read PATH, write PATH (the file is there), create PATH (and
 * removes it), connect ADDRESS PORT (UDP), bind ADDRESS PORT (UDP), unix - (connects to a name that nobody has, which
 * is ECONNREFUSED), raw - (a raw socket: capability net_raw), join PATH (moves into this cgroup).
 */
int actor_try(struct actor *actor, const char *operation, const char *subject, unsigned int port);
void actor_stop(struct actor *actor);

/* What a hammer has done so far, in memory that it shares. */
struct hammer_counts {
	unsigned long tries;
	unsigned long passed; /* without an error */
	int stop;
};

struct hammer {
	pid_t pid;
	volatile struct hammer_counts *counts;
};

/* Opens path for writing, again and again. */
struct hammer hammer_start(const struct sandbox_cgroup *cgroup, const char *path);
/* Waits until so many more tries have begun and ended. */
void hammer_wait(const struct hammer *hammer, unsigned long tries);
struct hammer_counts hammer_stop(struct hammer *hammer);

#endif
