/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler's programs alone, in force, on a bus of the test's own; and workloads that are told what to do.
 * Everything asserts, and all of it is gone when the test is over or the program ends.
 */
#ifndef SCHED_TESTS_POLICY_H
#define SCHED_TESTS_POLICY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sched.h"
#include "world.h"

struct policy {
	struct world world;
	struct sched_config config;
	struct sched_bpf *skel;
	struct bpf_link *link;
	int cpus;
	bool controller_is_ours; /* nobody else had turned it on */
};

/* For setup and teardown of cmocka. *state: struct policy. */
int policy_up(void **state);
int policy_down(void **state);

void policy_configure(struct policy *policy);
/* The kernel has let go of it for no reason. */
void policy_in_force(const struct policy *policy);
/* Detaches it. */
void policy_leave(struct policy *policy);

/* A cgroup below the test's own with the cpu controller, and an identity (0: none) on it. */
uint64_t policy_cgroup(struct policy *policy, const char *path, unsigned int cpu_weight);
void policy_publish(struct policy *policy, uint64_t cgroup, uint32_t identity, uint32_t class, uint32_t weight);

/* Zeroes when the identity has not run. */
struct sched_row policy_row(const struct policy *policy, uint32_t identity);
uint64_t policy_turns(const struct policy *policy, uint32_t identity);         /* times that it got a CPU */
void policy_stats(const struct policy *policy, struct sched_stats *ret_stats); /* sums */

/* A process that sleeps until it is told to run for a moment, once for each time. */
struct talker {
	pid_t pid;
	int to, from;
};

void talker_start(struct policy *policy, const char *cgroup, struct talker *ret_talker);
void talker_wake(struct talker *talker);
void talker_wake_for(struct talker *talker, unsigned char ms); /* of CPU time */
void talker_end(struct talker *talker);
void talker_move(struct policy *policy, struct talker *talker, const char *cgroup);

/* A process in this cgroup: 0 in the child, as of fork(). It ends with hogs_end(). */
pid_t child_start(struct policy *policy, const char *cgroup);
/* A process that computes for as long as it lives; cpu < 0: wherever. */
pid_t hog_start(struct policy *policy, const char *cgroup, int cpu);
void hogs_end(void);

void pin_to(pid_t pid, int cpu);
/* Sleeps: for tests that need the time to pass, not for something to happen in it. */
void let_run(unsigned int ms);

#endif
