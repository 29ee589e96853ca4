/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/util.h"

void style_init(struct style *s, FILE *out, bool no_color)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	struct winsize w = {0};
	bool terminal = isatty(fileno(out));

	s->out = out;
	s->color = terminal && !no_color && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
	s->width = 0;
	if (terminal)
		s->width = ioctl(fileno(out), TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
}

int output_format_parse(const char *text, enum output_format *ret)
{
	static const char *const names[] = {"table", "wide", "json", "yaml"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum output_format)i;
			return 0;
		}
	}
	return -EINVAL;
}

enum tone tone_of(const char *word)
{
	static const struct {
		const char *word;
		enum tone tone;
	} words[] = {
		{"healthy", TONE_GOOD},    {"ok", TONE_GOOD},          {"running", TONE_GOOD},  {"live", TONE_GOOD},
		{"degraded", TONE_WARN},   {"warn", TONE_WARN},        {"starting", TONE_WARN}, {"stopping", TONE_WARN},
		{"stale", TONE_WARN},      {"unsupported", TONE_WARN}, {"fail", TONE_BAD},      {"failed", TONE_BAD},
		{"down", TONE_BAD},        {"quarantined", TONE_BAD},  {"disabled", TONE_DIM},  {"held", TONE_DIM},
		{"not-running", TONE_BAD}, {"closed", TONE_DIM},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i].word) == 0)
			return words[i].tone;
	}
	return TONE_PLAIN;
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

void table_init(struct table *t, const struct column *columns, size_t n_columns)
{
	*t = (struct table){.columns = columns, .n_columns = n_columns};
}

void table_done(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct table){0};
}

static int grow(struct table *t)
{
	size_t capacity = t->capacity ? t->capacity * 2 : 64;
	struct cell *cells;

	if (t->n_cells < t->capacity)
		return 0;
	cells = reallocarray(t->cells, capacity, sizeof(*cells));
	if (!cells)
		return -ENOMEM;
	t->cells = cells;
	t->capacity = capacity;
	return 0;
}

__attribute__((format(printf, 3, 0))) static void add_cell(struct table *t, enum tone tone, const char *format,
							   va_list args)
{
	_cleanup_free_ char *raw = NULL;
	struct text escaped = {0};
	char *text = NULL;
	int n;

	n = vasprintf(&raw, format, args);
	if (n < 0)
		raw = NULL;
	else
		escape_terminal(&escaped, raw, (size_t)n);
	if (raw)
		text = text_take(&escaped);
	if (!text || grow(t) < 0) {
		free(text);
		t->failed = true;
		return;
	}
	t->cells[t->n_cells++] = (struct cell){.text = text, .tone = tone};
}

void table_cell(struct table *t, enum tone tone, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_cell(t, tone, format, args);
	va_end(args);
}

static const char *tone_start(enum tone tone, const struct style *s)
{
	static const char *const codes[] = {"", "\033[32m", "\033[33m", "\033[31m", "\033[2m"};

	return s->color ? codes[tone] : "";
}

static const char *tone_end(enum tone tone, const struct style *s)
{
	return s->color && tone != TONE_PLAIN ? "\033[0m" : "";
}

static void print_padding(FILE *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fputc(' ', out);
}

/* The longest prefix of whole characters that fits into `columns`, with room for the ellipsis. */
static size_t cut_to(const char *text, size_t columns)
{
	size_t len = strlen(text), fit = 0;

	for (size_t i = 1; i <= len; i++) {
		if (i < len && ((unsigned char)text[i] & 0xc0) == 0x80)
			continue;
		if (text_columns(text, i) > columns)
			break;
		fit = i;
	}
	return fit;
}

static void print_last(const struct cell *cell, size_t used, const struct style *s)
{
	size_t columns = text_columns(cell->text, strlen(cell->text)), room;

	room = s->width > used ? s->width - used : 0;
	if (!s->width || s->format == OUTPUT_WIDE || columns <= room || room < 8) {
		fprintf(s->out, "%s%s%s\n", tone_start(cell->tone, s), cell->text, tone_end(cell->tone, s));
		return;
	}
	fprintf(s->out, "%s%.*s…%s\n", tone_start(cell->tone, s), (int)cut_to(cell->text, room - 1), cell->text,
		tone_end(cell->tone, s));
}

static bool shown(const struct column *c, const struct style *s)
{
	return !c->wide || s->format == OUTPUT_WIDE;
}

static void print_row(const struct table *t, const struct cell *row, const size_t *width, const struct style *s)
{
	size_t last = 0, used = 0;

	for (size_t i = 0; i < t->n_columns; i++) {
		if (shown(&t->columns[i], s))
			last = i;
	}
	for (size_t i = 0; i < last; i++) {
		size_t pad = width[i] - text_columns(row[i].text, strlen(row[i].text));

		if (!shown(&t->columns[i], s))
			continue;
		if (t->columns[i].right)
			print_padding(s->out, pad);
		fprintf(s->out, "%s%s%s", tone_start(row[i].tone, s), row[i].text, tone_end(row[i].tone, s));
		print_padding(s->out, (t->columns[i].right ? 0 : pad) + 2);
		used += width[i] + 2;
	}
	if (t->columns[last].right) {
		size_t columns = text_columns(row[last].text, strlen(row[last].text));

		print_padding(s->out, width[last] > columns ? width[last] - columns : 0);
	}
	print_last(&row[last], used, s);
}

static int print_rows(const struct table *t, const struct style *s, bool header)
{
	_cleanup_free_ size_t *width = calloc(t->n_columns, sizeof(*width));
	_cleanup_free_ struct cell *titles = calloc(t->n_columns, sizeof(*titles));

	if (!width || !titles || t->failed)
		return -ENOMEM;
	for (size_t i = 0; i < t->n_columns; i++) {
		titles[i].text = (char *)t->columns[i].title;
		width[i] = header ? strlen(t->columns[i].title) : 0;
	}
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t columns = text_columns(t->cells[i].text, strlen(t->cells[i].text));

		if (columns > width[i % t->n_columns])
			width[i % t->n_columns] = columns;
	}
	if (header)
		print_row(t, titles, width, s);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		print_row(t, t->cells + i, width, s);
	return 0;
}

int table_print(const struct table *t, const struct style *s)
{
	return print_rows(t, s, true);
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

void fields_init(struct table *t)
{
	static const struct column columns[] = {{.title = ""}, {.title = ""}};

	table_init(t, columns, ARRAY_SIZE(columns));
}

void fields_add(struct table *t, const char *name, enum tone tone, const char *format, ...)
{
	va_list args;

	table_cell(t, TONE_PLAIN, "%s%s", name, *name ? ":" : "");
	va_start(args, format);
	add_cell(t, tone, format, args);
	va_end(args);
}

int fields_print(const struct table *t, const struct style *s)
{
	struct style uncut = *s;

	uncut.width = 0;
	return print_rows(t, &uncut, false);
}

const char *duration_text(double seconds, char *buf, size_t size)
{
	uint64_t s = seconds > 0 ? (uint64_t)seconds : 0;

	if (seconds < 1e-3)
		snprintf(buf, size, "%.1fus", seconds * 1e6);
	else if (seconds < 1)
		snprintf(buf, size, "%.1fms", seconds * 1e3);
	else if (seconds < 60)
		snprintf(buf, size, "%.1fs", seconds);
	else if (s < 3600)
		snprintf(buf, size, "%um%02us", (unsigned int)(s / 60), (unsigned int)(s % 60));
	else if (s < 86400)
		snprintf(buf, size, "%uh%02um", (unsigned int)(s / 3600), (unsigned int)(s / 60 % 60));
	else
		snprintf(buf, size, "%llud%02uh", (unsigned long long)(s / 86400), (unsigned int)(s / 3600 % 24));
	return buf;
}
