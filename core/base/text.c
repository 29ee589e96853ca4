/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct text *t, size_t more)
{
	size_t want, capacity = t->capacity ? t->capacity : 64;
	char *data;

	if (t->failed || __builtin_add_overflow(t->len, more, &want) || want == SIZE_MAX) {
		t->failed = true;
		return false;
	}
	want++; /* the NUL */
	if (want <= t->capacity)
		return true;
	while (capacity < want && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	if (capacity < want)
		capacity = want;
	data = realloc(t->data, capacity);
	if (!data) {
		t->failed = true;
		return false;
	}
	t->data = data;
	t->capacity = capacity;
	return true;
}

void text_append_n(struct text *t, const char *s, size_t n)
{
	if (!reserve(t, n))
		return;
	if (n)
		memcpy(t->data + t->len, s, n);
	t->len += n;
	t->data[t->len] = '\0';
}

void text_append(struct text *t, const char *s)
{
	text_append_n(t, s, strlen(s));
}

void text_appendf(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0) {
		t->failed = true;
		return;
	}
	if (!reserve(t, (size_t)n))
		return;
	va_start(args, format);
	vsnprintf(t->data + t->len, (size_t)n + 1, format, args);
	va_end(args);
	t->len += (size_t)n;
}

/* No surrogates, no overlong forms. */
size_t text_utf8_length(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len, i;
	unsigned int low = 0x80, high = 0xbf;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (len > n)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

void text_append_json(struct text *t, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t i, len;

	for (i = 0; i < n; i += len) {
		len = text_utf8_length(s + i, n - i);
		if (!len) {
			text_append(t, "\\ufffd");
			len = 1;
		} else if (p[i] == '"' || p[i] == '\\') {
			text_append_n(t, "\\", 1);
			text_append_n(t, s + i, 1);
		} else if (p[i] == '\n') {
			text_append(t, "\\n");
		} else if (p[i] == '\t') {
			text_append(t, "\\t");
		} else if (p[i] < 0x20 || p[i] == 0x7f) {
			text_appendf(t, "\\u%04x", p[i]);
		} else {
			text_append_n(t, s + i, len);
		}
	}
}

char *text_take(struct text *t)
{
	char *data = NULL;

	if (!t->failed && !t->data)
		text_append_n(t, "", 0);
	if (!t->failed) {
		data = t->data;
		t->data = NULL;
	}
	text_done(t);
	return data;
}

void text_clear(struct text *t)
{
	t->len = 0;
	t->failed = false;
	if (t->data)
		t->data[0] = '\0';
}

void text_done(struct text *t)
{
	free(t->data);
	*t = (struct text){0};
}
