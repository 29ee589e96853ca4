/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that costs the same number of instructions each time it is done, and how much of it is a microsecond here.
 */
#ifndef BENCH_SCHED_SPIN_H
#define BENCH_SCHED_SPIN_H

#include <stdint.h>

/* turns >= 1. No memory is touched. */
static inline void spin(uint64_t turns)
{
	do {
		__asm__ volatile("" : "+r"(turns));
	} while (--turns);
}

/* Turns of spin() in one microsecond while every CPU is busy: in the emulation they share one instruction counter. */
uint64_t spin_turns_a_us(void);

#endif
