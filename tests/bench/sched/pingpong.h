/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs of processes that hand a byte to and fro by pipes: what a scheduler costs where nobody competes for a CPU. */
#ifndef BENCH_SCHED_PINGPONG_H
#define BENCH_SCHED_PINGPONG_H

#include <stdint.h>

#include "sandbox.h"

struct pingpong;

struct pingpong *pingpong_start(const struct sandbox_cgroup *cgroup, int pairs);
/* Round trips of all pairs until now. */
uint64_t pingpong_trips(const struct pingpong *pingpong);
void pingpong_end(struct pingpong *pingpong);

#endif
