// SPDX-License-Identifier: Apache-2.0
#include "args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int redact_add(struct redact *redact, const char *word)
{
	char **words = reallocarray(redact->words, redact->n + 1, sizeof(*words));

	if (!words)
		return -ENOMEM;
	redact->words = words;
	words[redact->n] = strdup(word);
	if (!words[redact->n])
		return -ENOMEM;
	redact->n++;
	return 0;
}

void redact_done(struct redact *redact)
{
	for (size_t i = 0; i < redact->n; i++)
		free(redact->words[i]);
	free(redact->words);
	*redact = (struct redact){0};
}

/* Length of the word that arg is or begins with before a '='; 0 when it is none. */
static size_t match(const struct redact *redact, const char *arg)
{
	size_t length = strcspn(arg, "=");

	for (size_t i = 0; i < redact->n; i++) {
		if (strlen(redact->words[i]) == length && !memcmp(redact->words[i], arg, length))
			return length;
	}
	return 0;
}

static size_t count_args(const char *bytes, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < size; n++)
		i += strnlen(bytes + i, size - i) + 1;
	return n;
}

/* `word=***` at text; bytes used. */
static size_t hide_value(char *text, const char *arg, size_t word)
{
	memcpy(text, arg, word + 1);
	memcpy(text + word + 1, ARGS_REDACTED, sizeof(ARGS_REDACTED));
	return word + 1 + sizeof(ARGS_REDACTED);
}

static void fill(struct args *args, size_t size, const struct redact *redact)
{
	const char *arg = args->bytes;
	size_t used = 0;
	bool hide = false;

	for (size_t i = 0; i < args->n; i++, arg += strnlen(arg, size - (size_t)(arg - args->bytes)) + 1) {
		size_t word = hide ? 0 : match(redact, arg);

		args->list[i] = hide ? ARGS_REDACTED : arg;
		hide = word && !arg[word];
		if (word && arg[word]) {
			args->list[i] = args->text + used;
			used += hide_value(args->text + used, arg, word);
		}
	}
}

int args_split(const char *bytes, size_t size, size_t max, const struct redact *redact, struct args *ret_args)
{
	size_t n = count_args(bytes, size);
	struct args args = {.n = n < max ? n : max, .cut = n > max};

	args.list = calloc(args.n + 1, sizeof(*args.list));
	args.bytes = malloc(size + 1);
	/* Each redacted argument keeps its word and '=', and gains at most the stars and a NUL. */
	args.text = malloc(size + args.n * sizeof(ARGS_REDACTED) + 1);
	if (!args.list || !args.bytes || !args.text) {
		args_done(&args);
		return -ENOMEM;
	}
	memcpy(args.bytes, bytes, size);
	args.bytes[size] = '\0';
	fill(&args, size, redact);
	*ret_args = args;
	return 0;
}

void args_done(struct args *args)
{
	free(args->list);
	free(args->bytes);
	free(args->text);
	*args = (struct args){0};
}
