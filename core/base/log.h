/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line an event, on stderr. `room` says who speaks ("bus", "module net"). Formats: plain, with journald's priority
 * prefix (chosen when stderr is the journal), or JSON. Any thread may log; a line is one write(2).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/error.h"

enum log_level {
	LOG_LEVEL_ERROR = 3, /* syslog's numbers */
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

enum log_format {
	LOG_FORMAT_AUTO,
	LOG_FORMAT_PLAIN,
	LOG_FORMAT_JOURNAL,
	LOG_FORMAT_JSON,
};

void log_setup(enum log_level max, enum log_format format);

__attribute__((format(printf, 3, 4))) void log_line(enum log_level level, const char *room, const char *format, ...);

#define log_error(room, ...) log_line(LOG_LEVEL_ERROR, (room), __VA_ARGS__)
#define log_warning(room, ...) log_line(LOG_LEVEL_WARNING, (room), __VA_ARGS__)
#define log_info(room, ...) log_line(LOG_LEVEL_INFO, (room), __VA_ARGS__)
#define log_debug(room, ...) log_line(LOG_LEVEL_DEBUG, (room), __VA_ARGS__)

/* An error as one line. */
void log_problem(enum log_level level, const char *room, const struct error *e);

#endif
