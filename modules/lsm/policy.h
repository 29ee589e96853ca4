/* SPDX-License-Identifier: Apache-2.0 */
/* Rule sets as the configuration says them; what they mean together is compile.h's. */
#ifndef LSM_POLICY_H
#define LSM_POLICY_H

#include "rule.h"
#include "select.h"

#define POLICY_SETS_MAX 256u
#define POLICY_RULES_MAX 4096u /* of one rule set */

struct policy_set {
	char name[RULE_NAME_MAX];
	struct select *select; /* NULL: no workload is selected */
	enum lsm_action posture[LSM_HOOKS];
	struct rule *rules;
	size_t n;
};

struct policy {
	struct policy_set *sets;
	size_t n;
	size_t unmanaged; /* the set of tasks that belong to no workload; n: none */
};

/*
 * list: the option `rule_sets`, NULL: no sets. unmanaged: the option of this name. 0, or -EINVAL or -ENOMEM with the
 * host told why; *ret_policy untouched then.
 */
int policy_read(struct prism_host *host, const struct prism_node *list, const struct prism_node *unmanaged,
		struct policy *ret_policy);
void policy_done(struct policy *policy);

/* The number of the first set that selects this workload; policy->n: none. */
size_t policy_select(const struct policy *policy, const struct prism_workload *workload);

#endif
