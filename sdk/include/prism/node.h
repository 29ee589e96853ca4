/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a subtree of the configuration that a module checks itself (PRISM_OPTION_NODE), with the words that prismd
 * has for its own mistakes: unknown keys and values name the nearest known one, each message has its file, line and
 * column.
 *
 *     enum { RULE_PATH, RULE_ACTION, RULE_KEYS };
 *     static const struct prism_node_key keys[] = {
 *             [RULE_PATH] = {.name = "path", .kind = PRISM_NODE_SCALAR, .required = true},
 *             [RULE_ACTION] = {.name = "action", .kind = PRISM_NODE_SCALAR},
 *     };
 *     const struct prism_node *values[RULE_KEYS];
 *     r = prism_node_map(host, node, "a rule", keys, RULE_KEYS, values);
 *
 * Linked into the module with libprism_sdk.a. In configure() only; the functions return 0, or -EINVAL after
 * prism_node_error(), outputs untouched then.
 */
#ifndef PRISM_NODE_H
#define PRISM_NODE_H

#include <prism/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One key that a map may have. */
struct prism_node_key {
	const char *name;
	uint32_t kind; /* enum prism_node_kind of its value */
	bool required;
};

/*
 * node is a map of these keys and no others, each of its kind. ret_values: n nodes, NULL for a key that is absent. what
 * names the map in messages: "a rule".
 */
int prism_node_map(struct prism_host *host, const struct prism_node *node, const char *what,
		   const struct prism_node_key *keys, uint32_t n, const struct prism_node **ret_values);

/* The text of node is one of choices, a NULL-terminated list. */
int prism_node_choice(struct prism_host *host, const struct prism_node *node, const char *const *choices,
		      uint32_t *ret_index);

/* The closest of n words to `word` by typing mistakes, or NULL when none is close. at(arg, i) gives word i or NULL. */
const char *prism_suggest(const char *word, uint32_t n, const char *(*at)(const void *arg, uint32_t i),
			  const void *arg);

#ifdef __cplusplus
}
#endif
#endif
