/* SPDX-License-Identifier: Apache-2.0 */
/* Which workloads a rule set is for. */
#ifndef LSM_SELECT_H
#define LSM_SELECT_H

#include <prism/host.h>

struct select_label {
	char *key;
	char *value; /* a shell pattern */
};

/* All that are given must match; each is a shell pattern, NULL: any. */
struct select {
	char *namespace_name;
	char *service_account;
	char *name;
	struct select_label *labels;
	size_t n;
};

/* node: a map of what is written under `select`. 0, or -EINVAL or -ENOMEM with the host told why; *ret untouched then.
 */
int select_read(struct prism_host *host, const struct prism_node *node, struct select **ret_select);
/* NULL is fine. */
void select_free(struct select *select);

bool select_matches(const struct select *select, const struct prism_workload *workload);

#endif
