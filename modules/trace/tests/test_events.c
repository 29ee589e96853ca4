// SPDX-License-Identifier: Apache-2.0
/* What trace says of one exec and one exit: real processes in real cgroups. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "processes.h"
#include "watched.h"

static const struct prism_module *module;
static bool first_pid_namespace; /* pids here are the pids that the kernel's programs see */

static int begin(void **state, const char *config)
{
	*state = watched_new(module, config);
	return 0;
}

static int setup(void **state)
{
	return begin(state, "rate: 0\n");
}

static int teardown(void **state)
{
	watched_free(*state);
	return 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void assert_args(json_t *event, const char *const *want)
{
	json_t *args = json_object_get(event, "args");
	size_t i;

	for (i = 0; want[i]; i++)
		assert_string_equal(json_string_value(json_array_get(args, i)), want[i]);
	assert_int_equal(json_array_size(args), i);
}

static void test_exec_and_exit(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/true"}, (char[]){"one"}, (char[]){"two words"}, (char[]){""}, NULL};
	uint64_t before = now_ns();
	pid_t pid = sandbox_spawn(&w->a, run_program, argv);
	json_t *exec, *exit;

	assert_int_equal(sandbox_wait(pid), 0);
	exec = watched_wait(w, "exec", ID_A, 1);
	exit = watched_wait(w, "exit", ID_A, 1);
	if (first_pid_namespace) {
		assert_int_equal(event_int(exec, "pid"), pid);
		assert_int_equal(event_int(exec, "ppid"), getpid());
	}
	assert_int_equal(event_int(exec, "uid"), 0);
	assert_string_equal(event_text(exec, "comm"), "true");
	assert_string_equal(event_text(exec, "parent_comm"), "bpf_trace_event");
	assert_string_equal(event_text(exec, "filename"), "/bin/true");
	assert_args(exec, (const char *const[]){"/bin/true", "one", "two words", "", NULL});
	assert_int_equal(event_int(exec, "args_truncated"), -1);
	assert_true((uint64_t)event_int(exec, "start_ns") >= before &&
		    (uint64_t)event_int(exec, "start_ns") < now_ns());

	assert_int_equal(event_int(exit, "pid"), event_int(exec, "pid"));
	assert_int_equal(event_int(exit, "ppid"), event_int(exec, "ppid"));
	assert_string_equal(event_text(exit, "comm"), "true");
	assert_int_equal(event_int(exit, "exit_code"), 0);
	assert_int_equal(event_int(exit, "signal"), -1);
	assert_int_equal(event_int(exit, "fork_only"), -1);
	assert_int_equal(event_int(exit, "exec_identity"), -1);
	assert_int_equal(event_int(exit, "start_ns"), event_int(exec, "start_ns"));
	assert_true(event_int(exit, "since_exec_ns") > 0);
	assert_true(event_int(exit, "duration_ns") > event_int(exit, "since_exec_ns"));
	assert_true((uint64_t)event_int(exit, "duration_ns") < now_ns() - before);
	assert_true(event_int(exit, "seq") > event_int(exec, "seq"));
	assert_int_equal(event_int(exec, "flags") & 4, 4); /* the facet, as on the bus */
	watched_remove_and_check(w);
	assert_int_equal(watched_count(w, "exec", ID_A), 1);
	assert_int_equal(watched_count(w, "exit", ID_A), 1);
}

static void test_odd_bytes(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/true"}, (char[]){"a\nb\t\"\\\x01"}, (char[]){"\xff\xfe"}, (char[]){"\xc3\xa9"},
			NULL};

	sandbox_run(&w->a, run_program, argv);
	assert_args(watched_wait(w, "exec", ID_A, 1),
		    (const char *const[]){"/bin/true", "a\nb\t\"\\\x01", "\\xff\\xfe", "\xc3\xa9", NULL});
}

static void test_huge_args(void **state)
{
	struct watched *w = *state;
	static char big[100000], *argv[203];
	size_t total = 0;
	json_t *exec, *arg;
	size_t i;

	memset(big, 'x', sizeof(big) - 1);
	argv[0] = (char[]){"/bin/true"};
	argv[1] = big;
	sandbox_run(&w->a, run_program, argv);
	exec = watched_wait(w, "exec", ID_A, 1);
	assert_int_equal(event_int(exec, "args_truncated"), 1);
	json_array_foreach(json_object_get(exec, "args"), i, arg) total += json_string_length(arg);
	assert_int_equal(total, 1024 - 1); /* bytes kept, without the NUL between */

	for (i = 1; i < 200; i++)
		argv[i] = (char[]){"y"};
	sandbox_run(&w->a, run_program, argv);
	exec = watched_wait(w, "exec", ID_A, 2);
	assert_int_equal(json_array_size(json_object_get(exec, "args")), 32);
	assert_int_equal(event_int(exec, "args_truncated"), 1);

	assert_int_equal(prism_fake_host_reconfigure(w->fake, "rate: 0\nmax_arg_bytes: 8KiB\nmax_args: 1024\n"), 0);
	argv[1] = big;
	sandbox_run(&w->a, run_program, argv);
	exec = watched_wait(w, "exec", ID_A, 3);
	assert_int_equal(json_string_length(json_array_get(json_object_get(exec, "args"), 1)), 8192 - 10);

	assert_int_equal(prism_fake_host_reconfigure(w->fake, "rate: 0\nmax_arg_bytes: 0\n"), 0);
	sandbox_run(&w->a, run_program, argv);
	exec = watched_wait(w, "exec", ID_A, 4);
	assert_int_equal(json_array_size(json_object_get(exec, "args")), 0);
	assert_int_equal(event_int(exec, "args_truncated"), 1);
	watched_remove_and_check(w);
}

static void test_long_filename(void **state)
{
	struct watched *w = *state;
	char path[3000], *argv[] = {path, NULL};
	size_t n = 0;

	while (n < sizeof(path) - 20)
		n += (size_t)sprintf(path + n, "/bin/.././");
	strcpy(path + n, "/bin/true");
	sandbox_run(&w->a, run_program, argv);
	assert_int_equal(strlen(event_text(watched_wait(w, "exec", ID_A, 1), "filename")), TRACE_PATH_MAX - 1);
}

static void test_execveat(void **state)
{
	struct watched *w = *state;
	json_t *exec;

	sandbox_run(&w->a, run_descriptor, NULL);
	exec = watched_wait(w, "exec", ID_A, 1);
	assert_int_equal(strncmp(event_text(exec, "filename"), "/dev/fd/", 8), 0);
	assert_args(exec, (const char *const[]){"by descriptor", NULL});
}

static void test_exec_from_another_thread(void **state)
{
	struct watched *w = *state;
	pid_t pid = sandbox_spawn(&w->a, run_from_thread, NULL);
	json_t *exit;

	assert_int_equal(sandbox_wait(pid), 0);
	exit = watched_wait(w, "exit", ID_A, 1);
	assert_int_equal(event_int(exit, "pid"), event_int(watched_wait(w, "exec", ID_A, 1), "pid"));
	if (first_pid_namespace)
		assert_int_equal(event_int(exit, "pid"), pid);
	assert_int_equal(event_int(exit, "exit_code"), 0);
	assert_true(event_int(exit, "since_exec_ns") > 0);
	assert_int_equal(event_int(exit, "fork_only"), -1);
	watched_remove_and_check(w);
	assert_int_equal(watched_count(w, "exec", ID_A), 1);
	assert_int_equal(watched_count(w, "exit", ID_A), 1);
}

static void test_exit_code_and_signal(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, (char[]){"exit 7"}, NULL};
	int kill_signal = SIGKILL, segv_signal = SIGSEGV, status;
	json_t *exit;

	status = sandbox_wait(sandbox_spawn(&w->a, run_program, argv));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(event_int(watched_wait(w, "exit", ID_A, 1), "exit_code"), 7);

	status = sandbox_wait(sandbox_spawn(&w->a, run_and_die, &kill_signal));
	assert_true(WIFSIGNALED(status));
	exit = watched_wait(w, "exit", ID_A, 2);
	assert_int_equal(event_int(exit, "signal"), SIGKILL);
	assert_int_equal(event_int(exit, "exit_code"), -1);
	assert_int_equal(event_int(exit, "core_dumped"), 0);

	status = sandbox_wait(sandbox_spawn(&w->a, run_and_die, &segv_signal));
	exit = watched_wait(w, "exit", ID_A, 3);
	assert_int_equal(event_int(exit, "signal"), SIGSEGV);
	assert_int_equal(event_int(exit, "core_dumped"), WCOREDUMP(status) ? 1 : 0);
}

static void test_exit_without_exec(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/true"}, NULL};
	int code = 3;
	json_t *exit;

	assert_int_equal(WEXITSTATUS(sandbox_wait(sandbox_spawn(&w->a, just_exit, &code))), 3);
	exit = watched_wait(w, "exit", ID_A, 1);
	assert_int_equal(event_int(exit, "fork_only"), 1);
	assert_int_equal(event_int(exit, "exit_code"), 3);
	assert_int_equal(event_int(exit, "since_exec_ns"), -1);

	assert_int_equal(prism_fake_host_reconfigure(w->fake, "rate: 0\nfork_exits: false\n"), 0);
	sandbox_wait(sandbox_spawn(&w->a, just_exit, &code));
	sandbox_run(&w->a, run_program, argv);
	assert_int_equal(event_int(watched_wait(w, "exit", ID_A, 2), "exit_code"), 0);
	watched_remove_and_check(w);
	assert_int_equal(watched_count(w, "exit", ID_A), 2);
}

/* Every one of the last threads sees that no other is left. */
static void test_threads_that_leave_together_are_one_exit(void **state)
{
	struct watched *w = *state;

	for (int i = 0; i < 200; i++)
		sandbox_run(&w->a, leave_together, NULL);
	watched_wait(w, "exit", ID_A, 200);
	watched_remove_and_check(w);
	assert_int_equal(watched_count(w, "exit", ID_A), 200);
}

static void test_flip(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/true"}, (char[]){"flip"}, NULL};
	json_t *without, *with;
	pid_t pid;

	pid = sandbox_spawn(&w->b, run_program, argv);
	assert_int_equal(sandbox_wait(pid), 0);
	for (size_t i = 1;; i++) { /* others on this machine are unmanaged too */
		without = watched_wait(w, "exec", PRISM_ID_UNMANAGED, i);
		if (!first_pid_namespace || event_int(without, "pid") == pid)
			break;
	}
	assert_int_equal(watched_count(w, "exec", ID_B), 0);
	sandbox_identity(w->fake, PRISM_IDENTITY_ADDED, ID_B, ID_B, &w->b);
	sandbox_run(&w->b, run_program, argv);
	with = watched_wait(w, "exec", ID_B, 1);
	assert_args(with, (const char *const[]){"/bin/true", "flip", NULL});
	assert_string_equal(event_text(with, "comm"), event_text(without, "comm"));
	assert_int_equal(watched_count(w, "exec", ID_A), 0);
}

static void test_identity_at_exit_differs(void **state)
{
	struct watched *w = *state;
	char procs[300], text[16];
	int pipes[2], fd;
	json_t *exit;
	pid_t pid;

	sandbox_identity(w->fake, PRISM_IDENTITY_ADDED, ID_B, ID_B, &w->b);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = sandbox_spawn(&w->a, wait_in_shell, &pipes[0]);
	watched_wait(w, "exec", ID_A, 1);
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", w->b.path);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", (int)pid);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(sandbox_wait(pid), 0);
	exit = watched_wait(w, "exit", ID_B, 1);
	assert_int_equal(event_int(exit, "exec_identity"), ID_A);
}

static void test_redaction(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/true"},   (char[]){"--password"}, (char[]){"hunter2"},
			(char[]){"--token=abc"}, (char[]){"-k=1"},       NULL};

	sandbox_run(&w->a, run_program, argv);
	assert_args(watched_wait(w, "exec", ID_A, 1),
		    (const char *const[]){"/bin/true", "--password", "***", "--token=***", "-k=1", NULL});
	assert_int_equal(prism_fake_host_reconfigure(w->fake, "rate: 0\nredact: [-k]\n"), 0);
	sandbox_run(&w->a, run_program, argv);
	assert_args(watched_wait(w, "exec", ID_A, 2),
		    (const char *const[]){"/bin/true", "--password", "hunter2", "--token=abc", "-k=***", NULL});
	assert_int_equal(prism_fake_host_reconfigure(w->fake, "rate: 0\nredact: ['a=b']\n"), -EINVAL);
}

static void test_what_is_wanted(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/true"}, NULL};

	assert_int_equal(prism_fake_host_reconfigure(w->fake, "rate: 0\nexec: false\n"), 0);
	sandbox_run(&w->a, run_program, argv);
	assert_true(event_int(watched_wait(w, "exit", ID_A, 1), "since_exec_ns") > 0);
	assert_int_equal(watched_count(w, "exec", ID_A), 0);
	assert_int_equal(prism_fake_host_reconfigure(w->fake, "rate: 0\nexit: false\n"), 0);
	sandbox_run(&w->a, run_program, argv);
	watched_wait(w, "exec", ID_A, 1);
	assert_int_equal(prism_fake_host_reconfigure(w->fake, "exec: false\nexit: false\n"), -EINVAL);
	watched_remove_and_check(w);
	assert_int_equal(watched_count(w, "exit", ID_A), 1);
}

static void test_ring_size_must_be_a_power_of_two(void **state)
{
	struct watched *w = *state;

	assert_int_equal(prism_fake_host_reconfigure(w->fake, "ring_size: 100000\n"), -EINVAL);
	assert_non_null(strstr(prism_fake_host_reason(w->fake), "power of two"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_exec_and_exit),
		TEST(test_odd_bytes),
		TEST(test_huge_args),
		TEST(test_long_filename),
		TEST(test_execveat),
		TEST(test_exec_from_another_thread),
		TEST(test_exit_code_and_signal),
		TEST(test_exit_without_exec),
		TEST(test_threads_that_leave_together_are_one_exit),
		TEST(test_flip),
		TEST(test_identity_at_exit_differs),
		TEST(test_redaction),
		TEST(test_what_is_wanted),
		TEST(test_ring_size_must_be_a_power_of_two),
	};
	char namespace[64] = "";

	sandbox_require_root();
	first_pid_namespace = readlink("/proc/self/ns/pid", namespace, sizeof(namespace) - 1) > 0 &&
			      !strcmp(namespace, "pid:[4026531836]");
	if (!first_pid_namespace)
		print_message("in a pid namespace of its own: process ids are not compared\n");
	module = sandbox_module(MODULE_FILE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
