/* SPDX-License-Identifier: Apache-2.0 */
/* Which CPUs share a last-level cache. */
#ifndef SCHED_TOPOLOGY_H
#define SCHED_TOPOLOGY_H

#include <stdint.h>

#define TOPOLOGY_DIR "/sys/devices/system/cpu"

/*
 * The last-level cache of each of n CPUs into llc_of, numbered from 0 in the order of the CPUs; what is beyond max
 * shares the last number. Of a CPU that is offline the kernel does not tell it: it counts to the one of its nearest
 * neighbour in the same NUMA node, or else anywhere, so the table depends on who is online. Returns how many there are,
 * at least 1. dir: TOPOLOGY_DIR.
 */
uint32_t topology_llcs(const char *dir, uint32_t n, uint32_t max, uint32_t *llc_of);

#endif
