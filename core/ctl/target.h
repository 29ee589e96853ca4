/* SPDX-License-Identifier: Apache-2.0 */
/* What `identity explain` may be asked about: a process, a cgroup, a unit or a pod, told apart by their form. */
#ifndef CTL_TARGET_H
#define CTL_TARGET_H

#include <stddef.h>

#include "base/error.h"

enum target_kind {
	TARGET_PID,    /* digits */
	TARGET_CGROUP, /* has a /, or is there below the root of the hierarchy */
	TARGET_UNIT,   /* anything else */
	TARGET_POD,    /* namespace/name, which is no cgroup below the root */
};
const char *target_kind_name(enum target_kind kind); /* as in the admin API's query: "pid", "cgroup", ... */

struct target {
	enum target_kind kind;
	char text[4096]; /* pid, path below the root ("/" first), unit, namespace/name */
};

/*
 * as: one of the kind names to force it, NULL to look. root, root_fd: the mounted hierarchy; "" and -1 when there is
 * none. A path that begins with root is taken as below it.
 */
int target_parse(const char *text, const char *as, const char *root, int root_fd, struct target *ret, struct error *e);

/* Path below the root of what target names, found without prismd. -ENOENT; -ENOTSUP without a hierarchy. */
int target_find(const struct target *target, const char *root, char *ret_path, size_t size, struct error *e);

#endif
