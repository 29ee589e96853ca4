/* SPDX-License-Identifier: Apache-2.0 */
/* Command lines: what they come to, and what is refused. Also what `identity explain` takes its argument for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/args.h"
#include "ctl/commands.h"
#include "ctl/target.h"

#define MAX_WORDS 12

/* Splits at spaces; the words live in a static buffer until the next call. */
static int parse(const char *line, struct ctl *ctl, struct invocation *inv)
{
	static char buf[256], *argv[MAX_WORDS + 2];
	char *save = NULL;
	int argc = 0;

	*ctl = (struct ctl){0};
	snprintf(buf, sizeof(buf), "prismctl %s", line);
	for (char *w = strtok_r(buf, " ", &save); w && argc <= MAX_WORDS; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	return args_parse(ctl, argc, argv, inv);
}

static void every_command_is_found(void **state)
{
	struct invocation inv;
	struct ctl ctl;
	char line[128];

	(void)state;
	for (const struct command *const *c = ctl_commands; *c; c++) {
		snprintf(line, sizeof(line), "%s %s --help", (*c)->noun, (*c)->verb ? (*c)->verb : "");
		assert_int_equal(parse(line, &ctl, &inv), 0);
		assert_true(inv.help);
		assert_ptr_equal(inv.command, *c);
	}
}

static void every_command_has_help(void **state)
{
	(void)state;
	for (const struct command *const *c = ctl_commands; *c; c++) {
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		help_print(*c, f);
		fclose(f);
		assert_non_null(strstr(text, "Usage: prismctl [OPTIONS] "));
		assert_non_null(strstr(text, "\nExamples:\n  prismctl "));
		assert_non_null((*c)->run);
		free(text);
	}
}

static void global_options_stand_anywhere(void **state)
{
	static const char *const lines[] = {"-o json --socket /s -q identity get 5",
					    "identity get -o json 5 --socket=/s -q",
					    "identity get 5 --quiet --output=json --socket /s",
					    "-ojson identity get 5 -q --socket /s"};
	struct invocation inv;
	struct ctl ctl;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(parse(lines[i], &ctl, &inv), 0);
		assert_int_equal(ctl.style.format, OUTPUT_JSON);
		assert_string_equal(ctl.socket, "/s");
		assert_true(ctl.quiet);
		assert_string_equal(inv.command->noun, "identity");
		assert_string_equal(inv.command->verb, "get");
		assert_int_equal(inv.n_args, 1);
		assert_string_equal(inv.args[0], "5");
	}
}

static void own_options(void **state)
{
	struct invocation inv;
	struct ctl ctl;

	(void)state;
	assert_int_equal(parse("events -f --type trace.exec -n 7", &ctl, &inv), 0);
	assert_true(invocation_has(&inv, "follow"));
	assert_string_equal(invocation_value(&inv, "type"), "trace.exec");
	assert_string_equal(invocation_value(&inv, "lines"), "7");
	assert_null(invocation_value(&inv, "identity"));

	assert_int_equal(parse("status --wait", &ctl, &inv), 0);
	assert_true(invocation_has(&inv, "wait"));
	assert_null(invocation_value(&inv, "wait"));
	assert_int_equal(parse("status --wait=5s", &ctl, &inv), 0);
	assert_string_equal(invocation_value(&inv, "wait"), "5s");
}

static void an_argument_may_look_like_an_option(void **state)
{
	struct invocation inv;
	struct ctl ctl;

	(void)state;
	assert_int_equal(parse("identity get -- -x", &ctl, &inv), 0);
	assert_int_equal(inv.n_args, 1);
	assert_string_equal(inv.args[0], "-x");
}

static void refusals(void **state)
{
	static const char *const lines[] = {"",
					    "nonsense",
					    "identity",
					    "identity nonsense",
					    "identity get",
					    "identity get 1 2",
					    "status extra",
					    "--nonsense status",
					    "status --nonsense",
					    "status -z",
					    "-o xml status",
					    "status --socket",
					    "--socket",
					    "events -n",
					    "events --follow=1",
					    "status --quiet=1",
					    "module show",
					    "config check one two",
					    "completion",
					    "status --effective"};
	struct invocation inv;
	struct ctl ctl;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		if (parse(lines[i], &ctl, &inv) != CTL_USAGE)
			fail_msg("accepted: %s", lines[i]);
	}
}

static void numbers_and_durations(void **state)
{
	uint64_t n = 99;

	(void)state;
	assert_int_equal(ctl_parse_number("0", 10, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(ctl_parse_number("10", 10, &n), 0);
	assert_int_equal(ctl_parse_number("11", 10, &n), -EINVAL);
	assert_int_equal(ctl_parse_number("", 10, &n), -EINVAL);
	assert_int_equal(ctl_parse_number("-1", 10, &n), -EINVAL);
	assert_int_equal(ctl_parse_number("+1", 10, &n), -EINVAL);
	assert_int_equal(ctl_parse_number("7", 5, &n), -EINVAL);
	assert_int_equal(ctl_parse_number("18446744073709551615", UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
	assert_int_equal(ctl_parse_number("18446744073709551616", UINT64_MAX, &n), -EINVAL);

	assert_int_equal(ctl_parse_duration("3", &n), 0);
	assert_int_equal(n, 3000);
	assert_int_equal(ctl_parse_duration("250ms", &n), 0);
	assert_int_equal(n, 250);
	assert_int_equal(ctl_parse_duration("2m", &n), 0);
	assert_int_equal(n, 120000);
	assert_int_equal(ctl_parse_duration("s", &n), -EINVAL);
	assert_int_equal(ctl_parse_duration("3 s", &n), -EINVAL);
	assert_int_equal(ctl_parse_duration("3d", &n), -EINVAL);
	assert_int_equal(ctl_parse_duration("99999999999999999999s", &n), -EINVAL);
}

/* bash reads the script, and completes with it what the tables say. */
static void bash_completion_works(void **state)
{
	FILE *bash = popen("bash -s 2>&1 | cmp - /dev/null", "w");

	(void)state;
	assert_non_null(bash);
	assert_int_equal(completion_print("bash", bash), 0);
	fputs("t() { want=$1; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _prismctl;\n"
	      "  [[ ${COMPREPLY[*]} == $want ]] || echo \"$*: ${COMPREPLY[*]}, not $want\"; }\n"
	      "t 'identity' prismctl id\n"
	      "t 'list get watch explain --help' prismctl identity ''\n"
	      "t 'json' prismctl -o j\n"
	      "t '--follow' prismctl -o json events --fo\n"
	      "t '--wait' prismctl status --wa\n"
	      "t 'bash zsh fish' prismctl completion ''\n"
	      "t 'pid cgroup unit pod' prismctl identity explain --as ''\n"
	      "prismctl() { printf 'IDENTITY NAME\\n7 ns/a\\n8 $(echo,oops>&2)\\n'; }\n"
	      "t '7 ns/a 8' prismctl identity get ''\n",
	      bash);
	assert_int_equal(pclose(bash), 0);
}

static void other_completions(void **state)
{
	static const char *const shells[] = {"zsh", "fish"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		assert_int_equal(completion_print(shells[i], f), 0);
		fclose(f);
		for (const struct command *const *c = ctl_commands; *c; c++)
			assert_non_null(strstr(text, (*c)->noun));
		free(text);
	}
	assert_int_equal(completion_print("tcsh", stdout), -EINVAL);
}

/* ---- what is to be explained ------------------------------------------------------------------------------------ */

static char root[64];
static int root_fd = -1;

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/prism-test-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	root_fd = open(root, O_RDONLY | O_DIRECTORY);
	return root_fd < 0 || mkdirat(root_fd, "shop", 0700) < 0 || mkdirat(root_fd, "shop/checkout.service", 0700) < 0;
}

static int remove_root(void **state)
{
	(void)state;
	unlinkat(root_fd, "shop/checkout.service", AT_REMOVEDIR);
	unlinkat(root_fd, "shop", AT_REMOVEDIR);
	close(root_fd);
	return rmdir(root);
}

static void check_target(const char *text, enum target_kind kind, const char *want)
{
	struct target t;
	struct error e;

	assert_int_equal(target_parse(text, NULL, root, root_fd, &t, &e), 0);
	assert_int_equal(t.kind, kind);
	assert_string_equal(t.text, want);
}

static void targets_are_told_apart(void **state)
{
	char below[128];

	(void)state;
	check_target("1", TARGET_PID, "1");
	check_target("/system.slice/a.service", TARGET_CGROUP, "/system.slice/a.service");
	check_target("/", TARGET_CGROUP, "/");
	check_target("shop", TARGET_CGROUP, "/shop");
	check_target("shop/checkout.service/", TARGET_CGROUP, "/shop/checkout.service");
	check_target("a/b/c", TARGET_CGROUP, "/a/b/c");
	check_target("/shop/gone", TARGET_CGROUP, "/shop/gone");
	/* One slash and no such cgroup. */
	check_target("shop/gone", TARGET_POD, "shop/gone");
	check_target("ssh.service", TARGET_UNIT, "ssh.service");
	snprintf(below, sizeof(below), "%s/shop", root);
	check_target(below, TARGET_CGROUP, "/shop");
	check_target(root, TARGET_CGROUP, "/");
	/* Not below the root, only spelt alike. */
	snprintf(below, sizeof(below), "%sx", root);
	check_target(below, TARGET_CGROUP, below);
}

static void a_target_can_be_forced(void **state)
{
	struct target t;
	struct error e;

	(void)state;
	assert_int_equal(target_parse("12", "unit", root, root_fd, &t, &e), 0);
	assert_int_equal(t.kind, TARGET_UNIT);
	assert_int_equal(target_parse("12", "cgroup", root, root_fd, &t, &e), 0);
	assert_string_equal(t.text, "/12");
	assert_int_equal(target_parse("shop/checkout.service", "pod", root, root_fd, &t, &e), 0);
	assert_int_equal(t.kind, TARGET_POD);
	assert_int_equal(target_parse("12", "nonsense", root, root_fd, &t, &e), -EINVAL);
	assert_int_equal(target_parse("a", "pid", root, root_fd, &t, &e), -EINVAL);
	assert_int_equal(target_parse("0", NULL, root, root_fd, &t, &e), -EINVAL);
	assert_int_equal(target_parse("99999999999", NULL, root, root_fd, &t, &e), -EINVAL);
	assert_int_equal(target_parse("", NULL, root, root_fd, &t, &e), -EINVAL);
}

static void check_found(const char *text, const char *as, int r, const char *want)
{
	struct error e = {0};
	struct target t;
	char path[256];

	assert_int_equal(target_parse(text, as, root, root_fd, &t, &e), 0);
	assert_int_equal(target_find(&t, root, path, sizeof(path), &e), r);
	if (r == 0)
		assert_string_equal(path, want);
	else
		assert_true(e.text[0]);
}

static void targets_are_found_without_prismd(void **state)
{
	(void)state;
	check_found("shop", NULL, 0, "/shop");
	check_found("checkout", NULL, 0, "/shop/checkout.service");
	check_found("checkout.service", NULL, 0, "/shop/checkout.service");
	check_found("check", NULL, -ENOENT, NULL);
	check_found("/nothing", NULL, -ENOENT, NULL);
	check_found("/shop/gone", NULL, -ENOENT, NULL);
	check_found("shop/gone", NULL, -ENOTCONN, NULL);
	check_found("999999999", NULL, -ENOENT, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_is_found),
		cmocka_unit_test(every_command_has_help),
		cmocka_unit_test(global_options_stand_anywhere),
		cmocka_unit_test(own_options),
		cmocka_unit_test(an_argument_may_look_like_an_option),
		cmocka_unit_test(refusals),
		cmocka_unit_test(numbers_and_durations),
		cmocka_unit_test(bash_completion_works),
		cmocka_unit_test(other_completions),
		cmocka_unit_test(targets_are_told_apart),
		cmocka_unit_test(a_target_can_be_forced),
		cmocka_unit_test(targets_are_found_without_prismd),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
