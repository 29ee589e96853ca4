/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format, one line each, tabs between fields:
 *
 *     prism-identities	1
 *     <number>	<held until, seconds since the epoch; 0: in use>	<canonical form>
 *     ...
 *     sum	<SipHash-2-4 of everything above, hex>
 *
 * A canonical form holds no control bytes, so neither tab nor newline can stand in one.
 */
#include "identity/store.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "base/file.h"
#include "base/util.h"
#include "identity/entry.h"

#define HEADER "prism-identities\t1\n"
#define SUM "sum\t"
#define MAX_FILE (1u << 30)

static const unsigned char sum_key[crypto_shorthash_KEYBYTES] = "prism table sum";

static uint64_t sum_of(const char *data, size_t len)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t sum;

	crypto_shorthash(out, (const unsigned char *)data, len, sum_key);
	memcpy(&sum, out, sizeof(sum));
	return sum;
}

/* The last line of a file whose other lines are data. Returns its length. */
static size_t format_sum(char *buf, size_t size, const char *data, size_t len)
{
	return (size_t)snprintf(buf, size, SUM "%016" PRIx64 "\n", sum_of(data, len));
}

static void format_one(void *arg, struct identity *id)
{
	text_appendf(arg, "%u\t%" PRIu64 "\t%s\n", id->number, id->refs ? 0 : id->held_until_ns / NS_PER_SEC,
		     id->canonical);
}

void identity_store_format(const struct identity_table *t, uint64_t now_ns, struct text *out)
{
	size_t start = out->len;
	char last[32];

	(void)now_ns;
	text_append(out, HEADER);
	identity_each(t, false, format_one, out);
	if (!out->failed)
		text_append_n(out, last, format_sum(last, sizeof(last), out->data + start, out->len - start));
}

/* Splits off the last line and checks it against what stands before it. */
static int check_sum(const char *data, size_t len, size_t *ret_body, struct error *e)
{
	char last[32];
	size_t start, n;

	if (!len || data[len - 1] != '\n' || memchr(data, '\0', len))
		return error_set(e, EBADMSG, NULL, "it does not end in a whole line");
	for (start = len - 1; start > 0 && data[start - 1] != '\n'; start--)
		;
	n = format_sum(last, sizeof(last), data, start);
	if (len - start != n || memcmp(data + start, last, strlen(SUM)) != 0)
		return error_set(e, EBADMSG, NULL, "its last line is not its sum");
	if (memcmp(data + start, last, n) != 0)
		return error_set(e, EBADMSG, NULL, "its sum does not match its content");
	*ret_body = start;
	return 0;
}

/* Digits and a tab, cut off *s. */
static bool take_number(char **s, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)**s))
		return false;
	errno = 0;
	*ret = strtoull(*s, &end, 10);
	if (errno || *end != '\t')
		return false;
	*s = end + 1;
	return true;
}

/* No control bytes: they are percent-encoded in a canonical form. */
static bool printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static int parse_line(struct identity_table *t, char *line, uint64_t now_ns, unsigned int n, struct error *e)
{
	uint64_t number, held_until;
	struct entry *entry;
	char *s = line;
	int r;

	if (!take_number(&s, &number) || !take_number(&s, &held_until) || number > PRISM_ID_LAST || !printable(s))
		return error_set(e, EBADMSG, NULL, "line %u is not `number, held until, canonical form`", n);
	(void)held_until; /* for people: see below */
	r = identity_insert(t, s, (uint32_t)number, &entry);
	if (r < 0)
		return error_set(e, r == -ENOMEM ? ENOMEM : EBADMSG, NULL, "line %u: %s", n,
				 r == -EEXIST   ? "this number or this form stands twice"
				 : r == -ERANGE ? "this number is reserved"
				 : r == -EINVAL ? "this is no canonical form"
						: strerror(-r));
	/*
	 * Nobody holds it yet in this run, and its last owner may have gone while nobody looked: held back in full from
	 * now on, unless its workload is found.
	 */
	entry->id.adopted = true;
	identity_hold(t, entry, now_ns);
	return 0;
}

int identity_store_parse(struct identity_table *t, const char *data, size_t len, uint64_t now_ns, struct error *e)
{
	_cleanup_free_ char *copy = NULL;
	char *line, *newline;
	unsigned int n = 1;
	size_t body;
	int r;

	r = check_sum(data, len, &body, e);
	if (r < 0)
		return r;
	if (strncmp(data, HEADER, strlen(HEADER)) != 0)
		return error_set(e, EBADMSG, NULL,
				 "it does not begin with `prism-identities 1`: another version wrote it");
	copy = strndup(data, body);
	if (!copy)
		return error_set(e, ENOMEM, NULL, "out of memory");
	for (line = copy + strlen(HEADER); *line; line = newline + 1) {
		newline = strchr(line, '\n');
		*newline = '\0';
		r = parse_line(t, line, now_ns, ++n, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int identity_store_load(struct identity_table *t, const char *path, uint64_t now_ns, struct error *e)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	int r;

	r = file_read(path, MAX_FILE, &data, &len, e);
	if (r == 0)
		r = identity_store_parse(t, data, len, now_ns, e);
	if (r == -EBADMSG && e)
		snprintf(e->where, sizeof(e->where), "%s", path);
	return r;
}
