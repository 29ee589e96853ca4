/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test-load: a child, `<self_exe> --probe-module FD NAME`, loads the sealed copy of a module file and checks its
 * descriptor, so that a constructor that crashes or never ends, or a table that points nowhere, costs a child and not
 * prismd. The child has an empty environment, its own session, resource limits, PROBE_CPU_LIMIT_S of CPU time for
 * a loop and PROBE_TIME_LIMIT_MS for a wait, which a busy machine does not use up; then it and what it left in its
 * session are killed.
 */
#ifndef HOST_PROBE_H
#define HOST_PROBE_H

#include <uv.h>

#include "base/error.h"
#include "host/file.h"

#define PROBE_ARGUMENT "--probe-module"
#define PROBE_CPU_LIMIT_S 2
#define PROBE_TIME_LIMIT_MS 10000

struct probe;

/* e->code is 0 when the file may be loaded; else e->text says why not, without naming the file. */
typedef void (*probe_fn)(void *arg, const struct error *e);

/* fn is called once from the loop, never before this returns; file is borrowed until then. */
int probe_start(uv_loop_t *loop, const char *self_exe, const struct module_file *file, probe_fn fn, void *arg,
		struct probe **ret, struct error *e);
/* Kills the child; fn is not called. Not after fn was. The loop has to turn to free what is left. */
void probe_cancel(struct probe *probe);

#endif
