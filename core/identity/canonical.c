/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/canonical.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

#define HASH_BASIS 0x14650FB0739D0383ull /* frozen; not the textbook one */
#define HASH_PRIME 0x100000001B3ull

/* Bytes that could pass for structure; `=` only in keys, where the first one ends the key. */
static bool structural(unsigned char c, bool key)
{
	return c < 0x20 || c == 0x7f || c == ';' || c == '%' || (key && c == '=');
}

static void append_encoded(struct text *out, const char *s, bool key)
{
	for (; *s; s++) {
		if (structural((unsigned char)*s, key))
			text_appendf(out, "%%%02X", (unsigned char)*s);
		else
			text_append_n(out, s, 1);
	}
}

static int by_key(const void *a, const void *b)
{
	const struct prism_label *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

int canonical_form(const struct workload_spec *spec, const struct label_filter *filter, struct text *out)
{
	_cleanup_free_ const struct prism_label **sorted = NULL;
	size_t n = 0, i;

	sorted = calloc(spec->n_labels ? spec->n_labels : 1, sizeof(struct prism_label *));
	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < spec->n_labels; i++)
		if (label_counts(filter, spec->labels[i].key, NULL))
			sorted[n++] = &spec->labels[i];
	qsort(sorted, n, sizeof(struct prism_label *), by_key);

	text_append(out, "io.prism/namespace=");
	append_encoded(out, spec->namespace_name ? spec->namespace_name : "", false);
	text_append(out, ";io.prism/serviceaccount=");
	append_encoded(out, spec->service_account ? spec->service_account : "", false);
	text_append(out, ";");
	for (i = 0; i < n; i++) {
		if (i)
			text_append(out, ";");
		append_encoded(out, sorted[i]->key, true);
		text_append(out, "=");
		append_encoded(out, sorted[i]->value, false);
	}
	return out->failed ? -ENOMEM : 0;
}

uint64_t label_hash(const char *canonical, size_t len)
{
	uint64_t hash = HASH_BASIS;
	size_t i;

	for (i = 0; i < len; i++) {
		hash ^= (unsigned char)canonical[i];
		hash *= HASH_PRIME;
	}
	return hash;
}
