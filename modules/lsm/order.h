/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rule wins. The kernel finds one key for a subject, the longest that is a prefix of it: so each key carries, in
 * the order in which they are tried, its own rules and those of the shorter keys that it covers. A key's own rules come
 * first, the narrowest of them first; what no rule of the list takes is left to the rule set's posture.
 */
#ifndef LSM_ORDER_H
#define LSM_ORDER_H

#include "policy.h"

/*
 * exec, open: the path, with its NUL if it is one file. connect, bind: the family as one byte, then the address; no
 * bits at all for any family. capable: the number as one byte.
 */
struct order_key {
	enum lsm_hook hook;
	uint16_t bits;
	uint8_t bytes[LSM_PATH_MAX];
	uint32_t n;
	const struct rule *rules[LSM_CHOICES_MAX];
};

struct order {
	struct order_key *keys;
	size_t n;
};

/*
 * 0; -ENOMEM; -EINVAL with the host told: two rules that are equally narrow take the same subject and disagree, more
 * than LSM_CHOICES_MAX rules may take one subject, or two rules have one id. *ret_order untouched then; it points into
 * set.
 */
int order_rules(struct prism_host *host, const struct policy_set *set, struct order *ret_order);
void order_done(struct order *order);

#endif
