/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"

static enum log_level max_level = LOG_LEVEL_INFO;
static enum log_format chosen = LOG_FORMAT_AUTO;

/* systemd states device and inode of the journal's stream in JOURNAL_STREAM; stderr may have been redirected since. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
	       (unsigned long long)st.st_dev == dev && (unsigned long long)st.st_ino == ino;
}

void log_setup(enum log_level max, enum log_format format)
{
	if (format == LOG_FORMAT_AUTO)
		format = stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_PLAIN;
	chosen = format;
	max_level = max;
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "?";
}

static void append_time(struct text *out)
{
	char day[32];
	struct timespec t;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	text_appendf(out, "%s.%03ldZ", day, t.tv_nsec / 1000000);
}

/* A line stays a line, and what a terminal would take for a command (C0, DEL, C1) stays text. */
static void append_plain(struct text *out, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	for (; *p; p++) {
		if ((*p < 0x20 && *p != '\t') || *p == 0x7f) {
			text_appendf(out, "\\x%02x", *p);
		} else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) {
			text_appendf(out, "\\u%04x", *++p);
		} else {
			text_append_n(out, (const char *)p, 1);
		}
	}
}

void log_line(enum log_level level, const char *room, const char *format, ...)
{
	char message[2048];
	struct text out = {0};
	ssize_t written;
	va_list args;

	if (level > max_level)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);

	if (chosen == LOG_FORMAT_JSON) {
		text_append(&out, "{\"time\":\"");
		append_time(&out);
		text_appendf(&out, "\",\"level\":\"%s\",\"room\":\"", level_name(level));
		text_append_json(&out, room, strlen(room));
		text_append(&out, "\",\"message\":\"");
		text_append_json(&out, message, strlen(message));
		text_append(&out, "\"}\n");
	} else {
		if (chosen == LOG_FORMAT_JOURNAL) {
			text_appendf(&out, "<%d>", (int)level);
		} else {
			append_time(&out);
			text_appendf(&out, " %-7s ", level_name(level));
		}
		text_appendf(&out, "%s: ", room);
		append_plain(&out, message);
		text_append(&out, "\n");
	}
	if (!out.failed) {
		written = write(STDERR_FILENO, out.data, out.len);
		(void)written; /* there is nobody left to tell */
	}
	text_done(&out);
}

void log_problem(enum log_level level, const char *room, const struct error *e)
{
	log_line(level, room, "%s%s%s", e->where, e->where[0] ? ": " : "", e->text);
}
