/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <prism/bus.h>
#include <prism/note.h>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "base/util.h"
#include "host/facets.h"
#include "host/note.h"

#define BITS 31
#define STATE_MAX 4096

struct facet {
	char name[PRISM_NAME_MAX];
	char owner[PRISM_NAME_MAX];
};

struct facets {
	char *path;
	struct facet facet[BITS];
};

static const char *const builtin[] = {
	[PRISM_FACET_NET] = "net",
	[PRISM_FACET_SCHED] = "sched",
	[PRISM_FACET_TRACE] = "trace",
	[PRISM_FACET_LSM] = "lsm",
};

bool facets_builtin(int bit)
{
	return bit >= 0 && bit < (int)ARRAY_SIZE(builtin);
}

static bool assignable(int bit)
{
	return bit >= 0 && bit < BITS && (PRISM_FACET_MASK & PRISM_FACET_BIT(bit));
}

static int find(const struct facets *f, const char *name)
{
	for (int bit = 0; bit < BITS; bit++)
		if (!strcmp(f->facet[bit].name, name))
			return bit;
	return -1;
}

static int parse_line(struct facets *f, const char *line)
{
	char name[PRISM_NAME_MAX];
	int bit, n = 0;

	if (sscanf(line, "%2d %31[a-z0-9_-]%n", &bit, name, &n) != 2 || line[n])
		return -EBADMSG;
	if (!assignable(bit) || facets_builtin(bit) || !note_name_valid(name) || f->facet[bit].name[0] ||
	    find(f, name) >= 0)
		return -EBADMSG;
	memcpy(f->facet[bit].name, name, sizeof(name));
	return 0;
}

static int parse(struct facets *f, char *data, size_t len)
{
	char *save = NULL;
	int r = 0;

	if (strlen(data) != len)
		return -EBADMSG;
	for (char *line = strtok_r(data, "\n", &save); line && !r; line = strtok_r(NULL, "\n", &save))
		r = parse_line(f, line);
	return r;
}

static void forget(struct facets *f)
{
	memset(f->facet, 0, sizeof(f->facet));
	for (size_t bit = 0; bit < ARRAY_SIZE(builtin); bit++)
		snprintf(f->facet[bit].name, PRISM_NAME_MAX, "%s", builtin[bit]);
}

static int set_aside(struct facets *f, struct error *e)
{
	_cleanup_free_ char *damaged = NULL;

	forget(f);
	if (asprintf(&damaged, "%s.damaged", f->path) < 0) {
		damaged = NULL;
		return error_set(e, ENOMEM, f->path, "no memory");
	}
	if (rename(f->path, damaged))
		return error_set(e, errno, f->path, "is damaged and cannot be set aside: %s", strerror(errno));
	log_warning("host",
		    "%s: is damaged and was set aside as %s; facets of third-party modules may get other bits: rebuild "
		    "consumers that have one compiled in",
		    f->path, damaged);
	return 0;
}

static int load(struct facets *f, struct error *e)
{
	_cleanup_free_ char *data = NULL;
	struct error why = {};
	size_t len;
	int r;

	forget(f);
	r = file_read(f->path, STATE_MAX, &data, &len, &why);
	if (r == -ENOENT)
		return 0;
	if (r && r != -EFBIG) {
		if (e)
			*e = why;
		return r;
	}
	if (!r)
		r = parse(f, data, len);
	return r ? set_aside(f, e) : 0;
}

static int save(const struct facets *f, struct error *e)
{
	struct text out = {};
	int r;

	for (int bit = PRISM_FACET_FIRST_FREE; bit < BITS; bit++)
		if (f->facet[bit].name[0])
			text_appendf(&out, "%d %s\n", bit, f->facet[bit].name);
	r = out.failed ? error_set(e, ENOMEM, f->path, "no memory")
		       : file_write_atomic(f->path, out.data ? out.data : "", out.len, 0644, e);
	text_done(&out);
	return r;
}

int facets_new(const char *state_dir, struct facets **ret, struct error *e)
{
	struct facets *f = calloc(1, sizeof(*f));
	int r;

	if (!f || asprintf(&f->path, "%s/facets", state_dir) < 0) {
		free(f);
		return error_set(e, ENOMEM, state_dir, "no memory");
	}
	r = load(f, e);
	if (r) {
		facets_free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void facets_free(struct facets *f)
{
	if (!f)
		return;
	free(f->path);
	free(f);
}

static int name_bit(struct facets *f, const char *name, struct error *e)
{
	int r;

	for (int bit = PRISM_FACET_FIRST_FREE; bit < BITS; bit++) {
		if (!assignable(bit) || f->facet[bit].name[0])
			continue;
		snprintf(f->facet[bit].name, PRISM_NAME_MAX, "%s", name);
		r = save(f, e);
		if (r)
			f->facet[bit].name[0] = 0;
		return r ? r : bit;
	}
	return error_set(
		e, ENOSPC, NULL,
		"no bit is left for facet \"%s\": stop prismd, take the names that are no longer used out of %s, "
		"and start it again",
		name, f->path);
}

int facets_conflict(struct error *e, const char *name, const char *owner, const char *other)
{
	return error_set(e, EEXIST, NULL,
			 "facet \"%s\" belongs to module %s, module %s cannot have it too: disable one of them", name,
			 owner, other);
}

int facets_claim(struct facets *f, const char *name, const char *owner, int *ret_bit, struct error *e)
{
	int bit;

	if (!note_name_valid(name))
		return error_set(e, EINVAL, NULL, "the facet's name is not [a-z][a-z0-9_-]* of at most %d bytes",
				 PRISM_NAME_MAX - 1);
	bit = find(f, name);
	if (bit < 0)
		bit = name_bit(f, name, e);
	if (bit < 0)
		return bit;
	if (f->facet[bit].owner[0] && strcmp(f->facet[bit].owner, owner) != 0)
		return facets_conflict(e, name, f->facet[bit].owner, owner);
	snprintf(f->facet[bit].owner, PRISM_NAME_MAX, "%s", owner);
	*ret_bit = bit;
	return 0;
}

void facets_release(struct facets *f, const char *owner)
{
	for (int bit = 0; bit < BITS; bit++)
		if (!strcmp(f->facet[bit].owner, owner))
			f->facet[bit].owner[0] = 0;
}

const char *facets_name(const struct facets *f, int bit)
{
	return bit >= 0 && bit < BITS && f->facet[bit].name[0] ? f->facet[bit].name : NULL;
}

const char *facets_owner(const struct facets *f, int bit)
{
	return bit >= 0 && bit < BITS ? f->facet[bit].owner : "";
}

const char *facets_format(const struct facets *f, uint32_t flags, char *buf, size_t size)
{
	size_t n = 0;

	if (size)
		buf[0] = 0;
	for (int bit = 0; bit < BITS && n < size; bit++) {
		if (!assignable(bit) || !(flags & PRISM_FACET_BIT(bit)))
			continue;
		if (f->facet[bit].name[0])
			n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? "," : "", f->facet[bit].name);
		else
			n += (size_t)snprintf(buf + n, size - n, "%s%d", n ? "," : "", bit);
	}
	return buf;
}
