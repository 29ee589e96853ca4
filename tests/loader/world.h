/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host with nothing around it: a loop, a stream, metrics, a handful of identities, and directories of its own under
 * /tmp that are gone afterwards. Modules are copies of the fixtures, so that a test may spoil them.
 */
#ifndef WORLD_H
#define WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/settings.h"
#include "host/host.h"

struct world {
	const void *param; /* the test's initial state */
	char dir[64];      /* of everything */
	uv_loop_t loop;
	struct stream *stream;
	struct metrics *metrics;
	struct host *host;
	struct settings *settings;
	uint32_t identity[8]; /* on the bus */
	unsigned int n_identities;
	unsigned int facets_changed;
	uint32_t facets_number; /* of the last change */
	unsigned int done;
	void (*on_facets)(struct world *w); /* called from env.facets_changed() */
};

extern char world_exe[4096]; /* this program */

int world_setup(void **state);
int world_teardown(void **state);

/* Runs a group, or the test-load child when that is what this process was started for. */
int world_main(int argc, char **argv, const struct CMUnitTest *tests, size_t n);

/* Copies a fixture into the module directory as <as>.so (NULL: its own name). */
void world_install(struct world *w, const char *fixture, const char *as);
const char *world_path(const struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* prismd.yaml with `modules:` as given (lines indented by two), then host_apply() and its end; returns its result. */
int world_apply(struct world *w, const char *modules, struct problems *p);
/* The same, has to go well. */
void world_run(struct world *w, const char *modules);
/* Turns the loop until cond(w, arg); fails after 10 s. */
void world_until(struct world *w, bool (*cond)(struct world *w, const void *arg), const void *arg);
bool world_is_done(struct world *w, const void *arg);
void world_count_done(void *arg);

enum module_state world_state(struct world *w, const char *name);
/* "where: text" of the module's reason, with the world's directory as DIR. Valid until the next call. */
const char *world_reason(struct world *w, const char *name);
const char *world_clean(const struct world *w, const char *text);
/* Why it does not do its work although it runs. */
const char *world_condition(struct world *w, const char *name);
void world_assert_state(struct world *w, const char *name, enum module_state state, const char *reason);
/* No pins, no facet, and its directory gone. */
void world_assert_nothing_left(struct world *w, const char *name);

/* "open:0 configure:5 start:5 added:300 synced:0": this module's events since world_forget(). */
const char *world_steps(struct world *w, const char *module);
void world_forget(struct world *w);
void world_workload(uint32_t number, struct prism_workload *ret);

#endif
