/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns over cgroup paths, component by component:
 *
 *     {name}   one or more characters within a component, captured
 *     *        any characters within a component
 *     ?        one character
 *     **       as a whole component: any number of components, also none
 *     \c       the character c itself
 *
 * Matching is bounded: PATTERN_STEPS comparisons, then the path counts as not matched.
 */
#ifndef SOURCE_PATTERN_H
#define SOURCE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_CAPTURES 8
#define PATTERN_STEPS 100000

struct pattern;

struct capture {
	const char *start;
	size_t len;
};

/* -EINVAL with *ret_why (a constant string) when text is no pattern. A leading "/" means nothing; a trailing "/ **" is
 * dropped, because what is below a match inherits from it. */
int pattern_new(const char *text, struct pattern **ret, const char **ret_why);
void pattern_free(struct pattern *p);

unsigned int pattern_captures(const struct pattern *p);
const char *pattern_capture_name(const struct pattern *p, unsigned int i);
/* Does the whole path match? The root never does. Captures point into path. */
bool pattern_match(const struct pattern *p, const char *path, struct capture ret[PATTERN_CAPTURES]);

#endif
