/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the command line to a command and its options. Commands are data: names, arguments, options, help and examples
 * stand in one table each, and help, completion and the parser all read it.
 */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include "ctl/ctl.h"

enum option_argument {
	ARGUMENT_NONE,
	ARGUMENT_REQUIRED,
	ARGUMENT_OPTIONAL,
};

/* One option. Tables end with a NULL name. */
struct ctl_option {
	const char *name;
	char letter; /* 0: none */
	enum option_argument argument;
	const char *value; /* what the argument is called in the help */
	const char *help;
	const char *words; /* completion: the values it can have, space-separated; "@file"; NULL */
};

struct invocation;

struct command {
	const char *noun;
	const char *verb;      /* NULL: the noun stands alone */
	const char *arguments; /* "NAME", "[FILE]"; NULL: none */
	int min_args, max_args;
	const char *summary;
	const char *detail; /* more help; NULL: none */
	const char *examples;
	const struct ctl_option *options; /* NULL: none of its own */
	const char *complete;             /* completion of its argument: "@module", "@identity", "@file", or words */
	int (*run)(struct ctl *ctl, const struct invocation *inv);
};

#define INVOCATION_MAX_OPTIONS 16

/* A parsed command line. Borrows argv. */
struct invocation {
	const struct command *command; /* NULL: help or version was asked for */
	bool help, version;
	char **args;
	int n_args;
	struct {
		const struct ctl_option *option;
		const char *value;
	} given[INVOCATION_MAX_OPTIONS];
	unsigned int n_given;
};

/* All commands, ended by NULL, and the options that every command takes. */
extern const struct command *const ctl_commands[];
extern const struct ctl_option ctl_global_options[];

/*
 * Parses; permutes argv. Global options are put into ctl and may stand anywhere. 0, or CTL_USAGE after saying on stderr
 * what is wrong.
 */
int args_parse(struct ctl *ctl, int argc, char **argv, struct invocation *ret);

bool invocation_has(const struct invocation *inv, const char *option);
/* Argument of an option of the command; NULL when it was not given or had none. */
const char *invocation_value(const struct invocation *inv, const char *option);

/* The help of one command; of all (command NULL); of a noun's commands. */
void help_print(const struct command *command, FILE *out);
void help_print_noun(const char *noun, FILE *out);
bool command_is_noun(const char *word);

#endif
