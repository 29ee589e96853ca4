/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prismctl completion: scripts for three shells, made from the tables of commands and options. What a name may be is
 * asked of prismctl itself when Tab is pressed.
 */
#include <errno.h>
#include <string.h>

#include "ctl/commands.h"

static bool first_of_noun(const struct command *const *c)
{
	for (const struct command *const *before = ctl_commands; before != c; before++) {
		if (strcmp((*before)->noun, (*c)->noun) == 0)
			return false;
	}
	return true;
}

/* Calls fn for every option there is, those of the commands after the global ones. */
static void each_option(void (*fn)(FILE *out, const struct command *c, const struct ctl_option *o), FILE *out)
{
	for (const struct ctl_option *o = ctl_global_options; o->name; o++)
		fn(out, NULL, o);
	for (const struct command *const *c = ctl_commands; *c; c++) {
		for (const struct ctl_option *o = (*c)->options; o && o->name; o++)
			fn(out, *c, o);
	}
}

/*
 * Names come from workloads, and a shell would act on some of what can stand in them: only plain ones are offered.
 */
#define PLAIN "~ /^[[:alnum:]_.\\/:@-]+$/"

/* Shell words that list what `what` stands for: "@module" asks prismctl. */
static const char *lister(const char *what)
{
	if (strcmp(what, "@module") == 0)
		return "prismctl -q module list 2>/dev/null | awk 'NR > 1 && $1 " PLAIN " { print $1 }'";
	if (strcmp(what, "@profile") == 0)
		return "prismctl -q profile list 2>/dev/null | awk 'NR > 1 && $1 " PLAIN " { print $1 }'";
	if (strcmp(what, "@identity") == 0)
		return "prismctl -q identity list 2>/dev/null | awk 'NR > 1 { print $1 } NR > 1 && $2 " PLAIN
		       " { print $2 }'";
	return NULL;
}

static void print_option_words(FILE *out, const struct ctl_option *o)
{
	for (; o && o->name; o++)
		fprintf(out, " --%s", o->name);
}

/* ---- bash, and zsh through the same function -------------------------------------------------------------------- */

static void bash_skip(FILE *out, const struct command *c, const struct ctl_option *o)
{
	(void)c;
	if (o->argument != ARGUMENT_REQUIRED)
		return;
	fprintf(out, "|--%s", o->name);
	if (o->letter)
		fprintf(out, "|-%c", o->letter);
}

static void bash_words(FILE *out, const char *words)
{
	const char *list = lister(words);

	if (strcmp(words, "@file") == 0)
		fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", out);
	else if (list)
		fprintf(out, "COMPREPLY=($(compgen -W \"$(%s)\" -- \"$cur\"))", list);
	else
		fprintf(out, "COMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))", words);
}

static void bash_value(FILE *out, const struct command *c, const struct ctl_option *o)
{
	(void)c;
	if (o->argument != ARGUMENT_REQUIRED)
		return;
	fprintf(out, "\t--%s", o->name);
	if (o->letter)
		fprintf(out, "|-%c", o->letter);
	fputs(") ", out);
	if (o->words) {
		bash_words(out, o->words);
		fputs("; ", out);
	}
	fputs("return ;;\n", out);
}

static void bash_command(FILE *out, const struct command *c)
{
	fprintf(out, "\t\"%s %s\")\n", c->noun, c->verb ? c->verb : "");
	if (c->complete) {
		fputs("\t\tif [[ $cur != -* ]]; then ", out);
		bash_words(out, c->complete);
		fputs("; return; fi\n", out);
	}
	fputs("\t\twords=\"$global", out);
	print_option_words(out, c->options);
	fputs("\" ;;\n", out);
}

static void bash_noun(FILE *out, const struct command *const *c)
{
	if (!(*c)->verb || !first_of_noun(c))
		return;
	fprintf(out, "\t\"%s \") words=\"", (*c)->noun);
	for (const struct command *const *v = ctl_commands; *v; v++) {
		if (strcmp((*v)->noun, (*c)->noun) == 0)
			fprintf(out, "%s ", (*v)->verb);
	}
	fputs("--help\" ;;\n", out);
}

static void print_bash(FILE *out)
{
	fputs("# bash completion of prismctl:  source <(prismctl completion bash)\n"
	      "_prismctl()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} noun= verb= words= i\n"
	      "\tlocal global=\"",
	      out);
	print_option_words(out, ctl_global_options);
	fputs("\"\n\tCOMPREPLY=()\n\tfor ((i = 1; i < COMP_CWORD; i++)); do\n\t\tcase ${COMP_WORDS[i]} in\n\t\t'='",
	      out);
	each_option(bash_skip, out);
	fputs(") ((i++)) ;;\n\t\t-*) ;;\n"
	      "\t\t*) if [[ -z $noun ]]; then noun=${COMP_WORDS[i]}; elif [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; "
	      "fi ;;\n"
	      "\t\tesac\n\tdone\n\tcase $prev in\n",
	      out);
	each_option(bash_value, out);
	fputs("\tesac\n", out);
	/* Nouns that stand alone have no verb: what follows them is an argument. */
	fputs("\tcase $noun in\n\t'_'", out);
	for (const struct command *const *c = ctl_commands; *c; c++) {
		if (!(*c)->verb)
			fprintf(out, "|%s", (*c)->noun);
	}
	fputs(") verb= ;;\n\tesac\n\tcase \"$noun $verb\" in\n\t\" \") words=\"$global", out);
	for (const struct command *const *c = ctl_commands; *c; c++) {
		if (first_of_noun(c))
			fprintf(out, " %s", (*c)->noun);
	}
	fputs("\" ;;\n", out);
	for (const struct command *const *c = ctl_commands; *c; c++) {
		bash_noun(out, c);
		bash_command(out, *c);
	}
	fputs("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _prismctl prismctl\n", out);
}

static void print_zsh(FILE *out)
{
	fputs("#compdef prismctl\n"
	      "# zsh completion of prismctl:  source <(prismctl completion zsh)\n"
	      "autoload -U +X compinit bashcompinit\n"
	      "(( ${+functions[compdef]} )) || compinit\n"
	      "bashcompinit\n",
	      out);
	print_bash(out);
}

/* ---- fish ------------------------------------------------------------------------------------------------------- */

static void fish_quoted(FILE *out, const char *s)
{
	fputc('\'', out);
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputc('\'', out);
}

static void fish_condition(FILE *out, const struct command *c)
{
	if (c->verb)
		fprintf(out, " -n '__fish_seen_subcommand_from %s; and __fish_seen_subcommand_from %s'", c->noun,
			c->verb);
	else
		fprintf(out, " -n '__fish_seen_subcommand_from %s'", c->noun);
}

static void fish_values(FILE *out, const char *words)
{
	const char *list = lister(words);

	if (strcmp(words, "@file") == 0) {
		fputs(" -F", out);
		return;
	}
	fputs(" -a ", out);
	if (list)
		fputs("\"(", out);
	/* Inside double quotes fish expands $ as well; $1 is awk's. */
	for (const char *s = list ? list : ""; *s; s++)
		fprintf(out, *s == '$' ? "\\$" : "%c", *s);
	if (list)
		fputs(")\"", out);
	else
		fish_quoted(out, words);
}

static void fish_option(FILE *out, const struct command *c, const struct ctl_option *o)
{
	fputs("complete -c prismctl", out);
	if (c)
		fish_condition(out, c);
	fprintf(out, " -l %s", o->name);
	if (o->letter)
		fprintf(out, " -s %c", o->letter);
	if (o->argument == ARGUMENT_REQUIRED)
		fputs(" -r", out);
	if (o->words)
		fish_values(out, o->words);
	fputs(" -d ", out);
	fish_quoted(out, o->help);
	fputc('\n', out);
}

static void fish_command(FILE *out, const struct command *const *c)
{
	const struct command *cmd = *c;

	if (first_of_noun(c)) {
		fprintf(out, "complete -c prismctl -n __fish_use_subcommand -a %s -d ", cmd->noun);
		fish_quoted(out, cmd->verb ? cmd->noun : cmd->summary);
		fputc('\n', out);
	}
	if (cmd->verb) {
		fprintf(out, "complete -c prismctl -n '__fish_seen_subcommand_from %s' -a %s -d ", cmd->noun,
			cmd->verb);
		fish_quoted(out, cmd->summary);
		fputc('\n', out);
	}
	if (!cmd->complete)
		return;
	fputs("complete -c prismctl", out);
	fish_condition(out, cmd);
	fish_values(out, cmd->complete);
	fputc('\n', out);
}

static void print_fish(FILE *out)
{
	fputs("# fish completion of prismctl:  prismctl completion fish | source\ncomplete -c prismctl -f\n", out);
	each_option(fish_option, out);
	for (const struct command *const *c = ctl_commands; *c; c++)
		fish_command(out, c);
}

int completion_print(const char *shell, FILE *out)
{
	static const struct {
		const char *shell;
		void (*print)(FILE *out);
	} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (strcmp(shell, shells[i].shell) == 0) {
			shells[i].print(out);
			return 0;
		}
	}
	return -EINVAL;
}

static int run_completion(struct ctl *ctl, const struct invocation *inv)
{
	if (completion_print(inv->args[0], ctl->style.out) == 0)
		return CTL_OK;
	return ctl_usage("completion %s: not one of bash, zsh, fish", inv->args[0]);
}

const struct command completion_command = {
	.noun = "completion",
	.arguments = "bash|zsh|fish",
	.min_args = 1,
	.max_args = 1,
	.summary = "A completion script for a shell",
	.examples = "  prismctl completion bash > /etc/bash_completion.d/prismctl\n"
		    "  prismctl completion zsh > /usr/share/zsh/site-functions/_prismctl\n"
		    "  prismctl completion fish > /etc/fish/completions/prismctl.fish\n",
	.complete = "bash zsh fish",
	.run = run_completion,
};
