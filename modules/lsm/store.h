/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule sets in the kernel's maps. Sets are written under numbers that nothing uses yet, identities are switched over
 * one by one, and what no identity has any more is removed when no program can be at it: at no moment is there less
 * than one whole rule set for an identity that has one.
 */
#ifndef LSM_STORE_H
#define LSM_STORE_H

#include <prism/grace.h>

#include "compile.h"

/* Borrowed for the life of the store. */
struct store_fds {
	int config;
	int bindings;
	int rules;
	int earlier; /* the bindings of programs that are about to go, if others than these; below 0: none */
};

struct store {
	struct prism_host *host;
	struct store_fds fds;
	struct prism_grace grace;
	uint32_t next_set; /* numbers that were not used in this boot */
	uint32_t next_source;
};

/* -errno, nothing is said to the operator; *ret_store untouched then. */
int store_init(struct prism_host *host, const struct store_fds *fds, struct store *ret_store);
void store_done(struct store *store);

/*
 * All sets, under the numbers *ret_first, *ret_first + 1, and so on. -errno with the host told why (-E2BIG, -ENOSPC: no
 * room); what was written is gone then.
 */
int store_write(struct store *store, const struct compiled *compiled, uint32_t *ret_first);

/* The identity has this rule set from the next decision on. -E2BIG: no room. -errno; says nothing. */
int store_bind(struct store *store, uint32_t identity, const struct lsm_binding *binding);
/* The identity's entry goes. -errno; no error if there is none. */
int store_unbind(struct store *store, uint32_t identity);
/* -ENOENT without an entry. */
int store_binding(const struct store *store, uint32_t identity, struct lsm_binding *ret_binding);

/* Calls fn for each identity that has an entry. fn may call store_unbind(). -errno. */
int store_each(struct store *store, void (*fn)(void *arg, uint32_t identity), void *arg);

/*
 * Removes the entries that name no set, but that of PRISM_ID_UNMANAGED, once no program can be at what the bus said
 * before this call; then fn for each. Their facets must be off by then. -errno.
 */
int store_forget(struct store *store, void (*fn)(void *arg, uint32_t identity), void *arg);

/*
 * Removes all sets but first..first + compiled->n - 1, and all sources but those of compiled, once every program that
 * may look at them has returned. -errno.
 */
int store_sweep(struct store *store, uint32_t first, const struct compiled *compiled);

int store_config(const struct store *store, struct lsm_config *ret_config);
int store_configure(struct store *store, const struct lsm_config *config);

#endif
