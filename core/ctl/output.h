/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people and scripts read. Tables with columns as wide as their widest cell; JSON and YAML of the same document.
 * Everything that comes from outside is made harmless first: no byte that a terminal acts on leaves prismctl, and
 * neither do the invisible characters that change the direction of text.
 */
#ifndef CTL_OUTPUT_H
#define CTL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/text.h"

enum output_format {
	OUTPUT_TABLE,
	OUTPUT_WIDE,
	OUTPUT_JSON,
	OUTPUT_YAML,
};

struct style {
	enum output_format format;
	bool color;
	unsigned int width; /* columns of the terminal; 0: not a terminal, never cut */
	FILE *out;
};

/* Colour and width for out: colour only on a terminal, without NO_COLOR, TERM=dumb and no_color. */
void style_init(struct style *s, FILE *out, bool no_color);
int output_format_parse(const char *text, enum output_format *ret);

/* For a terminal: control bytes and bytes that are not UTF-8 as \xHH, direction marks as \u{HHHH}. */
void escape_terminal(struct text *out, const char *s, size_t n);
/* The same for text that is JSON already: \u00HH, which a parser turns back. Newlines stay. */
void escape_json(struct text *out, const char *s, size_t n);
/* Columns that n bytes of UTF-8 take. */
size_t text_columns(const char *s, size_t n);

enum tone {
	TONE_PLAIN,
	TONE_GOOD,
	TONE_WARN,
	TONE_BAD,
	TONE_DIM,
};
/* The tone of a word for a state: healthy, running, ok, degraded, failed, ... */
enum tone tone_of(const char *word);

struct column {
	const char *title;
	bool right;
	bool wide; /* only with -o wide */
};

/* Cells are appended row by row. Running out of memory is remembered and said by table_print(). */
struct table {
	const struct column *columns;
	size_t n_columns;
	struct cell {
		char *text; /* escaped */
		enum tone tone;
	} *cells;
	size_t n_cells, capacity;
	bool failed;
};

void table_init(struct table *t, const struct column *columns, size_t n_columns);
__attribute__((format(printf, 3, 4))) void table_cell(struct table *t, enum tone tone, const char *format, ...);
/* Prints with a header line; on a terminal the last column is cut to fit unless wide. 0, -ENOMEM. */
int table_print(const struct table *t, const struct style *s);
void table_done(struct table *t);

/* "Name:   value" lines with the values aligned: a table of two columns without header. */
void fields_init(struct table *t);
__attribute__((format(printf, 4, 5))) void fields_add(struct table *t, const char *name, enum tone tone,
						      const char *format, ...);
int fields_print(const struct table *t, const struct style *s);

int output_json(const json_t *doc, FILE *out);
int output_yaml(const json_t *doc, FILE *out);

/* "3m12s", "250ms", for people; into buf. */
const char *duration_text(double seconds, char *buf, size_t size);

#endif
