/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose code was running when prismd died. <state_dir>/host.state is mapped, shared: what is written there outlives any
 * death of the process. Before a callback the host notes the module (in memory: crash_note()), afterwards it takes the
 * note back: one store each.
 *
 * A note alone is no accusation: kill -9 in the middle of a callback counts for nothing. Two things turn it into a
 * mark, and a mark counts as a crash of the module when prismd starts again:
 *   - a fatal signal (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) raised by the module's own code inside a callback;
 *   - the watchdog, a thread that does nothing else: a callback held the loop for `node.callback_deadline`.
 * Both then start prismd anew in place (execve: same pid, same environment), so that the other modules go on; links in
 * the kernel never stopped. At most LEDGER_MAX_RESTARTS of those in LEDGER_RESTART_WINDOW_NS; after that the process
 * dies of it, with its core, and the service manager decides.
 *
 * A module with `max_crashes` marks starts quarantined, until `prismctl module enable` or other bytes in its file.
 */
#ifndef HOST_LEDGER_H
#define HOST_LEDGER_H

#include <stdint.h>

#include "base/error.h"
#include "host/file.h"

#define LEDGER_SLOTS 64
#define LEDGER_MAX_RESTARTS 8
#define LEDGER_RESTART_WINDOW_NS (600 * 1000000000ull)

enum callback {
	CALLBACK_NONE,
	CALLBACK_LOAD, /* constructors */
	CALLBACK_PROBE,
	CALLBACK_OPEN,
	CALLBACK_CONFIGURE,
	CALLBACK_START,
	CALLBACK_IDENTITY,
	CALLBACK_STOP,
	CALLBACK_CLOSE,
	CALLBACK_COLLECT,
	CALLBACK_EXPLAIN,
	CALLBACK_TIMER,
	CALLBACK_WATCH,
	CALLBACK_COUNT,
};
const char *callback_name(enum callback callback);

#define LEDGER_CAUSE_DEADLINE 255 /* other causes are signal numbers */

struct ledger_record {
	uint32_t crashes;
	uint32_t cause; /* of the latest */
	enum callback callback;
	uint64_t when_ns; /* CLOCK_REALTIME */
};

enum ledger_override {
	OVERRIDE_NONE,
	OVERRIDE_ENABLED, /* by prismctl */
	OVERRIDE_DISABLED,
};

struct ledger;

/*
 * Call first in main(), from the thread that will run the loop: from now on a fatal signal inside a module's callback
 * and a callback beyond its deadline restart `self_exe argv...`. Both are kept, not copied. Without this call
 * (prismctl, tests) crashes take their usual course and there is no watchdog.
 */
void host_crash_setup(const char *self_exe, char **argv);

/*
 * Opens or makes the ledger, and takes in the mark of an earlier run. -EBUSY when another process has it open. A
 * damaged one is set aside as host.state.damaged and reported in the log.
 */
int ledger_open(const char *state_dir, struct ledger **ret, struct error *e);
void ledger_close(struct ledger *l);
/* 0: no watchdog. */
void ledger_watch(struct ledger *l, uint64_t deadline_ms);

/* The module's slot; -ENOSPC when all are taken by modules with a record. */
int ledger_slot(struct ledger *l, const char *name);

/* Around each callback; nests. ledger_leave() takes what ledger_enter() returned. */
uint64_t ledger_enter(struct ledger *l, int slot, enum callback callback);
void ledger_leave(struct ledger *l, uint64_t before);

void ledger_get(const struct ledger *l, int slot, struct ledger_record *ret);
/* The file's bytes: crashes of others are forgotten. */
void ledger_content(struct ledger *l, int slot, const uint8_t digest[MODULE_DIGEST_SIZE]);
void ledger_reset(struct ledger *l, int slot);
/* prismctl's word on a module; it holds for the setting with this fingerprint. */
void ledger_set_override(struct ledger *l, int slot, enum ledger_override override, uint64_t fingerprint);
enum ledger_override ledger_get_override(const struct ledger *l, int slot, uint64_t fingerprint);

/* "SIGSEGV in its start(), 2026-11-21 06:02:46 UTC" */
const char *ledger_describe(const struct ledger_record *record, char *buf, size_t size);

#endif
