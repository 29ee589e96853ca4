/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules' directories in bpffs: <pin_root>/<module>. What is pinned there outlives prismd; a module that goes, or
 * whose start failed, leaves nothing.
 */
#ifndef HOST_PINS_H
#define HOST_PINS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

int pins_make(const char *pin_root, const char *module, struct error *e);

/* What is there now, so that a failed start can be undone without touching what was there before. */
struct pins_list {
	char **name;
	size_t n;
};
void pins_list(const char *pin_root, const char *module, struct pins_list *ret);
void pins_list_done(struct pins_list *list);
bool pins_any(const char *pin_root, const char *module);

/* Removes what is in the module's directory, except `keep` (NULL: all of it and the directory). */
int pins_remove(const char *pin_root, const char *module, const struct pins_list *keep, struct error *e);

/* Directories of modules for which keep(arg, name) is false, from an earlier configuration: removed, and logged. */
void pins_sweep(const char *pin_root, bool (*keep)(void *arg, const char *name), void *arg);

#endif
