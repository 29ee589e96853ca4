/* SPDX-License-Identifier: Apache-2.0 */
/* What cmocka wants included, in the order in which it wants it, and what several tests use. */
#ifndef UNIT_TEST_H
#define UNIT_TEST_H

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST_SKIPPED 77 /* ctest's SKIP_RETURN_CODE */

#define assert_contains(text, part)                                                                                    \
	do {                                                                                                           \
		if (!strstr(text, part))                                                                               \
			fail_msg("\"%s\"\ndoes not contain\n\"%s\"", text, part);                                      \
	} while (0)

/* Calls fn with the tab-separated fields of each line of a vector file that is no comment; returns the lines. */
static inline unsigned int each_vector(const char *file, unsigned int n_fields, void (*fn)(char *const *field))
{
	char path[512], *line = NULL, *field[8], *s;
	unsigned int lines = 0, i;
	size_t capacity = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/vectors/%s", PRISM_TEST_DATA, file);
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	while (getline(&line, &capacity, f) > 0) {
		if (line[0] == '#')
			continue;
		line[strcspn(line, "\n")] = '\0';
		s = line;
		for (i = 0; i < n_fields; i++)
			field[i] = strsep(&s, "\t");
		if (!field[n_fields - 1] || s)
			fail_msg("%s: \"%s\" does not have %u fields", path, line, n_fields);
		fn(field);
		lines++;
	}
	free(line);
	fclose(f);
	return lines;
}

#define GUARD_SECONDS 55 /* a little less than ctest gives, whose end leaves no time to clean up */

static volatile sig_atomic_t guarded_child;

static inline void end_child(int signal_number)
{
	(void)signal_number;
	kill(guarded_child, SIGKILL);
}

/*
 * Runs tests() in a child and then cleanup() here, so that what they make in the kernel goes however they end: a
 * sanitizer, a signal and a time limit run no atexit(). Returns what main() returns.
 */
static inline int run_guarded(int (*tests)(void), void (*cleanup)(void))
{
	int status = 0;

	fflush(NULL);
	guarded_child = fork();
	if (guarded_child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(GUARD_SECONDS);
		exit(tests());
	}
	signal(SIGTERM, end_child);
	signal(SIGINT, end_child);
	while (guarded_child > 0 && waitpid(guarded_child, &status, 0) < 0 && errno == EINTR)
		;
	cleanup();
	if (guarded_child < 0)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
