// SPDX-License-Identifier: Apache-2.0
#include "policy.h"

#include <prism/node.h>
#include <stdlib.h>
#include <string.h>

#define UNMANAGED_NONE "none"

enum { KEY_NAME, KEY_SELECT, KEY_DEFAULT, KEY_HOOKS, KEYS = KEY_HOOKS + LSM_HOOKS };

static const struct prism_node_key keys[KEYS] = {
	[KEY_NAME] = {.name = "name", .kind = PRISM_NODE_SCALAR, .required = true},
	[KEY_SELECT] = {.name = "select", .kind = PRISM_NODE_MAP},
	[KEY_DEFAULT] = {.name = "default", .kind = PRISM_NODE_MAP},
	[KEY_HOOKS + LSM_EXEC] = {.name = "exec", .kind = PRISM_NODE_LIST},
	[KEY_HOOKS + LSM_OPEN] = {.name = "open", .kind = PRISM_NODE_LIST},
	[KEY_HOOKS + LSM_CONNECT] = {.name = "connect", .kind = PRISM_NODE_LIST},
	[KEY_HOOKS + LSM_BIND] = {.name = "bind", .kind = PRISM_NODE_LIST},
	[KEY_HOOKS + LSM_CAPABLE] = {.name = "capabilities", .kind = PRISM_NODE_LIST},
};

static int no_memory(struct prism_host *host)
{
	return prism_fail(host, ENOMEM, "lsm: rule_sets", "no memory");
}

/* ---- one set ----------------------------------------------------------------------------------------------------- */

static void set_done(struct policy_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		rule_done(&set->rules[i]);
	free(set->rules);
	select_free(set->select);
}

static int read_posture(struct prism_host *host, const struct prism_node *node, struct policy_set *set)
{
	const struct prism_node *values[LSM_HOOKS];
	struct prism_node_key hooks[LSM_HOOKS];
	int r;

	for (int hook = 0; hook < LSM_HOOKS; hook++)
		hooks[hook] = (struct prism_node_key){.name = hook_keys[hook], .kind = PRISM_NODE_SCALAR};
	r = prism_node_map(host, node, "`default`", hooks, LSM_HOOKS, values);
	for (int hook = 0; r == 0 && hook < LSM_HOOKS; hook++) {
		uint32_t action;

		if (!values[hook])
			continue;
		r = prism_node_choice(host, values[hook], action_names, &action);
		if (r == 0)
			set->posture[hook] = (enum lsm_action)action;
	}
	return r;
}

static int read_rules(struct prism_host *host, enum lsm_hook hook, const struct prism_node *list,
		      struct policy_set *set)
{
	uint32_t n = prism_node_count(host, list);
	struct rule *rules;

	if (!n)
		return 0;
	if (n > POLICY_RULES_MAX - set->n)
		return prism_node_error(host, list, "\"%s\" has more than %u rules", set->name, POLICY_RULES_MAX);
	rules = reallocarray(set->rules, set->n + n, sizeof(*rules));
	if (!rules)
		return no_memory(host);
	set->rules = rules;
	for (uint32_t i = 0; i < n; i++) {
		int r = rule_read(host, hook, i, prism_node_at(host, list, i, NULL), &rules[set->n]);

		if (r < 0)
			return r;
		set->n++;
	}
	return 0;
}

static int set_read(struct prism_host *host, const struct prism_node *node, struct policy_set *ret_set)
{
	const struct prism_node *values[KEYS];
	struct policy_set set = {0};
	int r = prism_node_map(host, node, "a rule set", keys, KEYS, values);

	if (r == 0)
		r = rule_name_read(host, values[KEY_NAME], set.name);
	if (r == 0 && !strcmp(set.name, UNMANAGED_NONE))
		r = prism_node_error(host, values[KEY_NAME], "\"%s\" is what `unmanaged` says for no rule set",
				     UNMANAGED_NONE);
	if (r == 0 && values[KEY_SELECT])
		r = select_read(host, values[KEY_SELECT], &set.select);
	if (r == 0 && values[KEY_DEFAULT])
		r = read_posture(host, values[KEY_DEFAULT], &set);
	for (int hook = 0; r == 0 && hook < LSM_HOOKS; hook++)
		r = read_rules(host, (enum lsm_hook)hook, values[KEY_HOOKS + hook], &set);
	if (r < 0) {
		set_done(&set);
		return r;
	}
	*ret_set = set;
	return 0;
}

/* ---- all sets ---------------------------------------------------------------------------------------------------- */

static size_t find(const struct policy *policy, const char *name)
{
	size_t i = 0;

	while (i < policy->n && strcmp(policy->sets[i].name, name) != 0)
		i++;
	return i;
}

static int read_sets(struct prism_host *host, const struct prism_node *list, struct policy *policy)
{
	uint32_t n = prism_node_count(host, list);

	if (list && prism_node_kind(host, list) != PRISM_NODE_LIST)
		return prism_node_error(host, list, "rule_sets is a list of rule sets");
	if (n > POLICY_SETS_MAX)
		return prism_node_error(host, list, "more than %u rule sets", POLICY_SETS_MAX);
	policy->sets = calloc(n ? n : 1, sizeof(*policy->sets));
	if (!policy->sets)
		return no_memory(host);
	for (uint32_t i = 0; i < n; i++) {
		const struct prism_node *node = prism_node_at(host, list, i, NULL);
		int r = set_read(host, node, &policy->sets[policy->n]);

		if (r < 0)
			return r;
		policy->n++;
		if (find(policy, policy->sets[i].name) < i)
			return prism_node_error(host, node, "another rule set is called \"%s\", too",
						policy->sets[i].name);
	}
	return 0;
}

static const char *set_name_at(const void *arg, uint32_t i)
{
	const struct policy *policy = arg;

	return policy->sets[i].name;
}

static int read_unmanaged(struct prism_host *host, const struct prism_node *node, struct policy *policy)
{
	const char *name = node ? prism_node_text(host, node) : UNMANAGED_NONE;
	const char *meant;

	policy->unmanaged = find(policy, name);
	if (policy->unmanaged < policy->n || !strcmp(name, UNMANAGED_NONE))
		return 0;
	meant = prism_suggest(name, (uint32_t)policy->n, set_name_at, policy);
	return prism_node_error(host, node, "no rule set is called \"%s\"%s%s%s", name,
				meant ? " (did you mean \"" : "", meant ? meant : "", meant ? "\"?)" : "");
}

/* A set that nobody can get is a mistake, most likely a forgotten `select`. */
static int check_used(struct prism_host *host, const struct prism_node *list, const struct policy *policy)
{
	for (size_t i = 0; i < policy->n; i++) {
		if (!policy->sets[i].select && i != policy->unmanaged)
			return prism_node_error(host, prism_node_at(host, list, (uint32_t)i, NULL),
						"rule set \"%s\" is for nobody: say for whom with `select` (`select: "
						"{}` is every workload)",
						policy->sets[i].name);
	}
	return 0;
}

int policy_read(struct prism_host *host, const struct prism_node *list, const struct prism_node *unmanaged,
		struct policy *ret_policy)
{
	struct policy policy = {0};
	int r = read_sets(host, list, &policy);

	if (r == 0)
		r = read_unmanaged(host, unmanaged, &policy);
	if (r == 0)
		r = check_used(host, list, &policy);
	if (r < 0) {
		policy_done(&policy);
		return r;
	}
	*ret_policy = policy;
	return 0;
}

void policy_done(struct policy *policy)
{
	for (size_t i = 0; i < policy->n; i++)
		set_done(&policy->sets[i]);
	free(policy->sets);
	*policy = (struct policy){0};
}

size_t policy_select(const struct policy *policy, const struct prism_workload *workload)
{
	size_t i = 0;

	while (i < policy->n && !(policy->sets[i].select && select_matches(policy->sets[i].select, workload)))
		i++;
	return i;
}
