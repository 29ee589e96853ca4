// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include <prism/node.h>

#define LIST_MAX 800 /* bytes of the known words in a message */
#define HINT_MAX 80

static const char *const kind_names[] = {
	[PRISM_NODE_NONE] = "nothing",
	[PRISM_NODE_SCALAR] = "one value",
	[PRISM_NODE_LIST] = "a list",
	[PRISM_NODE_MAP] = "a map of keys",
};

static const char *kind_name(uint32_t kind)
{
	return kind < sizeof(kind_names) / sizeof(kind_names[0]) ? kind_names[kind] : "something else";
}

/* Words by number, and how many. */
struct words {
	const char *(*at)(const void *arg, uint32_t i);
	const void *arg;
	uint32_t n;
};

static const char *key_at(const void *arg, uint32_t i)
{
	return ((const struct prism_node_key *)arg)[i].name;
}

static const char *choice_at(const void *arg, uint32_t i)
{
	return ((const char *const *)arg)[i];
}

static const char *join(const struct words *words, char *to, size_t size)
{
	size_t used = 0;

	*to = '\0';
	for (uint32_t i = 0; i < words->n && used < size; i++)
		used += (size_t)snprintf(to + used, size - used, "%s%s", i ? ", " : "", words->at(words->arg, i));
	return to;
}

static const char *hint(const struct words *words, const char *word, char *to, size_t size)
{
	const char *meant = prism_suggest(word, words->n, words->at, words->arg);

	*to = '\0';
	if (meant)
		snprintf(to, size, " (did you mean \"%s\"?)", meant);
	return to;
}

static int unknown_key(struct prism_host *host, const struct prism_node *node, const char *key,
		       const struct words *words)
{
	char known[LIST_MAX], meant[HINT_MAX];

	return prism_node_error(host, node, "unknown key%s; known keys: %s", hint(words, key, meant, sizeof(meant)),
				join(words, known, sizeof(known)));
}

static int check_keys(struct prism_host *host, const struct prism_node *node, const struct words *words)
{
	const char *key;

	for (uint32_t i = 0; i < prism_node_count(host, node); i++) {
		const struct prism_node *child = prism_node_at(host, node, i, &key);
		uint32_t at = 0;

		while (at < words->n && strcmp(words->at(words->arg, at), key) != 0)
			at++;
		if (at == words->n)
			return unknown_key(host, child, key, words);
	}
	return 0;
}

static const struct prism_node *find(struct prism_host *host, const struct prism_node *node, const char *name)
{
	const char *key;

	for (uint32_t i = 0; i < prism_node_count(host, node); i++) {
		const struct prism_node *child = prism_node_at(host, node, i, &key);

		if (!strcmp(key, name))
			return prism_node_kind(host, child) == PRISM_NODE_NONE ? NULL : child; /* `key:` says nothing */
	}
	return NULL;
}

static int check_value(struct prism_host *host, const struct prism_node *node, const struct prism_node *value,
		       const char *what, const struct prism_node_key *key)
{
	uint32_t kind = prism_node_kind(host, value);

	if (!value && key->required)
		return prism_node_error(host, node, "%s needs `%s`", what, key->name);
	if (value && kind != key->kind)
		return prism_node_error(host, value, "`%s` is %s, not %s", key->name, kind_name(key->kind),
					kind_name(kind));
	return 0;
}

int prism_node_map(struct prism_host *host, const struct prism_node *node, const char *what,
		   const struct prism_node_key *keys, uint32_t n, const struct prism_node **ret_values)
{
	const struct words words = {.at = key_at, .arg = keys, .n = n};
	int r;

	if (prism_node_kind(host, node) != PRISM_NODE_MAP)
		return prism_node_error(host, node, "%s is a map of keys, not %s", what,
					kind_name(prism_node_kind(host, node)));
	r = check_keys(host, node, &words);
	for (uint32_t i = 0; r == 0 && i < n; i++)
		r = check_value(host, node, find(host, node, keys[i].name), what, &keys[i]);
	for (uint32_t i = 0; r == 0 && i < n; i++)
		ret_values[i] = find(host, node, keys[i].name);
	return r;
}

int prism_node_choice(struct prism_host *host, const struct prism_node *node, const char *const *choices,
		      uint32_t *ret_index)
{
	struct words words = {.at = choice_at, .arg = choices};
	const char *text = prism_node_text(host, node);
	char known[LIST_MAX], meant[HINT_MAX];

	for (; choices[words.n]; words.n++) {
		if (text && !strcmp(text, choices[words.n])) {
			*ret_index = words.n;
			return 0;
		}
	}
	if (!text)
		return prism_node_error(host, node, "expected one of %s", join(&words, known, sizeof(known)));
	return prism_node_error(host, node, "\"%s\" is not one of %s%s", text, join(&words, known, sizeof(known)),
				hint(&words, text, meant, sizeof(meant)));
}
