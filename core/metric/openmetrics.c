/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/openmetrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metric/metric.h"

#define TOTAL "_total"

static bool ends_with(const char *s, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return len > n && !memcmp(s + len - n, suffix, n);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* [a-zA-Z_][a-zA-Z0-9_]*, and for metrics `:` as well. */
static bool valid_name(const char *s, bool colon)
{
	size_t i;

	if (!s || !*s)
		return false;
	for (i = 0; s[i]; i++)
		if (!is_letter(s[i]) && !(colon && s[i] == ':') && !(i && s[i] >= '0' && s[i] <= '9'))
			return false;
	return true;
}

static bool valid_label(const struct prism_metric *m, size_t i)
{
	const char *name = m->labels[i];
	size_t k;

	if (!valid_name(name, false) || !strncmp(name, "__", 2))
		return false;
	if (m->kind == PRISM_METRIC_HISTOGRAM && !strcmp(name, "le"))
		return false;
	if ((m->flags & PRISM_METRIC_BY_IDENTITY) &&
	    (!strcmp(name, "identity") || !strcmp(name, "namespace") || !strcmp(name, "workload")))
		return false;
	for (k = 0; k < i; k++)
		if (!strcmp(name, m->labels[k]))
			return false;
	return true;
}

static bool valid_buckets(const struct prism_metric *m)
{
	uint32_t i;

	for (i = 0; i < m->n_buckets; i++)
		if (!isfinite(m->buckets[i]) || (i && m->buckets[i] <= m->buckets[i - 1]))
			return false;
	return m->n_buckets > 0;
}

bool openmetrics_valid(const struct prism_metric *m)
{
	size_t i;

	if (!valid_name(m->name, true))
		return false;
	for (i = 0; m->labels && m->labels[i]; i++)
		if (!valid_label(m, i))
			return false;
	switch (m->kind) {
	case PRISM_METRIC_COUNTER:
		return ends_with(m->name, strlen(m->name), TOTAL);
	case PRISM_METRIC_GAUGE:
		return !ends_with(m->name, strlen(m->name), TOTAL);
	case PRISM_METRIC_HISTOGRAM:
		return !ends_with(m->name, strlen(m->name), TOTAL) && m->buckets && valid_buckets(m);
	}
	return false;
}

static const char *kind_name(uint32_t kind)
{
	return kind == PRISM_METRIC_COUNTER ? "counter" : kind == PRISM_METRIC_GAUGE ? "gauge" : "histogram";
}

/* Bytes that are not UTF-8 become U+FFFD: the whole exposition must be UTF-8 or a scraper refuses all of it. */
static void append_escaped(struct text *out, const char *s)
{
	size_t left = strlen(s), len;

	for (; left; s += len, left -= len) {
		len = text_utf8_length(s, left);
		if (!len) {
			text_append(out, "\xef\xbf\xbd");
			len = 1;
		} else if (*s == '\n') {
			text_append_n(out, "\\n", 2);
		} else if (*s == '"' || *s == '\\') {
			text_append_n(out, "\\", 1);
			text_append_n(out, s, 1);
		} else {
			text_append_n(out, s, len);
		}
	}
}

void openmetrics_head(const struct prism_metric *m, struct text *out)
{
	int len = (int)strlen(m->name);

	if (m->kind == PRISM_METRIC_COUNTER)
		len -= (int)strlen(TOTAL);
	text_appendf(out, "# TYPE %.*s %s\n", len, m->name, kind_name(m->kind));
	if (m->unit && valid_name(m->unit, false) && ends_with(m->name, (size_t)len, m->unit) &&
	    m->name[(size_t)len - strlen(m->unit) - 1] == '_')
		text_appendf(out, "# UNIT %.*s %s\n", len, m->name, m->unit);
	if (m->help && *m->help) {
		text_appendf(out, "# HELP %.*s ", len, m->name);
		append_escaped(out, m->help);
		text_append(out, "\n");
	}
}

void openmetrics_label(struct text *out, const char *key, const char *value, bool *first)
{
	if (!*first)
		text_append_n(out, ",", 1);
	*first = false;
	text_append(out, key);
	text_append_n(out, "=\"", 2);
	append_escaped(out, value ? value : "");
	text_append_n(out, "\"", 1);
}

/* Shortest "d.ddde+XX" that reads back as the same double. */
static int shortest(double value, char *buf, size_t size)
{
	int digits;

	for (digits = 0; digits < 17; digits++) {
		snprintf(buf, size, "%.*e", digits, value);
		if (strtod(buf, NULL) == value)
			break;
	}
	return digits;
}

static bool append_special(struct text *out, double value)
{
	if (isnan(value))
		text_append(out, "NaN");
	else if (isinf(value))
		text_append(out, value > 0 ? "+Inf" : "-Inf");
	else
		return false;
	return true;
}

void openmetrics_number(struct text *out, double value)
{
	char buf[40];
	int digits, exponent;

	if (append_special(out, value))
		return;
	/* A counter is read by people and by tools that count: 1000000, never 1e+06. */
	if (value == trunc(value) && fabs(value) < 18446744073709551616.0) {
		text_appendf(out, "%.0f", value == 0 ? 0.0 : value);
		return;
	}
	digits = shortest(value, buf, sizeof(buf));
	exponent = atoi(strchr(buf, 'e') + 1);
	if (exponent >= -5 && exponent < 16)
		text_appendf(out, "%.*f", digits > exponent ? digits - exponent : 0, value);
	else
		text_append(out, buf);
}

void openmetrics_bound(struct text *out, double bound)
{
	char buf[40];
	int digits, exponent;

	if (append_special(out, bound))
		return;
	digits = shortest(bound, buf, sizeof(buf));
	exponent = atoi(strchr(buf, 'e') + 1);
	if (exponent < -4 || exponent >= 6)
		text_append(out, buf);
	else
		text_appendf(out, "%.*f", digits - exponent > 1 ? digits - exponent : 1, bound);
}

void openmetrics_sample(const struct prism_metric *m, const char *labels, double value, struct text *out)
{
	text_append(out, m->name);
	if (*labels) {
		text_append_n(out, "{", 1);
		text_append(out, labels);
		text_append_n(out, "}", 1);
	}
	text_append_n(out, " ", 1);
	openmetrics_number(out, value);
	text_append_n(out, "\n", 1);
}

static void append_part(const struct prism_metric *m, const char *suffix, const char *labels, struct text *out)
{
	text_append(out, m->name);
	text_append(out, suffix);
	if (*labels) {
		text_append_n(out, "{", 1);
		text_append(out, labels);
		text_append_n(out, "}", 1);
	}
}

void openmetrics_histogram(const struct prism_metric *m, const char *labels, const uint64_t *counts, double sum,
			   struct text *out)
{
	uint64_t total = 0;
	uint32_t i;

	for (i = 0; i <= m->n_buckets; i++) {
		total += counts[i];
		text_appendf(out, "%s_bucket{%s%sle=\"", m->name, labels, *labels ? "," : "");
		openmetrics_bound(out, i < m->n_buckets ? m->buckets[i] : INFINITY);
		text_appendf(out, "\"} %" PRIu64 "\n", total);
	}
	append_part(m, "_count", labels, out);
	text_appendf(out, " %" PRIu64 "\n", total);
	append_part(m, "_sum", labels, out);
	text_append_n(out, " ", 1);
	openmetrics_number(out, sum);
	text_append_n(out, "\n", 1);
}

/* HELP escapes quotes in OpenMetrics and does not in the older format. */
static void append_help(struct text *out, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (s[i] == '\\' && i + 1 < n) {
			if (s[i + 1] != '"')
				text_append_n(out, s + i, 1);
			i++;
		}
		text_append_n(out, s + i, 1);
	}
}

static void plain_meta(struct text *out, const char *line, size_t n, bool *counter)
{
	const char *name = line + strlen("# TYPE "), *end = line + n, *space;
	bool type = !strncmp(line, "# TYPE ", 7);

	space = memchr(name, ' ', (size_t)(end - name));
	if (!space)
		return;
	if (type)
		*counter = end - space == 8 && !memcmp(space, " counter", 8);
	text_append_n(out, line, (size_t)(space - line));
	if (*counter)
		text_append(out, TOTAL);
	if (type)
		text_append_n(out, space, (size_t)(end - space));
	else
		append_help(out, space, (size_t)(end - space));
	text_append_n(out, "\n", 1);
}

void metrics_plain(const char *data, size_t len, struct text *out)
{
	const char *end = data + len, *line, *next;
	bool counter = false;

	for (line = data; line < end; line = next) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t n = newline ? (size_t)(newline - line) : (size_t)(end - line);

		next = newline ? newline + 1 : end;
		if (n > 7 && (!memcmp(line, "# TYPE ", 7) || !memcmp(line, "# HELP ", 7))) {
			plain_meta(out, line, n, &counter);
		} else if (n && line[0] != '#') {
			text_append_n(out, line, n);
			text_append_n(out, "\n", 1);
		}
	}
}
