/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scalars as people write them, to numbers and back: true, 4096, 64KiB, 250us. Parsers return -EINVAL for what is not
 * of the kind and -ERANGE for what does not fit 63 bits; *ret is untouched then.
 */
#ifndef CONFIG_SCALAR_H
#define CONFIG_SCALAR_H

#include <stddef.h>
#include <stdint.h>

int scalar_bool(const char *s, int64_t *ret);
/* Decimal with an optional sign, or 0x and hex digits. A leading zero is refused: is 010 eight or ten? */
int scalar_int(const char *s, int64_t *ret);
/* Bytes: a plain number, or a number (also 1.5) with KiB, MiB, GiB, TiB. */
int scalar_size(const char *s, int64_t *ret);
/* ns: a number (also 1.5) with ns, us, ms, s, m, h, d; only 0 goes without a unit. */
int scalar_duration(const char *s, int64_t *ret);

/* The shortest exact form: 65536 is 64KiB, 600000000000 is 10m. Into buf; returns buf. */
const char *scalar_format_size(int64_t bytes, char *buf, size_t size);
const char *scalar_format_duration(int64_t ns, char *buf, size_t size);

/*
 * Text from a file as it goes into a message: in quotes, control characters escaped, cut with "..." when longer than 64
 * bytes. Into buf (SCALAR_QUOTE_SIZE is enough for any); returns buf.
 */
#define SCALAR_QUOTE_SIZE 280
const char *scalar_quote(const char *s, char *buf, size_t size);
/* Is this byte, or the two-byte sequence it begins, a control character (C0, DEL, C1)? s is NUL-terminated UTF-8. */
int scalar_is_control(const char *s);

#endif
