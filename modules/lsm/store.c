// SPDX-License-Identifier: Apache-2.0
#include "store.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- keys of a map ----------------------------------------------------------------------------------------------- */

struct keys {
	char *bytes;
	size_t n;
	size_t size; /* of one */
};

/* Every key there is now, so that they may go while they are walked. */
static int keys_read(int fd, size_t size, struct keys *ret_keys)
{
	struct keys keys = {.size = size};
	const char *last = NULL;
	size_t room = 0;

	for (;;) {
		int r;

		if (keys.n == room) {
			size_t next = room ? room * 2 : 64;
			char *bytes = reallocarray(keys.bytes, next, size);

			if (!bytes) {
				free(keys.bytes);
				return -ENOMEM;
			}
			keys.bytes = bytes;
			room = next;
		}
		last = keys.n ? keys.bytes + (keys.n - 1) * size : NULL;
		r = bpf_map_get_next_key(fd, last, keys.bytes + keys.n * size);
		if (r == -ENOENT)
			break;
		if (r < 0) {
			free(keys.bytes);
			return r;
		}
		keys.n++;
	}
	*ret_keys = keys;
	return 0;
}

static void *key_at(const struct keys *keys, size_t i)
{
	return keys->bytes + i * keys->size;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* The numbers that are in use. */
static int greatest_numbers(int fd, uint32_t *ret_set, uint32_t *ret_source)
{
	struct keys keys;
	int r = keys_read(fd, sizeof(struct lsm_key), &keys);

	if (r < 0)
		return r;
	*ret_set = *ret_source = 0;
	for (size_t i = 0; r == 0 && i < keys.n; i++) {
		const struct lsm_key *key = key_at(&keys, i);
		struct lsm_rules rules;

		*ret_set = key->set > *ret_set ? key->set : *ret_set;
		if (key->set != LSM_SOURCES)
			continue;
		r = bpf_map_lookup_elem(fd, key, &rules);
		if (r == 0)
			*ret_source = rules.source > *ret_source ? rules.source : *ret_source;
	}
	free(keys.bytes);
	return r;
}

int store_init(struct prism_host *host, const struct store_fds *fds, struct store *ret_store)
{
	struct store store = {.host = host, .fds = *fds};
	uint32_t set, source;
	int r = greatest_numbers(fds->rules, &set, &source);

	if (r == 0)
		r = prism_grace_init(&store.grace);
	if (r < 0)
		return r;
	store.next_set = set + 1;
	store.next_source = source + 1;
	*ret_store = store;
	return 0;
}

void store_done(struct store *store)
{
	prism_grace_done(&store->grace);
}

/* ---- rule sets --------------------------------------------------------------------------------------------------- */

static struct lsm_key source_key(const struct compiled_source *source)
{
	struct lsm_key key = {.set = LSM_SOURCES, .hook = LSM_EXEC};
	size_t n = strlen(source->path) + 1;

	key.prefixlen = LSM_KEY_BITS + 8 * (uint32_t)n;
	memcpy(key.bytes, source->path, n);
	return key;
}

/* The number of each source, those that are new get one. */
static int write_sources(struct store *store, const struct compiled *compiled, uint32_t *numbers)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < compiled->n_sources; i++) {
		struct lsm_key key = source_key(&compiled->sources[i]);
		struct lsm_rules rules;

		r = bpf_map_lookup_elem(store->fds.rules, &key, &rules);
		if (r == -ENOENT) {
			rules = (struct lsm_rules){.source = store->next_source++};
			r = bpf_map_update_elem(store->fds.rules, &key, &rules, BPF_NOEXIST);
		}
		numbers[i] = rules.source;
	}
	return r;
}

static int write_set(struct store *store, const struct compiled_set *set, uint32_t number, const uint32_t *sources)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < set->n; i++) {
		struct lsm_key key = set->entries[i].key;
		struct lsm_rules rules = set->entries[i].rules;

		key.set = number;
		for (uint32_t j = 0; j < rules.n; j++) {
			if (rules.choices[j].from)
				rules.choices[j].from = sources[rules.choices[j].from - 1];
		}
		r = bpf_map_update_elem(store->fds.rules, &key, &rules, BPF_NOEXIST);
	}
	return r;
}

static void take_back(struct store *store, const struct compiled *compiled, uint32_t first)
{
	for (size_t i = 0; i < compiled->n; i++) {
		for (size_t j = 0; j < compiled->sets[i].n; j++) {
			struct lsm_key key = compiled->sets[i].entries[j].key;

			key.set = first + (uint32_t)i;
			bpf_map_delete_elem(store->fds.rules, &key);
		}
	}
}

static int write_all(struct store *store, const struct compiled *compiled, uint32_t first)
{
	uint32_t *sources = calloc(compiled->n_sources ? compiled->n_sources : 1, sizeof(*sources));
	int r = sources ? write_sources(store, compiled, sources) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < compiled->n; i++)
		r = write_set(store, &compiled->sets[i], first + (uint32_t)i, sources);
	free(sources);
	return r;
}

int store_write(struct store *store, const struct compiled *compiled, uint32_t *ret_first)
{
	uint32_t first = store->next_set;
	int r = write_all(store, compiled, first);

	if (r < 0) {
		take_back(store, compiled, first);
		if (r == -E2BIG || r == -ENOSPC)
			return prism_fail(store->host, -r, "lsm: rule_sets",
					  "no room for the rules beside those that are in force; raise max_rules");
		return prism_fail(store->host, -r, "lsm: writing the rules", "%s", strerror(-r));
	}
	store->next_set += (uint32_t)compiled->n;
	*ret_first = first;
	return 0;
}

static bool is_source(const struct compiled *compiled, const struct lsm_key *key)
{
	for (size_t i = 0; i < compiled->n_sources; i++) {
		struct lsm_key source = source_key(&compiled->sources[i]);

		if (!memcmp(&source, key, sizeof(source)))
			return true;
	}
	return false;
}

static int sweep(struct store *store, uint32_t first, const struct compiled *compiled)
{
	struct keys keys;
	int r = keys_read(store->fds.rules, sizeof(struct lsm_key), &keys);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < keys.n; i++) {
		struct lsm_key *key = key_at(&keys, i);

		if (key->set == LSM_SOURCES ? !is_source(compiled, key) : key->set - first >= compiled->n)
			r = bpf_map_delete_elem(store->fds.rules, key);
	}
	free(keys.bytes);
	return r;
}

int store_sweep(struct store *store, uint32_t first, const struct compiled *compiled)
{
	int r = prism_grace_wait(&store->grace);

	return r < 0 ? r : sweep(store, first, compiled);
}

/* ---- who has which ----------------------------------------------------------------------------------------------- */

int store_bind(struct store *store, uint32_t identity, const struct lsm_binding *binding)
{
	static const struct lsm_binding none;

	/* Programs that still go by the earlier ones would take the facet alone for a lack of room. */
	if (store->fds.earlier >= 0)
		bpf_map_update_elem(store->fds.earlier, &identity, &none, BPF_NOEXIST);
	return bpf_map_update_elem(store->fds.bindings, &identity, binding, BPF_ANY);
}

int store_unbind(struct store *store, uint32_t identity)
{
	int r = bpf_map_delete_elem(store->fds.bindings, &identity);

	return r == -ENOENT ? 0 : r;
}

int store_binding(const struct store *store, uint32_t identity, struct lsm_binding *ret_binding)
{
	return bpf_map_lookup_elem(store->fds.bindings, &identity, ret_binding);
}

int store_each(struct store *store, void (*fn)(void *arg, uint32_t identity), void *arg)
{
	struct keys keys;
	int r = keys_read(store->fds.bindings, sizeof(uint32_t), &keys);

	if (r < 0)
		return r;
	for (size_t i = 0; i < keys.n; i++)
		fn(arg, *(const uint32_t *)key_at(&keys, i));
	free(keys.bytes);
	return 0;
}

int store_forget(struct store *store, void (*fn)(void *arg, uint32_t identity), void *arg)
{
	struct keys keys;
	int r = prism_grace_wait(&store->grace);

	if (r == 0)
		r = keys_read(store->fds.bindings, sizeof(uint32_t), &keys);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < keys.n; i++) {
		uint32_t identity = *(const uint32_t *)key_at(&keys, i);
		struct lsm_binding binding;

		if (identity == PRISM_ID_UNMANAGED || store_binding(store, identity, &binding) < 0 || binding.set)
			continue;
		r = store_unbind(store, identity);
		if (r == 0)
			fn(arg, identity);
	}
	free(keys.bytes);
	return r;
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

int store_config(const struct store *store, struct lsm_config *ret_config)
{
	uint32_t zero = 0;

	return bpf_map_lookup_elem(store->fds.config, &zero, ret_config);
}

int store_configure(struct store *store, const struct lsm_config *config)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(store->fds.config, &zero, config, BPF_ANY);
}
