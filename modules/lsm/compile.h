/* SPDX-License-Identifier: Apache-2.0 */
/* A policy as entries of the kernel's maps, but for the numbers that sets and sources get when they are written. */
#ifndef LSM_COMPILE_H
#define LSM_COMPILE_H

#include "catalog.h"
#include "policy.h"

struct compiled_entry {
	struct lsm_key key;     /* without its set */
	struct lsm_rules rules; /* from: 1 + an index into sources */
};

struct compiled_source {
	char path[LSM_PATH_MAX];
};

struct compiled_set {
	struct lsm_binding binding; /* without its set and owner */
	struct compiled_entry *entries;
	size_t n;
};

struct compiled {
	struct compiled_set *sets; /* as many as the policy has, in its order */
	size_t n;
	struct compiled_source *sources; /* each executable that a `from` names, once */
	size_t n_sources;
	struct catalog catalog;
};

/* 0, or -EINVAL or -ENOMEM with the host told why; *ret_compiled untouched then. It keeps nothing of policy. */
int compile(struct prism_host *host, const struct policy *policy, struct compiled *ret_compiled);
void compiled_done(struct compiled *compiled);

/* Entries of all sets, and of the sources. */
size_t compiled_entries(const struct compiled *compiled);

#endif
