/* SPDX-License-Identifier: Apache-2.0 */
/* The two that mark a ledger: the fatal signals' handler and the watchdog thread. See ledger.h. */
#ifndef HOST_CRASH_H
#define HOST_CRASH_H

#include <stdbool.h>
#include <stdint.h>

/* What the marks are made on. All of it is written with single stores, from a signal handler and a second thread. */
struct crash_page {
	uint64_t mark;             /* cause << 16 | callback << 8 | slot + 1; 0: none */
	uint64_t mark_ns;          /* CLOCK_REALTIME */
	uint64_t restarts;         /* since restart_first_ns */
	uint64_t restart_first_ns; /* CLOCK_REALTIME */
};

/*
 * Whose code runs: sequence << 16 | callback << 8 | slot + 1; low 16 bits 0: no module's. In plain memory, because it
 * is of use to this process alone, and a store to a mapped file can wait for the disk: milliseconds, at each callback.
 */
void crash_note(uint64_t what);
uint64_t crash_noted(void);

/* Marks go to this page from now on; NULL: nowhere. */
void crash_arm(struct crash_page *page);
/* (Re)starts or, with 0, ends the watchdog. */
void crash_watch(uint64_t deadline_ms);

#endif
