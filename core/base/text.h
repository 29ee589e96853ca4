/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte string, NUL-terminated once anything was appended. Running out of memory is remembered in `failed`
 * (every later append is a no-op), so that a writer checks once, at the end.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	char *data; /* NULL when empty and never written */
	size_t len;
	size_t capacity;
	bool failed;
};

void text_append(struct text *t, const char *s);
void text_append_n(struct text *t, const char *s, size_t n);
__attribute__((format(printf, 2, 3))) void text_appendf(struct text *t, const char *format, ...);
/* As the inside of a JSON string: escapes quotes, backslash, control bytes, and bytes that are not UTF-8. */
void text_append_json(struct text *t, const char *s, size_t n);
/* Length of the well-formed UTF-8 sequence (RFC 3629) that begins at s, of which n > 0 bytes are there; 0: none does.
 */
size_t text_utf8_length(const char *s, size_t n);
/* Hands the string on (free()); "" when empty, NULL when memory ran out. t is empty afterwards. */
char *text_take(struct text *t);
/* Makes t empty and keeps its memory. */
void text_clear(struct text *t);
void text_done(struct text *t);

#endif
