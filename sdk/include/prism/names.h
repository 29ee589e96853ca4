/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a module may call itself and what it declares. prismd refuses a module that breaks one of these rules; the fake
 * host refuses it with the same words, so that its author hears of it first.
 *
 *   module, facet, event   a lower-case letter, then lower-case letters, digits, _ and -; at most 31 bytes
 *   metric                 prism_, then lower-case letters, digits and _; at most 127 bytes; a counter ends in _total
 *   label of a metric      letters, digits and _, not beginning with a digit; at most 127 bytes, at most 8 a metric
 *
 * None of the functions accepts NULL.
 */
#ifndef PRISM_NAMES_H
#define PRISM_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <prism/note.h>

#define PRISM_METRIC_NAME_PREFIX "prism_"
#define PRISM_METRIC_NAME_MAX 128 /* bytes of a metric's or label's name with its NUL */
#define PRISM_METRIC_LABELS_MAX 8

/* The rules in words, as messages say them: `a metric's name ` PRISM_METRIC_NAME_RULE. */
#define PRISM_NAME_RULE "begins with a lower-case letter and has lower-case letters, digits, _ and -, at most 31 bytes"
#define PRISM_METRIC_NAME_RULE "begins with prism_ and has lower-case letters, digits and _, at most 127 bytes"

/* The name of a module, a facet or an event: safe as a file name and in `<module>.<event>`. */
static inline bool prism_name_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return name[0] >= 'a' && name[0] <= 'z' && !name[n] && n < PRISM_NAME_MAX;
}

static inline bool prism_metric_name_valid(const char *name)
{
	size_t prefix = sizeof(PRISM_METRIC_NAME_PREFIX) - 1;
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return !strncmp(name, PRISM_METRIC_NAME_PREFIX, prefix) && n > prefix && !name[n] && n < PRISM_METRIC_NAME_MAX;
}

/* Of a metric's name that is valid: may a counter have it? */
static inline bool prism_counter_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n >= 6 && !strcmp(name + n - 6, "_total");
}

/* The name of one of a metric's labels. */
static inline bool prism_label_name_valid(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return name[0] && !(name[0] >= '0' && name[0] <= '9') && !name[n] && n < PRISM_METRIC_NAME_MAX;
}

#endif
