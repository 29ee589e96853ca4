/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a module that crashes or blocks does to prismd. A driver process (this program again) stands for prismd: it sets
 * the crash handler up, runs a host over a directory, and reports on a pipe when it has come up and how.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "host/ledger.h"

#define DRIVER "--drive"

/* ---- the driver: argv = self, --drive, DIR, FD, DEADLINE-MS ---- */

struct driver {
	struct host *host;
	int out;
};

static void report_module(void *arg, const struct module_view *view)
{
	struct driver *d = arg;
	char text[1400] = "";

	if (view->reason->code)
		error_format(view->reason, text, sizeof(text));
	dprintf(d->out, "%s=%s crashes=%u %s\n", view->name, module_state_name(view->state), view->crashes, text);
}

static void report(void *arg)
{
	struct driver *d = arg;

	sigset_t blocked;

	sigprocmask(SIG_SETMASK, NULL, &blocked);
	dprintf(d->out, "up pid=%d kept=%s blocked=%d\n", (int)getpid(), getenv("PRISM_TEST_KEPT"),
		!sigisemptyset(&blocked));
	host_modules(d->host, report_module, d);
	dprintf(d->out, "end\n");
}

static int drive(char **argv)
{
	char path[512], state[512], pins[512];
	struct settings_source source = {.path = path};
	struct settings *settings = NULL;
	struct problems p = {};
	struct error e = {};
	struct driver d = {.out = atoi(argv[3])};
	uv_loop_t loop;
	struct host_env env = {.loop = &loop,
			       .self_exe = world_exe,
			       .state_dir = state,
			       .pin_root = pins,
			       .bus_fd = -1,
			       .meta_fd = -1,
			       .cgroup_fd = -1};

	log_setup((enum log_level)0, LOG_FORMAT_PLAIN);
	host_crash_setup(world_exe, argv);
	snprintf(path, sizeof(path), "%s/prismd.yaml", argv[2]);
	snprintf(state, sizeof(state), "%s/state", argv[2]);
	snprintf(pins, sizeof(pins), "%s/pins", argv[2]);
	uv_loop_init(&loop);
	if (settings_load(&source, &settings, &p) || host_new(&env, &d.host, &e) ||
	    host_apply(d.host, settings, &p, report, &d)) {
		dprintf(d.out, "failed: %s%s\nend\n", e.text, p.n ? p.list[0].text : "");
		_exit(1);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	/* Nothing left to do, as a daemon whose modules are quiet: wait to be ended. */
	for (;;)
		pause();
}

/* ---- the tests ---- */

struct prismd {
	pid_t pid;
	int out;
	char text[4096];
};

static void configure(struct world *w, const char *deadline, const char *modules)
{
	FILE *f = fopen(world_path(w, "prismd.yaml"), "w");

	assert_non_null(f);
	fprintf(f, "node: {callback_deadline: %s}\nmodule_dirs: [%s]\nmodules:\n%s", deadline, world_path(w, "modules"),
		modules);
	fclose(f);
}

static void start(struct world *w, struct prismd *d)
{
	char dir[128], fd[16];
	int pipefd[2];

	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	snprintf(dir, sizeof(dir), "%s", w->dir);
	/* Standard output: a restart in place closes everything beyond the standard streams. */
	snprintf(fd, sizeof(fd), "%d", STDOUT_FILENO);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (!d->pid) {
		dup2(pipefd[1], STDOUT_FILENO);
		/* Gone with the test, however that ends; a restart in place by the watchdog forgets the first of these.
		 */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		setenv("PRISM_TEST_KEPT", "yes", 1);
		execl(world_exe, world_exe, DRIVER, dir, fd, NULL);
		_exit(127);
	}
	close(pipefd[1]);
	d->out = pipefd[0];
}

/* The next whole report, into d->text; false at the end of file. */
static bool next_report(struct prismd *d)
{
	size_t len = 0;

	d->text[0] = 0;
	while (len < sizeof(d->text) - 1) {
		struct pollfd poll_fd = {.fd = d->out, .events = POLLIN};

		assert_int_equal(poll(&poll_fd, 1, 20000), 1);
		if (read(d->out, d->text + len, 1) != 1)
			return false;
		d->text[++len] = 0;
		if (len >= 4 && !strcmp(d->text + len - 4, "end\n"))
			return true;
	}
	fail_msg("endless report");
	return false;
}

static void expect(struct prismd *d, const char *text)
{
	if (!next_report(d))
		fail_msg("it died");
	if (!strstr(d->text, text))
		assert_string_equal(d->text, text);
}

static void end(struct prismd *d)
{
	int status;

	kill(d->pid, SIGKILL);
	assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
	close(d->out);
}

static struct world *prepare_world(void **state)
{
	struct world *w = *state;

	/* The driver needs the state directory to itself. */
	host_free(w->host);
	w->host = NULL;
	uv_run(&w->loop, UV_RUN_NOWAIT);
	world_install(w, "life", NULL);
	world_install(w, "other", NULL);
	return w;
}

#define MODULES(trouble) "  - name: other\n  - name: life\n    max_crashes: 2\n    config: {do: " trouble "}\n"

static void test_crash_restarts_in_place_until_quarantine(void **state)
{
	struct world *w = prepare_world(state);
	struct prismd d;
	char pid[64];

	configure(w, "10s", MODULES("crash-in-timer"));
	start(w, &d);
	snprintf(pid, sizeof(pid), "up pid=%d kept=yes blocked=0\n", (int)d.pid);
	expect(&d, "life=running crashes=0");
	assert_non_null(strstr(d.text, pid));
	/* The same process, anew. */
	expect(&d, "life=running crashes=1");
	assert_non_null(strstr(d.text, pid));
	expect(&d, "life=quarantined crashes=2");
	assert_non_null(strstr(d.text, pid));
	assert_non_null(strstr(d.text, "other=running crashes=0"));
	assert_non_null(strstr(d.text,
			       "prismd.yaml:5:5: module life: is quarantined: its code took prismd down 2 times "
			       "(max_crashes 2), the last time by SIGSEGV in its timer, "));
	assert_non_null(strstr(d.text, "prismctl module enable life"));
	end(&d);
	/* It stays so over an ordinary restart. */
	start(w, &d);
	expect(&d, "life=quarantined crashes=2");
	end(&d);
	/* Another file is another chance. */
	world_install(w, "next/life", NULL);
	configure(w, "10s", MODULES("none"));
	start(w, &d);
	expect(&d, "life=running crashes=0");
	end(&d);
}

static void test_blocking_callback(void **state)
{
	struct world *w = prepare_world(state);
	struct prismd d;

	configure(w, "100ms",
		  "  - name: other\n  - name: life\n    max_crashes: 1\n    config: {do: block-in-timer}\n");
	start(w, &d);
	expect(&d, "life=running crashes=0");
	expect(&d, "life=quarantined crashes=1");
	/* From the watchdog's thread, which blocks every signal: the new image does not. */
	assert_non_null(strstr(d.text, "kept=yes blocked=0"));
	assert_non_null(strstr(d.text, "by its timer held the loop beyond node.callback_deadline, "));
	assert_non_null(strstr(d.text, "other=running"));
	end(&d);
}

/* SIGKILL in the middle of a callback is nobody's crash; nor is SIGSEGV that somebody sends. */
static void test_kill_does_not_count(void **state)
{
	struct world *w = prepare_world(state);
	struct prismd d;
	int status;

	configure(w, "10s", MODULES("block-in-timer"));
	start(w, &d);
	expect(&d, "life=running crashes=0");
	end(&d);
	start(w, &d);
	expect(&d, "life=running crashes=0");
	kill(d.pid, SIGSEGV);
	assert_int_equal(waitpid(d.pid, &status, 0), d.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	close(d.out);
	start(w, &d);
	expect(&d, "life=running crashes=0");
	end(&d);
}

/* A module that may crash for ever (max_crashes: 0) does not make prismd restart for ever. */
static void test_restarts_are_limited(void **state)
{
	struct world *w = prepare_world(state);
	struct prismd d;
	unsigned int reports = 0;
	int status;

	configure(w, "10s", "  - name: life\n    max_crashes: 0\n    config: {do: crash-in-timer}\n");
	start(w, &d);
	while (next_report(&d))
		reports++;
	assert_int_equal(waitpid(d.pid, &status, 0), d.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	assert_int_equal(reports, 1 + LEDGER_MAX_RESTARTS);
	close(d.out);
}

static void test_one_prismd_a_state_directory(void **state)
{
	struct world *w = prepare_world(state);
	struct prismd d, second;
	int status;

	configure(w, "10s", "  - name: other\n");
	start(w, &d);
	expect(&d, "other=running");
	start(w, &second);
	expect(&second, "another prismd uses this state directory");
	assert_int_equal(waitpid(second.pid, &status, 0), second.pid);
	close(second.out);
	end(&d);
}

int main(int argc, char **argv)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_crash_restarts_in_place_until_quarantine),
		TEST(test_blocking_callback),
		TEST(test_kill_does_not_count),
		TEST(test_restarts_are_limited),
		TEST(test_one_prismd_a_state_directory),
	};

	if (argc > 3 && !strcmp(argv[1], DRIVER)) {
		ssize_t n = readlink("/proc/self/exe", world_exe, sizeof(world_exe) - 1);

		return n < 0 ? 1 : drive(argv);
	}
	return world_main(argc, argv, tests, ARRAY_SIZE(tests));
}
