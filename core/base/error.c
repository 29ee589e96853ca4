/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROBLEMS 100

__attribute__((format(printf, 4, 0))) static void fill(struct error *e, int code, const char *where, const char *format,
						       va_list args)
{
	e->code = code;
	snprintf(e->where, sizeof(e->where), "%s", where ? where : "");
	vsnprintf(e->text, sizeof(e->text), format, args);
}

int error_set(struct error *e, int code, const char *where, const char *format, ...)
{
	va_list args;

	if (e) {
		va_start(args, format);
		fill(e, code, where, format, args);
		va_end(args);
	}
	return -code;
}

int error_prefix(struct error *e, const char *format, ...)
{
	char prefix[512], text[sizeof(e->text)];
	size_t len;
	va_list args;

	if (!e || !e->code)
		return -EIO;
	va_start(args, format);
	vsnprintf(prefix, sizeof(prefix), format, args);
	va_end(args);
	memcpy(text, e->text, sizeof(text));
	/* Cut at the end, where the least important words are. */
	len = (size_t)snprintf(e->text, sizeof(e->text), "%s: ", prefix);
	snprintf(e->text + len, sizeof(e->text) - len, "%.*s", (int)(sizeof(e->text) - len - 1), text);
	return -e->code;
}

const char *error_format(const struct error *e, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", e->where, e->where[0] ? ": " : "", e->text);
	return buf;
}

int problems_add(struct problems *p, int code, const char *where, const char *format, ...)
{
	struct error *list;
	va_list args;

	if (!p)
		return -code;
	if (p->n >= MAX_PROBLEMS) {
		p->dropped++;
		return -code;
	}
	list = reallocarray(p->list, p->n + 1, sizeof(*list));
	if (!list) {
		p->dropped++;
		return -code;
	}
	p->list = list;
	va_start(args, format);
	fill(&list[p->n++], code, where, format, args);
	va_end(args);
	return -code;
}

void problems_done(struct problems *p)
{
	free(p->list);
	*p = (struct problems){0};
}
