/* SPDX-License-Identifier: Apache-2.0 */
/* The arguments of an exec: from bytes as the kernel kept them to a list that may be shown. */
#ifndef TRACE_ARGS_H
#define TRACE_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#define ARGS_REDACTED "***"

/* Words whose value is not shown: `word value` and `word=value`. */
struct redact {
	char **words;
	size_t n;
};

/* Copies word. 0 or -ENOMEM. */
int redact_add(struct redact *redact, const char *word);
void redact_done(struct redact *redact);

struct args {
	const char **list; /* n texts; point into bytes and text */
	size_t n;
	bool cut;    /* there was more than fits */
	char *bytes; /* the copy that the texts lie in */
	char *text;  /* `word=***` of redacted arguments */
};

/*
 * Splits size bytes of NUL-terminated arguments, at most max of them, and hides what redact names; also the value of a
 * word that was the last one taken. The last argument may lack its NUL. 0 or -ENOMEM, ret_args untouched then.
 */
int args_split(const char *bytes, size_t size, size_t max, const struct redact *redact, struct args *ret_args);
void args_done(struct args *args);

#endif
