/* SPDX-License-Identifier: Apache-2.0 */
/* --help, from the tables of commands and options. */
#include <string.h>

#include "ctl/args.h"

static void print_options(const struct ctl_option *options, FILE *out)
{
	for (; options && options->name; options++) {
		char left[64];
		const char *value = options->value ? options->value : "";
		const char *form = options->argument == ARGUMENT_NONE       ? "%s%s"
				   : options->argument == ARGUMENT_REQUIRED ? "%s=%s"
									    : "%s[=%s]";
		char name[48];

		snprintf(name, sizeof(name), form, options->name, value);
		if (options->letter)
			snprintf(left, sizeof(left), "-%c, --%s", options->letter, name);
		else
			snprintf(left, sizeof(left), "    --%s", name);
		fprintf(out, "  %-24s %s\n", left, options->help);
	}
}

static void command_line(const struct command *c, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s%s", c->noun, c->verb ? " " : "", c->verb ? c->verb : "", c->arguments ? " " : "",
		 c->arguments ? c->arguments : "");
}

static void print_commands(const char *noun, FILE *out)
{
	for (const struct command *const *c = ctl_commands; *c; c++) {
		char line[96];

		if (noun && strcmp(noun, (*c)->noun) != 0)
			continue;
		command_line(*c, line, sizeof(line));
		fprintf(out, "  %-37s %s\n", line, (*c)->summary);
	}
}

static void print_all(FILE *out)
{
	fputs("Usage: prismctl [OPTIONS] COMMAND [ARGUMENTS]\n\n"
	      "Looks at and steers prismd, the workload-identity bus. Reads the pinned maps when prismd is down.\n\n"
	      "Commands:\n",
	      out);
	print_commands(NULL, out);
	fputs("\nOptions of every command:\n", out);
	print_options(ctl_global_options, out);
	fputs("\nExit codes: 0 healthy, 1 error, 2 usage, 3 prismd is not running, 4 degraded, 5 not found.\n"
	      "'prismctl COMMAND --help' tells more and gives examples; prismctl(1) has all of it.\n\n"
	      "Examples:\n"
	      "  prismctl status --wait=30s\n"
	      "  prismctl identity list -o wide\n"
	      "  prismctl identity explain $$\n"
	      "  prismctl events -f --type trace.exec\n",
	      out);
}

void help_print_noun(const char *noun, FILE *out)
{
	fprintf(out, "Usage: prismctl [OPTIONS] %s COMMAND\n\nCommands:\n", noun);
	print_commands(noun, out);
	fputs("\nOptions of every command:\n", out);
	print_options(ctl_global_options, out);
	fputs("\nExamples:\n", out);
	for (const struct command *const *c = ctl_commands; *c; c++) {
		if (strcmp(noun, (*c)->noun) == 0)
			fputs((*c)->examples, out);
	}
}

void help_print(const struct command *command, FILE *out)
{
	char line[96];

	if (!command) {
		print_all(out);
		return;
	}
	command_line(command, line, sizeof(line));
	fprintf(out, "Usage: prismctl [OPTIONS] %s\n\n%s.\n", line, command->summary);
	if (command->detail)
		fprintf(out, "\n%s\n", command->detail);
	if (command->options) {
		fputs("\nOptions:\n", out);
		print_options(command->options, out);
	}
	fputs("\nOptions of every command:\n", out);
	print_options(ctl_global_options, out);
	fprintf(out, "\nExamples:\n%s", command->examples);
}
