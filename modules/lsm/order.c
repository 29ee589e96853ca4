// SPDX-License-Identifier: Apache-2.0
#include "order.h"

#include <stdlib.h>
#include <string.h>

#define ALL_PORTS 65536u

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void key_of_path(const struct rule *rule, struct order_key *key)
{
	size_t n = strlen(rule->path.path);
	bool directory = rule->path.path[n - 1] == '/';

	n += !directory;
	memcpy(key->bytes, rule->path.path, n);
	key->bits = (uint16_t)(n * 8);
}

static void key_of_address(const struct rule *rule, struct order_key *key)
{
	const struct address *address = &rule->address;

	if (address->family == AF_UNSPEC)
		return;
	key->bytes[0] = (uint8_t)address->family;
	memcpy(key->bytes + 1, address->bytes, sizeof(address->bytes));
	key->bits = (uint16_t)(8 + address->prefix);
}

static struct order_key key_of(const struct rule *rule)
{
	struct order_key key = {.hook = rule->hook, .n = 1, .rules = {rule}};

	switch (rule->hook) {
	case LSM_EXEC:
	case LSM_OPEN:
		key_of_path(rule, &key);
		break;
	case LSM_CONNECT:
	case LSM_BIND:
		key_of_address(rule, &key);
		break;
	default:
		key.bytes[0] = (uint8_t)rule->capability;
		key.bits = 8;
	}
	return key;
}

/* Bytes behind the last bit are zero in both. */
static int compare_keys(const struct order_key *a, const struct order_key *b)
{
	int r;

	if (a->hook != b->hook)
		return a->hook < b->hook ? -1 : 1;
	r = memcmp(a->bytes, b->bytes, sizeof(a->bytes));
	return r ? r : a->bits - b->bits;
}

static bool covers(const struct order_key *shorter, const struct order_key *key)
{
	unsigned int whole = shorter->bits / 8u, rest = shorter->bits % 8u;

	if (shorter->hook != key->hook || shorter->bits > key->bits || memcmp(shorter->bytes, key->bytes, whole) != 0)
		return false;
	return !rest || !((shorter->bytes[whole] ^ key->bytes[whole]) >> (8 - rest));
}

/* ---- rules of one key -------------------------------------------------------------------------------------------- */

/* How much of its key's subjects a rule takes; the narrower one is tried first. */
static unsigned int width(const struct rule *rule)
{
	switch (rule->hook) {
	case LSM_EXEC:
		return !rule->path.from;
	case LSM_OPEN:
		return !rule->path.write_only;
	case LSM_CONNECT:
	case LSM_BIND:
		return rule->address.last - rule->address.first + 1u;
	default:
		return 0;
	}
}

/* Takes every subject of its key. */
static bool is_whole(const struct rule *rule)
{
	switch (rule->hook) {
	case LSM_EXEC:
	case LSM_OPEN:
		return width(rule) == 1;
	case LSM_CONNECT:
	case LSM_BIND:
		return width(rule) == ALL_PORTS;
	default:
		return true;
	}
}

/* Of two rules of one key and one width: is there a subject that both take? */
static bool overlap(const struct rule *a, const struct rule *b)
{
	switch (a->hook) {
	case LSM_EXEC:
		return !a->path.from || !strcmp(a->path.from, b->path.from);
	case LSM_CONNECT:
	case LSM_BIND:
		return a->address.first <= b->address.last && b->address.first <= a->address.last;
	default:
		return true;
	}
}

/* The key first, then the width, then the place in the file. */
static int compare(const void *left, const void *right)
{
	const struct order_key *a = left, *b = right;
	unsigned int wa = width(a->rules[0]), wb = width(b->rules[0]);
	int r = compare_keys(a, b);

	if (r)
		return r;
	if (wa != wb)
		return wa < wb ? -1 : 1;
	return a->rules[0] < b->rules[0] ? -1 : 1;
}

static int disagree(struct prism_host *host, const struct rule *a, const struct rule *b)
{
	const struct rule *first = a < b ? a : b, *second = a < b ? b : a;
	char subject[512], other[512];

	return prism_node_error(host, second->node,
				"%s (%s) contradicts %s (%s), which is no less specific: \"%s\" and \"%s\"", second->id,
				action_names[second->action], first->id, action_names[first->action],
				rule_subject(second, subject, sizeof(subject)),
				rule_subject(first, other, sizeof(other)));
}

/* rule behind those that key has of its own; nothing to do when they take all that it takes. */
static int append(struct prism_host *host, struct order_key *key, const struct rule *rule)
{
	if (key->n && is_whole(key->rules[key->n - 1]))
		return 0;
	if (key->n == LSM_CHOICES_MAX)
		return prism_node_error(host, rule->node,
					"more than %u rules may apply to one subject here; use fewer, wider ones",
					LSM_CHOICES_MAX);
	key->rules[key->n++] = rule;
	return 0;
}

static int add_own(struct prism_host *host, struct order_key *key, const struct rule *rule)
{
	for (uint32_t i = key->n; i-- > 0 && width(key->rules[i]) == width(rule);) {
		if (overlap(key->rules[i], rule) && key->rules[i]->action != rule->action)
			return disagree(host, key->rules[i], rule);
	}
	return append(host, key, rule);
}

/* ---- a rule set -------------------------------------------------------------------------------------------------- */

/* Keys that are the same become one, in place. */
static int merge(struct prism_host *host, struct order *order)
{
	size_t n = 0;

	for (size_t i = 0; i < order->n; i++) {
		int r;

		if (!n || compare_keys(&order->keys[n - 1], &order->keys[i]) != 0) {
			order->keys[n++] = order->keys[i];
			continue;
		}
		r = add_own(host, &order->keys[n - 1], order->keys[i].rules[0]);
		if (r < 0)
			return r;
	}
	order->n = n;
	return 0;
}

/* The longest key that covers key i; it is before it, and so are all that cover that one. */
static const struct order_key *parent(const struct order *order, const size_t *parents, size_t i)
{
	size_t at = i;

	while (at > 0) {
		at = at == i ? i - 1 : parents[at];
		if (at == SIZE_MAX)
			return NULL;
		if (covers(&order->keys[at], &order->keys[i]))
			return &order->keys[at];
	}
	return NULL;
}

/* Each key gets the rules of its parent, which has got those of its own parent by then. */
static int inherit(struct prism_host *host, struct order *order)
{
	size_t *parents = calloc(order->n ? order->n : 1, sizeof(*parents));
	int r = parents ? 0 : prism_fail(host, ENOMEM, "lsm: rule_sets", "no memory");

	for (size_t i = 0; r == 0 && i < order->n; i++) {
		const struct order_key *from = parent(order, parents, i);

		parents[i] = from ? (size_t)(from - order->keys) : SIZE_MAX;
		for (uint32_t j = 0; r == 0 && from && j < from->n; j++)
			r = append(host, &order->keys[i], from->rules[j]);
	}
	free(parents);
	return r;
}

static int compare_ids(const void *left, const void *right)
{
	const struct rule *const *a = left, *const *b = right;
	int r = strcmp((*a)->id, (*b)->id);

	return r ? r : *a < *b ? -1 : 1;
}

static int check_ids(struct prism_host *host, const struct policy_set *set)
{
	const struct rule **rules = calloc(set->n ? set->n : 1, sizeof(struct rule *));
	int r = rules ? 0 : prism_fail(host, ENOMEM, "lsm: rule_sets", "no memory");

	for (size_t i = 0; r == 0 && i < set->n; i++)
		rules[i] = &set->rules[i];
	if (r == 0)
		qsort(rules, set->n, sizeof(struct rule *), compare_ids);
	for (size_t i = 1; r == 0 && i < set->n; i++) {
		if (!strcmp(rules[i - 1]->id, rules[i]->id))
			r = prism_node_error(host, rules[i]->node, "another rule of \"%s\" has the id \"%s\", too",
					     set->name, rules[i]->id);
	}
	free(rules);
	return r;
}

int order_rules(struct prism_host *host, const struct policy_set *set, struct order *ret_order)
{
	struct order order = {.n = set->n};
	int r = check_ids(host, set);

	if (r < 0)
		return r;
	order.keys = calloc(set->n ? set->n : 1, sizeof(*order.keys));
	if (!order.keys)
		return prism_fail(host, ENOMEM, "lsm: rule_sets", "no memory");
	for (size_t i = 0; i < set->n; i++)
		order.keys[i] = key_of(&set->rules[i]);
	qsort(order.keys, order.n, sizeof(*order.keys), compare);
	r = merge(host, &order);
	if (r == 0)
		r = inherit(host, &order);
	if (r < 0) {
		order_done(&order);
		return r;
	}
	*ret_order = order;
	return 0;
}

void order_done(struct order *order)
{
	free(order->keys);
	*order = (struct order){0};
}
