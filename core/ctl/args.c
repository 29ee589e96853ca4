/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/args.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

const struct ctl_option ctl_global_options[] = {
	{"socket", 0, ARGUMENT_REQUIRED, "PATH", "prismd's socket (default: the configuration's)", "@file"},
	{"config", 0, ARGUMENT_REQUIRED, "PATH", "configuration file (default " PRISM_CONFIG ")", "@file"},
	{"bus-dir", 0, ARGUMENT_REQUIRED, "DIR", "where the bus is pinned (default: the configuration's)", "@file"},
	{"output", 'o', ARGUMENT_REQUIRED, "FORMAT", "table, wide, json or yaml", "table wide json yaml"},
	{"no-color", 0, ARGUMENT_NONE, NULL, "no colour, as with NO_COLOR in the environment", NULL},
	{"quiet", 'q', ARGUMENT_NONE, NULL, "no notes on stderr", NULL},
	{"help", 'h', ARGUMENT_NONE, NULL, "this help", NULL},
	{"version", 0, ARGUMENT_NONE, NULL, "the version of prismctl", NULL},
	{0},
};

/* getopt_long's view of the global options and, in the second pass, of a command's own. */
#define MAX_OPTIONS 32
#define OPTION_BASE 1000

struct option_set {
	const struct ctl_option *option[MAX_OPTIONS];
	struct option longs[MAX_OPTIONS + 1];
	char letters[3 * MAX_OPTIONS + 3];
	int n;
};

static void add_options(struct option_set *set, const struct ctl_option *options)
{
	char *end = set->letters + strlen(set->letters);

	for (; options && options->name && set->n < MAX_OPTIONS; options++) {
		set->option[set->n] = options;
		set->longs[set->n] = (struct option){
			.name = options->name,
			.has_arg = (int)options->argument, /* none, required, optional: the same numbers */
			.val = OPTION_BASE + set->n,
		};
		set->n++;
		if (!options->letter)
			continue;
		*end++ = options->letter;
		for (int i = 0; i < (int)options->argument; i++)
			*end++ = ':';
	}
	*end = '\0';
}

static const struct ctl_option *option_of(const struct option_set *set, int code)
{
	if (code >= OPTION_BASE)
		return set->option[code - OPTION_BASE];
	for (int i = 0; i < set->n; i++) {
		if (set->option[i]->letter == code)
			return set->option[i];
	}
	return NULL;
}

static int take_global(struct ctl *ctl, const struct ctl_option *option, const char *value, struct invocation *inv)
{
	if (strcmp(option->name, "socket") == 0)
		ctl->socket = value;
	else if (strcmp(option->name, "config") == 0)
		ctl->config = value;
	else if (strcmp(option->name, "bus-dir") == 0)
		ctl->bus_dir = value;
	else if (strcmp(option->name, "quiet") == 0)
		ctl->quiet = true;
	else if (strcmp(option->name, "no-color") == 0)
		ctl->style.color = false;
	else if (strcmp(option->name, "help") == 0)
		inv->help = true;
	else if (strcmp(option->name, "version") == 0)
		inv->version = true;
	else if (output_format_parse(value, &ctl->style.format) < 0)
		return ctl_usage("-o %s: not one of table, wide, json, yaml", value);
	return 0;
}

static bool is_global(const struct ctl_option *option)
{
	for (const struct ctl_option *g = ctl_global_options; g->name; g++) {
		if (g == option)
			return true;
	}
	return false;
}

static int take_option(struct ctl *ctl, const struct ctl_option *option, const char *value, struct invocation *inv)
{
	if (is_global(option))
		return take_global(ctl, option, value, inv);
	if (inv->n_given == INVOCATION_MAX_OPTIONS)
		return ctl_usage("--%s: too many options", option->name);
	inv->given[inv->n_given].option = option;
	inv->given[inv->n_given++].value = value;
	return 0;
}

/* One pass of getopt_long over argv from argv[1]; *ret_rest is the first word that is no option. */
static int pass(struct ctl *ctl, int argc, char **argv, const struct option_set *set, struct invocation *inv,
		int *ret_rest)
{
	int code, r;

	optind = 0; /* glibc: start anew */
	opterr = 0;
	while ((code = getopt_long(argc, argv, set->letters, set->longs, NULL)) != -1) {
		const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";

		if (code == ':' || (code == '?' && optopt >= OPTION_BASE && option_of(set, optopt)))
			return ctl_usage(option_of(set, optopt)->argument == ARGUMENT_NONE ? "%s: takes no argument"
											   : "%s: needs an argument",
					 word);
		if (code == '?' && optopt)
			return ctl_usage("-%c: unknown option", optopt);
		if (code == '?')
			return ctl_usage("%s: unknown option", word);
		r = take_option(ctl, option_of(set, code), optarg, inv);
		if (r)
			return r;
	}
	*ret_rest = optind;
	return 0;
}

bool command_is_noun(const char *word)
{
	for (const struct command *const *c = ctl_commands; *c; c++) {
		if (strcmp((*c)->noun, word) == 0)
			return true;
	}
	return false;
}

/* *ret_words: how many words of argv the command's name takes. */
static const struct command *find_command(int argc, char **argv, int *ret_words)
{
	for (const struct command *const *c = ctl_commands; *c; c++) {
		if (strcmp((*c)->noun, argv[0]) != 0)
			continue;
		if (!(*c)->verb || (argc > 1 && strcmp((*c)->verb, argv[1]) == 0)) {
			*ret_words = (*c)->verb ? 2 : 1;
			return *c;
		}
	}
	return NULL;
}

static int no_such_command(int argc, char **argv)
{
	if (!command_is_noun(argv[0]))
		return ctl_usage("%s: no such command", argv[0]);
	if (argc > 1 && argv[1][0] != '-')
		return ctl_usage("%s %s: no such command (see 'prismctl %s --help')", argv[0], argv[1], argv[0]);
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		help_print_noun(argv[0], stdout);
		return -ECANCELED;
	}
	return ctl_usage("%s: which of its commands? (see 'prismctl %s --help')", argv[0], argv[0]);
}

static int check_count(const struct invocation *inv)
{
	const struct command *c = inv->command;
	const char *gap = c->verb ? " " : "", *verb = c->verb ? c->verb : "";

	if (inv->n_args < c->min_args)
		return ctl_usage("%s%s%s: needs %s (see 'prismctl %s%s%s --help')", c->noun, gap, verb, c->arguments,
				 c->noun, gap, verb);
	if (inv->n_args > c->max_args)
		return ctl_usage("%s%s%s: %s: one argument too many", c->noun, gap, verb, inv->args[c->max_args]);
	return 0;
}

int args_parse(struct ctl *ctl, int argc, char **argv, struct invocation *ret)
{
	struct option_set set = {.letters = "+:"};
	int rest = 1, words = 0, r;

	*ret = (struct invocation){0};
	add_options(&set, ctl_global_options);
	r = pass(ctl, argc, argv, &set, ret, &rest);
	if (r || ret->help || ret->version)
		return r;
	if (rest >= argc)
		return ctl_usage("which command?");
	ret->command = find_command(argc - rest, argv + rest, &words);
	if (!ret->command)
		return no_such_command(argc - rest, argv + rest);

	/* Second pass: behind the command's name, its own options too, mixed with its arguments. */
	argc -= rest + words - 1;
	argv += rest + words - 1;
	strcpy(set.letters, ":");
	set.n = 0;
	add_options(&set, ctl_global_options);
	add_options(&set, ret->command->options);
	r = pass(ctl, argc, argv, &set, ret, &rest);
	if (r || ret->help)
		return r;
	ret->args = argv + rest;
	ret->n_args = argc - rest;
	return check_count(ret);
}

bool invocation_has(const struct invocation *inv, const char *option)
{
	for (unsigned int i = 0; i < inv->n_given; i++) {
		if (strcmp(inv->given[i].option->name, option) == 0)
			return true;
	}
	return false;
}

const char *invocation_value(const struct invocation *inv, const char *option)
{
	const char *value = NULL;

	for (unsigned int i = 0; i < inv->n_given; i++) {
		if (strcmp(inv->given[i].option->name, option) == 0)
			value = inv->given[i].value;
	}
	return value;
}
