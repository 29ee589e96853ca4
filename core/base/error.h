/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as people read them: what, where, why, what to do. A function returns 0 or a negative errno and fills the
 * caller's struct error once, at the place that knows; it does not log. Whoever decides what happens next logs.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stddef.h>

struct error {
	int code;        /* positive errno; 0: no error */
	char where[256]; /* file:line:column, a path, or what was being done; may be empty */
	char text[1024];
};

/* Fills e (may be NULL) and returns -code. where may be NULL. */
__attribute__((format(printf, 4, 5))) int error_set(struct error *e, int code, const char *where, const char *format,
						    ...);

/* Puts `prefix: ` before the text of an error that is set. Returns -e->code (-EIO without e). */
__attribute__((format(printf, 2, 3))) int error_prefix(struct error *e, const char *format, ...);

/* "where: text" into buf; returns buf. */
const char *error_format(const struct error *e, char *buf, size_t size);

/* Many errors, so that a bad file is reported whole and not one mistake at a time. */
struct problems {
	struct error *list;
	size_t n;
	size_t dropped; /* beyond the limit of 100 */
};

__attribute__((format(printf, 4, 5))) int problems_add(struct problems *p, int code, const char *where,
						       const char *format, ...);
void problems_done(struct problems *p);

#endif
