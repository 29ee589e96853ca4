// SPDX-License-Identifier: Apache-2.0
#include "catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits. */
static uint64_t hash(uint64_t h, const char *text)
{
	do {
		h ^= (unsigned char)*text;
		h *= 0x100000001b3ull;
	} while (*text++);
	return h;
}

uint64_t catalog_number(const char *set, const char *id)
{
	uint64_t h = hash(hash(0xcbf29ce484222325ull, set), id);

	return h ? h : 1;
}

const char *catalog_posture_id(enum lsm_hook hook, char *buf, size_t size)
{
	snprintf(buf, size, "default.%s", hook_keys[hook]);
	return buf;
}

static struct catalog_rule *add(struct catalog *catalog, const struct policy_set *set, enum lsm_hook hook,
				enum lsm_action action, const char *id)
{
	struct catalog_rule *to = &catalog->rules[catalog->n++];

	*to = (struct catalog_rule){.number = catalog_number(set->name, id), .hook = hook, .action = action};
	memcpy(to->set, set->name, sizeof(to->set));
	snprintf(to->id, sizeof(to->id), "%s", id);
	return to;
}

static void add_set(struct catalog *catalog, const struct policy_set *set)
{
	char id[RULE_NAME_MAX];

	for (int hook = 0; hook < LSM_HOOKS; hook++)
		add(catalog, set, (enum lsm_hook)hook, set->posture[hook],
		    catalog_posture_id((enum lsm_hook)hook, id, sizeof(id)));
	for (size_t i = 0; i < set->n; i++) {
		const struct rule *rule = &set->rules[i];
		struct catalog_rule *to = add(catalog, set, rule->hook, rule->action, rule->id);

		rule_subject(rule, to->subject, sizeof(to->subject));
	}
}

static int compare(const void *left, const void *right)
{
	const struct catalog_rule *a = left, *b = right;

	return a->number < b->number ? -1 : a->number > b->number;
}

int catalog_make(const struct policy *policy, struct catalog *ret_catalog)
{
	struct catalog catalog = {0};
	size_t n = 0;

	for (size_t i = 0; i < policy->n; i++)
		n += policy->sets[i].n + LSM_HOOKS;
	catalog.rules = calloc(n ? n : 1, sizeof(*catalog.rules));
	if (!catalog.rules)
		return -ENOMEM;
	for (size_t i = 0; i < policy->n; i++)
		add_set(&catalog, &policy->sets[i]);
	qsort(catalog.rules, n, sizeof(*catalog.rules), compare);
	for (size_t i = 1; i < n; i++) {
		if (catalog.rules[i - 1].number == catalog.rules[i].number) {
			catalog_done(&catalog);
			return -EEXIST;
		}
	}
	*ret_catalog = catalog;
	return 0;
}

void catalog_done(struct catalog *catalog)
{
	free(catalog->rules);
	*catalog = (struct catalog){0};
}

const struct catalog_rule *catalog_find(const struct catalog *catalog, uint64_t number)
{
	const struct catalog_rule key = {.number = number};

	return catalog->n ? bsearch(&key, catalog->rules, catalog->n, sizeof(key), compare) : NULL;
}
