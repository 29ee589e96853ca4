/* SPDX-License-Identifier: Apache-2.0 */
/* The identity table's file: any bytes as they are, and any bytes as the body that the sum is right for. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/util.h"
#include "fuzz.h"
#include "identity/store.h"

#define HOLD_NS (600 * NS_PER_SEC)
#define NOW_NS (1000 * NS_PER_SEC)

/* What was read is a table: numbers in range, each found by number and by form, with the names that people see. */
static void check_one(void *arg, struct identity *id)
{
	if (id->number < PRISM_ID_FIRST || id->number > PRISM_ID_LAST || id->refs ||
	    identity_by_number(arg, id->number) != id || identity_by_canonical(arg, id->canonical) != id || !id->name ||
	    !id->namespace_name || !id->service_account || (id->n_labels && !id->labels[0].key))
		abort();
}

static void read_back(const struct identity_table *t)
{
	struct identity_table *back = identity_table_new(HOLD_NS);
	struct text out = {0};
	struct error e = {0};

	identity_store_format(t, NOW_NS, &out);
	if (!back || out.failed || identity_store_parse(back, out.data, out.len, NOW_NS, &e) < 0 ||
	    identity_held(back) != identity_held(t))
		abort();
	identity_table_free(back);
	text_done(&out);
}

static void parse(const char *data, size_t len)
{
	struct identity_table *t = identity_table_new(HOLD_NS);
	/* Memory that ends where the file ends. */
	char *file = malloc(len ? len : 1);
	struct error e = {0};
	int r;

	if (!t || !file)
		abort();
	if (len)
		memcpy(file, data, len);
	r = identity_store_parse(t, file, len, NOW_NS, &e);
	if (r ? r != -EBADMSG || e.code != EBADMSG || !e.text[0] : e.code != 0)
		abort();
	if (r == 0) {
		identity_each(t, false, check_one, t);
		read_back(t);
	}
	free(file);
	identity_table_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char key[crypto_shorthash_KEYBYTES] = "prism table sum";
	unsigned char hash[crypto_shorthash_BYTES];
	struct text whole = {0};
	uint64_t sum;

	parse((const char *)data, size);
	crypto_shorthash(hash, data, size, key);
	memcpy(&sum, hash, sizeof(sum));
	text_append_n(&whole, (const char *)data, size);
	text_appendf(&whole, "sum\t%016" PRIx64 "\n", sum);
	parse(whole.data, whole.len);
	text_done(&whole);
	return 0;
}
