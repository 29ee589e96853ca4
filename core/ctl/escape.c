/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <wchar.h>

#include "ctl/output.h"

/*
 * One character of strict UTF-8 (no overlong forms, no surrogates): its length, or 0 when s does not begin with one.
 */
static size_t decode(const unsigned char *s, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80                   ? 1
		     : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		     : (s[0] & 0xf0) == 0xe0       ? 3
		     : (s[0] & 0xf8) == 0xf0       ? 4
						   : 0;
	uint32_t c;

	if (!len || len > n)
		return 0;
	c = len == 1 ? s[0] : s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return len;
}

/* C0, DEL and C1 drive terminals (0x9b alone is CSI to some). */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/* What makes text look other than it is: direction marks and overrides, line separators, zero width characters. */
static bool is_deceptive(uint32_t c)
{
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069) ||
	       c == 0x61c || c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c < 0xe0080);
}

void escape_terminal(struct text *out, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	for (size_t i = 0; i < n;) {
		uint32_t c = 0;
		size_t len = decode(p + i, n - i, &c);

		if (!len)
			text_appendf(out, "\\x%02x", p[i]);
		else if (is_control(c))
			text_appendf(out, "\\x%02x", c);
		else if (is_deceptive(c))
			text_appendf(out, "\\u{%04x}", c);
		else
			text_append_n(out, s + i, len);
		i += len ? len : 1;
	}
}

static void append_utf16(struct text *out, uint32_t c)
{
	if (c < 0x10000) {
		text_appendf(out, "\\u%04x", c);
		return;
	}
	c -= 0x10000;
	text_appendf(out, "\\u%04x\\u%04x", 0xd800 | c >> 10, 0xdc00 | (c & 0x3ff));
}

void escape_json(struct text *out, const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;

	for (size_t i = 0; i < n;) {
		uint32_t c = 0xfffd;
		size_t len = decode(p + i, n - i, &c);

		if (len && (c == '\n' || (!is_control(c) && !is_deceptive(c))))
			text_append_n(out, s + i, len);
		else
			append_utf16(out, c);
		i += len ? len : 1;
	}
}

size_t text_columns(const char *s, size_t n)
{
	size_t columns = 0;

	for (size_t i = 0; i < n;) {
		uint32_t c = 0;
		size_t len = decode((const unsigned char *)s + i, n - i, &c);
		int width = len > 1 ? wcwidth((wchar_t)c) : 1;

		columns += width >= 0 ? (size_t)width : 1;
		i += len ? len : 1;
	}
	return columns;
}
