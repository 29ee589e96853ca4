/* SPDX-License-Identifier: Apache-2.0 */
/* Rules by number: what counters and events in the kernel, which know a rule by its number, are called. */
#ifndef LSM_CATALOG_H
#define LSM_CATALOG_H

#include "policy.h"

#define CATALOG_SUBJECT_MAX 300u

struct catalog_rule {
	uint64_t number;
	enum lsm_hook hook;
	enum lsm_action action;
	char set[RULE_NAME_MAX];
	char id[RULE_NAME_MAX]; /* "default.exec": the posture */
	char subject[CATALOG_SUBJECT_MAX];
};

struct catalog {
	struct catalog_rule *rules; /* by number */
	size_t n;
};

/* The same for the same names, on every node and for ever; never 0. */
uint64_t catalog_number(const char *set, const char *id);
/* The id of a set's posture for this hook. Returns buf. */
const char *catalog_posture_id(enum lsm_hook hook, char *buf, size_t size);

/* Every rule and posture of these sets. 0; -ENOMEM; -EEXIST: two have one number, ret_catalog untouched then. */
int catalog_make(const struct policy *policy, struct catalog *ret_catalog);
void catalog_done(struct catalog *catalog);

/* NULL if there is none. */
const struct catalog_rule *catalog_find(const struct catalog *catalog, uint64_t number);

#endif
