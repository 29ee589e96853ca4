/* SPDX-License-Identifier: Apache-2.0 */
/* Who has which rule set: the policy applied to the identities that there are. */
#ifndef LSM_ASSIGN_H
#define LSM_ASSIGN_H

#include "store.h"

/* A policy whose sets have been written. */
struct assign {
	struct prism_host *host;
	struct store *store; /* borrowed, as are the next two */
	const struct policy *policy;
	const struct compiled *compiled;
	uint32_t first; /* number of the policy's first set */
	bool full;      /* an identity has a rule set and no room for its binding */
};

/* This identity gets the set that selects it, or none any more; the facet says so. Errors are logged. Not a reserved
 * one: the host and its like are nobody's workload, whoever selects everything.
 */
void assign_identity(struct assign *assign, const struct prism_workload *workload);
/* So does each identity that is on the bus, and what belongs to no workload. -errno. */
int assign_all(struct assign *assign);

/* The index of the set that binds this identity now; -ENOENT: none. */
int assign_get(const struct assign *assign, uint32_t identity, size_t *ret_index);

/* What any of the sets looks at, as struct lsm_config has it. */
uint32_t assign_hooks(const struct compiled *compiled);

#endif
