// SPDX-License-Identifier: Apache-2.0
#include "compile.h"

#include <stdlib.h>
#include <string.h>

#include "order.h"

static int no_memory(struct prism_host *host)
{
	return prism_fail(host, ENOMEM, "lsm: rule_sets", "no memory");
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static int compare_sources(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct compiled_source));
}

static size_t add_sources(struct compiled_source *to, const struct policy_set *set)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		const struct rule *rule = &set->rules[i];

		if (rule->hook == LSM_EXEC && rule->path.from)
			snprintf(to[n++].path, sizeof(to->path), "%s", rule->path.from);
	}
	return n;
}

static int collect_sources(const struct policy *policy, struct compiled *to)
{
	size_t room = 0, n = 0;

	for (size_t i = 0; i < policy->n; i++)
		room += policy->sets[i].n;
	to->sources = calloc(room ? room : 1, sizeof(*to->sources));
	if (!to->sources)
		return -ENOMEM;
	for (size_t i = 0; i < policy->n; i++)
		n += add_sources(to->sources + n, &policy->sets[i]);
	qsort(to->sources, n, sizeof(*to->sources), compare_sources);
	for (size_t i = 0; i < n; i++) {
		if (!i || compare_sources(&to->sources[i], &to->sources[to->n_sources - 1]) != 0)
			to->sources[to->n_sources++] = to->sources[i];
	}
	return 0;
}

static uint32_t source_of(const struct compiled *compiled, const char *path)
{
	struct compiled_source key = {0}, *found;

	snprintf(key.path, sizeof(key.path), "%s", path);
	found = bsearch(&key, compiled->sources, compiled->n_sources, sizeof(key), compare_sources);
	return (uint32_t)(found - compiled->sources) + 1;
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

static struct lsm_choice choice(const struct compiled *compiled, const struct policy_set *set, const struct rule *rule)
{
	struct lsm_choice to = {
		.rule = catalog_number(set->name, rule->id),
		.last = UINT16_MAX,
		.action = (uint32_t)rule->action,
	};

	if (rule->hook == LSM_EXEC && rule->path.from)
		to.from = source_of(compiled, rule->path.from);
	if (rule->hook == LSM_OPEN && rule->path.write_only)
		to.bits = LSM_WRITE_ONLY;
	if (rule->hook == LSM_CONNECT || rule->hook == LSM_BIND) {
		to.first = rule->address.first;
		to.last = rule->address.last;
	}
	return to;
}

static void add_entry(const struct compiled *compiled, struct compiled_set *to, const struct policy_set *set,
		      const struct order_key *key)
{
	struct compiled_entry *entry = &to->entries[to->n++];

	_Static_assert(sizeof(entry->key.bytes) == sizeof(key->bytes), "keys are ordered as they are looked up");
	entry->key = (struct lsm_key){.prefixlen = LSM_KEY_BITS + key->bits, .hook = key->hook};
	memcpy(entry->key.bytes, key->bytes, sizeof(entry->key.bytes));
	entry->rules.n = key->n;
	for (uint32_t i = 0; i < key->n; i++) {
		entry->rules.choices[i] = choice(compiled, set, key->rules[i]);
		if (entry->rules.choices[i].from)
			to->binding.bits |= LSM_KEEP_SOURCE;
	}
	to->binding.ruled |= LSM_HOOK_BIT(key->hook);
}

/* That a hook with rules has nothing at all for a subject is what the programs take for an error. */
static void add_roots(const struct compiled *compiled, struct compiled_set *to, const struct policy_set *set)
{
	uint32_t missing = to->binding.ruled;

	for (size_t i = 0; i < to->n; i++) {
		if (to->entries[i].key.prefixlen == LSM_KEY_BITS)
			missing &= ~LSM_HOOK_BIT(to->entries[i].key.hook);
	}
	for (int hook = 0; hook < LSM_HOOKS; hook++) {
		if (missing & LSM_HOOK_BIT(hook))
			add_entry(compiled, to, set, &(struct order_key){.hook = (enum lsm_hook)hook});
	}
}

static bool looks_at_reads(const struct policy_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->rules[i].hook == LSM_OPEN && !set->rules[i].path.write_only)
			return true;
	}
	return set->posture[LSM_OPEN] != LSM_ALLOW;
}

static void set_postures(struct compiled_set *to, const struct policy_set *set)
{
	char id[RULE_NAME_MAX];

	to->binding.hooks = to->binding.ruled;
	for (int hook = 0; hook < LSM_HOOKS; hook++) {
		catalog_posture_id((enum lsm_hook)hook, id, sizeof(id));
		to->binding.posture[hook] = (struct lsm_posture){
			.rule = catalog_number(set->name, id),
			.action = (uint32_t)set->posture[hook],
		};
		if (set->posture[hook] != LSM_ALLOW)
			to->binding.hooks |= LSM_HOOK_BIT(hook);
	}
	if (looks_at_reads(set))
		to->binding.hooks |= LSM_READ_BIT;
}

static int compile_set(struct prism_host *host, const struct compiled *compiled, const struct policy_set *set,
		       struct compiled_set *to)
{
	struct order order;
	int r = order_rules(host, set, &order);

	if (r < 0)
		return r;
	to->entries = calloc(order.n + LSM_HOOKS, sizeof(*to->entries));
	if (to->entries) {
		for (size_t i = 0; i < order.n; i++)
			add_entry(compiled, to, set, &order.keys[i]);
		add_roots(compiled, to, set);
		set_postures(to, set);
	} else {
		r = no_memory(host);
	}
	order_done(&order);
	return r;
}

/* ---- a policy ---------------------------------------------------------------------------------------------------- */

static int make_catalog(struct prism_host *host, const struct policy *policy, struct compiled *to)
{
	int r = catalog_make(policy, &to->catalog);

	if (r == -EEXIST)
		return prism_fail(host, EINVAL, "lsm: rule_sets",
				  "two rules have the same number by chance: give one of them another id");
	return r < 0 ? no_memory(host) : 0;
}

int compile(struct prism_host *host, const struct policy *policy, struct compiled *ret_compiled)
{
	struct compiled next = {.n = policy->n};
	int r = 0;

	next.sets = calloc(policy->n ? policy->n : 1, sizeof(*next.sets));
	if (!next.sets || collect_sources(policy, &next) < 0)
		r = no_memory(host);
	for (size_t i = 0; r == 0 && i < policy->n; i++)
		r = compile_set(host, &next, &policy->sets[i], &next.sets[i]);
	if (r == 0)
		r = make_catalog(host, policy, &next);
	if (r < 0) {
		compiled_done(&next);
		return r;
	}
	*ret_compiled = next;
	return 0;
}

void compiled_done(struct compiled *compiled)
{
	for (size_t i = 0; compiled->sets && i < compiled->n; i++)
		free(compiled->sets[i].entries);
	free(compiled->sets);
	free(compiled->sources);
	catalog_done(&compiled->catalog);
	*compiled = (struct compiled){0};
}

size_t compiled_entries(const struct compiled *compiled)
{
	size_t n = compiled->n_sources;

	for (size_t i = 0; i < compiled->n; i++)
		n += compiled->sets[i].n;
	return n;
}
