/* SPDX-License-Identifier: Apache-2.0 */
#include "config/scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Ascending: formatting takes the largest that divides. */
static const struct unit size_units[] = {
	{"", 1}, {"B", 1}, {"KiB", 1ll << 10}, {"MiB", 1ll << 20}, {"GiB", 1ll << 30}, {"TiB", 1ll << 40},
};
static const struct unit duration_units[] = {
	{"ns", 1},
	{"us", 1000},
	{"ms", 1000000},
	{"s", 1000000000},
	{"m", 60 * 1000000000ll},
	{"h", 3600 * 1000000000ll},
	{"d", 24 * 3600 * 1000000000ll},
};

#define QUOTE_MAX 64

int scalar_bool(const char *s, int64_t *ret)
{
	static const char *const words[] = {"false", "False", "FALSE", "true", "True", "TRUE"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(s, words[i])) {
			*ret = i >= 3;
			return 0;
		}
	}
	return -EINVAL;
}

static int digit_of(char c, unsigned int base)
{
	int digit = -1;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if (base == 16 && c >= 'a' && c <= 'f')
		digit = c - 'a' + 10;
	else if (base == 16 && c >= 'A' && c <= 'F')
		digit = c - 'A' + 10;
	return digit;
}

/* Digits from *s on; *s is left behind the last one. Overflow is remembered until all digits are read. */
static int take_digits(const char **s, unsigned int base, int64_t *ret)
{
	const char *at = *s;
	int64_t value = 0;
	int r = 0;

	if (digit_of(*at, base) < 0)
		return -EINVAL;
	for (; digit_of(*at, base) >= 0; at++) {
		if (__builtin_mul_overflow(value, (int64_t)base, &value) ||
		    __builtin_add_overflow(value, (int64_t)digit_of(*at, base), &value))
			r = -ERANGE;
	}
	*s = at;
	*ret = value;
	return r;
}

int scalar_int(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	unsigned int base = 10;
	int64_t value = 0;
	int r;

	if (*s == '-' || *s == '+')
		s++;
	if (s[0] == '0' && s[1] == 'x') {
		base = 16;
		s += 2;
	} else if (s[0] == '0' && s[1]) {
		return -EINVAL;
	}
	r = take_digits(&s, base, &value);
	if (*s)
		return -EINVAL;
	if (!r)
		*ret = negative ? -value : value;
	return r;
}

static const struct unit *find_unit(const struct unit *units, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

/* n digits behind the point, as a share of factor: exact or refused (1.5ns is nothing). */
static int parse_fraction(const char *s, ptrdiff_t n, int64_t factor, int64_t *ret)
{
	int64_t value = 0, scale = 1;

	if (n < 1 || n > 9)
		return -EINVAL;
	for (ptrdiff_t i = 0; i < n; i++) {
		value = value * 10 + (s[i] - '0');
		scale *= 10;
	}
	if (__builtin_mul_overflow(value, factor, &value))
		return -ERANGE;
	if (value % scale)
		return -EINVAL;
	*ret = value / scale;
	return 0;
}

/* Number, optional fraction, unit. */
static int parse_united(const char *s, const struct unit *units, size_t n_units, int64_t *ret)
{
	const char *point = NULL;
	const struct unit *unit;
	int64_t whole, part = 0;
	int r, fraction = 0;

	r = take_digits(&s, 10, &whole);
	if (r == -EINVAL)
		return r;
	if (*s == '.') {
		point = s;
		s += 1 + strspn(s + 1, "0123456789");
	}
	unit = find_unit(units, n_units, s);
	if (!unit)
		return -EINVAL;
	if (point)
		fraction = parse_fraction(point + 1, s - point - 1, unit->factor, &part);
	if (fraction < 0)
		return fraction;
	if (r < 0 || __builtin_mul_overflow(whole, unit->factor, &whole) || __builtin_add_overflow(whole, part, &whole))
		return -ERANGE;
	*ret = whole;
	return 0;
}

int scalar_size(const char *s, int64_t *ret)
{
	return parse_united(s, size_units, ARRAY_SIZE(size_units), ret);
}

int scalar_duration(const char *s, int64_t *ret)
{
	if (!strcmp(s, "0")) {
		*ret = 0;
		return 0;
	}
	return parse_united(s, duration_units, ARRAY_SIZE(duration_units), ret);
}

static const char *format_united(int64_t value, const struct unit *units, size_t n_units, char *buf, size_t size)
{
	const struct unit *best = &units[0];

	for (size_t i = 0; i < n_units && value; i++)
		if (value % units[i].factor == 0 && units[i].factor > best->factor)
			best = &units[i];
	snprintf(buf, size, "%" PRId64 "%s", value / best->factor, best->name);
	return buf;
}

const char *scalar_format_size(int64_t bytes, char *buf, size_t size)
{
	return format_united(bytes, size_units, ARRAY_SIZE(size_units), buf, size);
}

const char *scalar_format_duration(int64_t ns, char *buf, size_t size)
{
	if (!ns) {
		snprintf(buf, size, "0s");
		return buf;
	}
	return format_united(ns, duration_units, ARRAY_SIZE(duration_units), buf, size);
}

int scalar_is_control(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;

	return u[0] < 0x20 || u[0] == 0x7f || (u[0] == 0xc2 && u[1] >= 0x80 && u[1] <= 0x9f);
}

static int escape(const char *s, char out[static 8])
{
	unsigned char c = (unsigned char)*s;

	if (c == '\n')
		return snprintf(out, 8, "\\n");
	if (c == '\t')
		return snprintf(out, 8, "\\t");
	if (c == '"' || c == '\\')
		return snprintf(out, 8, "\\%c", c);
	if (scalar_is_control(s))
		return snprintf(out, 8, "\\x%02x", c == 0xc2 ? (unsigned char)s[1] : c);
	return snprintf(out, 8, "%c", c);
}

/* Where to cut: at most QUOTE_MAX bytes, never inside a UTF-8 sequence. */
static size_t cut(const char *s)
{
	size_t n = strnlen(s, QUOTE_MAX + 1);

	if (n <= QUOTE_MAX)
		return n;
	for (n = QUOTE_MAX; n && ((unsigned char)s[n] & 0xc0) == 0x80;)
		n--;
	return n;
}

const char *scalar_quote(const char *s, char *buf, size_t size)
{
	size_t n = cut(s), len = 0;
	char piece[8];

	if (size < sizeof("\"...\""))
		return size ? (buf[0] = '\0', buf) : "";
	buf[len++] = '"';
	for (size_t i = 0; i < n; i++) {
		size_t piece_len = (size_t)escape(s + i, piece);

		if (len + piece_len + sizeof("...\"") > size)
			break;
		memcpy(buf + len, piece, piece_len);
		len += piece_len;
		i += scalar_is_control(s + i) && (unsigned char)s[i] == 0xc2;
	}
	snprintf(buf + len, size - len, "%s\"", s[n] ? "..." : "");
	return buf;
}
