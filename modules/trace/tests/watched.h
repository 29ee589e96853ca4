/* SPDX-License-Identifier: Apache-2.0 */
/* The trace module on a fake host, and what it has said, as JSON. */
#ifndef TRACE_WATCHED_H
#define TRACE_WATCHED_H

#include <jansson.h>

#include "sandbox.h"
#include "trace.h"

#define ID_A 1001u
#define ID_B 1002u

struct watched {
	const struct prism_module *module;
	struct prism_fake_host *fake;
	struct sandbox_cgroup a; /* ID_A is on the bus */
	struct sandbox_cgroup b; /* nothing is, until a test puts it there */
	json_t *events;          /* all that were said so far */
	unsigned int taken;      /* lines of the fake host that are in events */
};

/* The state of what the kernel and the reader counted; fds stay good when the pins are gone. */
struct accounts {
	int counts_fd;
	int reader_fd;
};

struct watched *watched_new(const struct prism_module *module, const char *config);
void watched_free(struct watched *w);

/* Takes what the fake host has recorded into w->events. */
void watched_take(struct watched *w);
/* Events of this type (exec, exit, lost) and identity so far. */
size_t watched_count(struct watched *w, const char *type, uint32_t identity);
/* Runs the host until there are n of them, and fails the test when they do not come. Gives the last one. */
json_t *watched_wait(struct watched *w, const char *type, uint32_t identity, size_t n);
/* The i-th of them. */
json_t *watched_event(struct watched *w, const char *type, uint32_t identity, size_t i);

int64_t event_int(json_t *event, const char *key);
const char *event_text(json_t *event, const char *key);

double watched_sample(struct watched *w, const char *metric, uint32_t identity, const char *label, const char *value);

void accounts_open(struct watched *w, struct accounts *ret);
struct trace_counts accounts_counts(const struct accounts *accounts);
struct trace_reader accounts_reader(const struct accounts *accounts);

/* Removes the module, and says that every event is accounted for: delivered, dropped or over its rate. */
void watched_remove_and_check(struct watched *w);

#endif
