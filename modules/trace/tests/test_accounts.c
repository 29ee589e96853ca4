// SPDX-License-Identifier: Apache-2.0
/* Each event once, or counted as lost: floods, restarts, replaced programs, killed readers. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "hold.skel.h"
#include "processes.h"
#include "watched.h"

static const struct prism_module *module;

static int begin(void **state, const char *config)
{
	*state = watched_new(module, config);
	return 0;
}

static int setup(void **state)
{
	return begin(state, "rate: 0\n");
}

static int setup_small_ring(void **state)
{
	return begin(state, "rate: 0\nring_size: 64KiB\n");
}

static int setup_rate(void **state)
{
	return begin(state, "rate: 10\nburst: 50\n");
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

static bool ring_is_empty(void *arg)
{
	return watched_sample(arg, "prism_trace_pending_bytes", 0, NULL, NULL) == 0;
}

static bool lost_is_told(void *arg)
{
	return watched_count(arg, "lost", 0) > 0;
}

static void test_a_full_ring_is_counted(void **state)
{
	struct watched *w = *state;
	int n = 3000;
	double lost;

	sandbox_run(&w->a, fork_many, &n);
	assert_true(watched_sample(w, "prism_trace_events_total", ID_A, "type", "exit") == n + 1);
	lost = watched_sample(w, "prism_trace_lost_total", 0, "reason", "ring_full");
	assert_true(lost > 0);
	assert_true(prism_fake_host_run(w->fake, 10000, ring_is_empty, w));
	assert_true(watched_count(w, "exit", ID_A) + lost >= n + 1);
	assert_true(prism_fake_host_run(w->fake, 10000, lost_is_told, w));
	assert_string_equal(event_text(watched_event(w, "lost", 0, 0), "reason"), "ring_full");
	watched_remove_and_check(w);
}

static void test_rate_limit(void **state)
{
	struct watched *w = *state;
	struct prism_workload workload = {.size = sizeof(workload), .identity = ID_A};
	uint64_t before = now_ns(), after;
	int n = 400;
	size_t told;

	sandbox_run(&w->a, fork_many, &n);
	after = now_ns();
	assert_true(watched_sample(w, "prism_trace_events_total", ID_A, "type", "exit") == n + 1);
	assert_true(prism_fake_host_run(w->fake, 10000, lost_is_told, w));
	assert_non_null(strstr(prism_fake_host_explain(w->fake, &workload), "above 10 events a second"));
	/* Another identity has its own. */
	sandbox_identity(w->fake, PRISM_IDENTITY_ADDED, ID_B, ID_B, &w->b);
	n = 5;
	sandbox_run(&w->b, fork_many, &n);
	watched_wait(w, "exit", ID_B, 6);
	watched_remove_and_check(w);
	told = watched_count(w, "exit", ID_A);
	assert_true(told >= 50);
	assert_true(told <= 51 + (after - before) / 100000000);
}

/* What happens while nobody reads waits in the ring. */
static void test_events_made_while_stopped(void **state)
{
	struct watched *w = *state;
	int n = 50;

	assert_int_equal(prism_fake_host_stop(w->fake, PRISM_STOP_SHUTDOWN), 0);
	sandbox_run(&w->a, exec_many, &n);
	assert_int_equal(prism_fake_host_start(w->fake), 0);
	watched_wait(w, "exec", ID_A, 50);
	watched_wait(w, "exit", ID_A, 51);
	watched_remove_and_check(w);
	assert_int_equal(watched_count(w, "exec", ID_A), 50);
	assert_int_equal(watched_count(w, "exit", ID_A), 51);
}

struct endless {
	volatile bool stop;
	volatile uint64_t done;
};

static int exec_endlessly(void *arg)
{
	struct endless *endless = arg;
	int one = 1;

	while (!endless->stop) {
		exec_many(&one);
		endless->done++;
	}
	return 0;
}

static void wait_for_execs(struct endless *endless, uint64_t more)
{
	uint64_t until = endless->done + more;

	while (endless->done < until)
		sched_yield();
}

static void assert_each_once(struct watched *w, uint64_t n)
{
	watched_wait(w, "exit", ID_A, n + 1); /* and its own */
	watched_remove_and_check(w);
	assert_int_equal(watched_count(w, "exec", ID_A), n);
	assert_int_equal(watched_count(w, "exit", ID_A), n + 1);
}

/* Old and new programs are both attached for a moment at each start: still each event once. */
static void test_starts_while_processes_run(void **state)
{
	struct watched *w = *state;
	struct endless *endless = sandbox_shared(sizeof(*endless));
	pid_t pid = sandbox_spawn(&w->a, exec_endlessly, endless);

	for (int i = 0; i < 8; i++) {
		wait_for_execs(endless, 10);
		assert_int_equal(prism_fake_host_stop(w->fake, i % 2 ? PRISM_STOP_SHUTDOWN : PRISM_STOP_REPLACE), 0);
		wait_for_execs(endless, 10);
		assert_int_equal(prism_fake_host_start(w->fake), 0);
	}
	endless->stop = true;
	assert_int_equal(sandbox_wait(pid), 0);
	assert_each_once(w, endless->done);
}

static int open_link(struct watched *w, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", prism_pin_dir(prism_fake_host_host(w->fake)), name);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static uint32_t link_program(struct watched *w, const char *name)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);
	int fd = open_link(w, name);

	assert_int_equal(bpf_link_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return info.prog_id;
}

static uint64_t generation(struct watched *w)
{
	struct accounts accounts;
	uint64_t now;

	accounts_open(w, &accounts);
	now = accounts_reader(&accounts).generation;
	close(accounts.counts_fd);
	close(accounts.reader_fd);
	return now;
}

struct release {
	struct watched *w;
	struct hold_bpf *hold;
	uint32_t exec_program;
	uint64_t generation;
};

#define PATIENCE_NS 8000000000u
#define NO_EARLIER_NS 200000000u

/* Lets the exec go when the next program is attached and the earlier one was told to be silent, or clearly was not. */
static int release_when_attached(void *arg)
{
	const struct release *release = arg;
	uint64_t until = now_ns() + PATIENCE_NS;
	bool attached = false;

	while (!attached && now_ns() < until)
		attached = link_program(release->w, "link_trace_exec") != release->exec_program;
	until = now_ns() + NO_EARLIER_NS;
	while (attached && generation(release->w) == release->generation && now_ns() < until)
		sched_yield();
	release->hold->bss->hold_released = 1;
	return !attached;
}

/* The kernel detaches later than it lets go of the pin, and keeps others from attaching while it waits for who is
 * inside. */
static void wait_until_gone(uint32_t program)
{
	int fd;

	while ((fd = bpf_prog_get_fd_by_id(program)) >= 0) {
		close(fd);
		sched_yield();
	}
	assert_int_equal(fd, -ENOENT);
}

/* The calling process, and what it forks, on the first of its CPUs or on all but that one. */
static void use_cpus(const cpu_set_t *all, bool first)
{
	cpu_set_t some;
	int cpu = 0;

	while (!CPU_ISSET(cpu, all))
		cpu++;
	some = *all;
	CPU_CLR(cpu, &some);
	if (first) {
		CPU_ZERO(&some);
		CPU_SET(cpu, &some);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(some), &some), 0);
}

/* An exec that is inside the tracepoint since before the next programs were attached passes by the earlier ones alone.
 */
static void test_an_exec_on_its_way_during_a_start(void **state)
{
	struct watched *w = *state;
	struct hold_bpf *hold = hold_bpf__open_and_load();
	struct release release = {.w = w, .hold = hold};
	uint32_t exec_program = link_program(w, "link_trace_exec"), exit_program = link_program(w, "link_trace_exit");
	pid_t worker, helper;
	cpu_set_t cpus;
	int one = 1;

	assert_non_null(hold);
	assert_int_equal(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	if (CPU_COUNT(&cpus) < 2) {
		print_message("UNSUPPORTED: one CPU cannot attach while it is held\n");
		hold_bpf__destroy(hold);
		skip();
	}
	assert_int_equal(hold_bpf__attach(hold), 0);
	/* Again, so that it comes after the one that holds. */
	assert_int_equal(prism_fake_host_stop(w->fake, PRISM_STOP_REPLACE), 0);
	assert_int_equal(prism_fake_host_start(w->fake), 0);
	wait_until_gone(exec_program);
	wait_until_gone(exit_program);
	release.exec_program = link_program(w, "link_trace_exec");
	release.generation = generation(w);
	hold->bss->hold_until_ns = now_ns() + 2 * PATIENCE_NS;
	hold->bss->hold_cgroup = w->a.id;
	/* The CPU on which it is held runs nothing else. */
	use_cpus(&cpus, true);
	worker = sandbox_spawn(&w->a, exec_many, &one);
	use_cpus(&cpus, false);
	while (!hold->bss->hold_inside)
		sched_yield();
	helper = sandbox_spawn(NULL, release_when_attached, &release);
	assert_int_equal(prism_fake_host_stop(w->fake, PRISM_STOP_REPLACE), 0);
	assert_int_equal(prism_fake_host_start(w->fake), 0);
	assert_int_equal(sandbox_wait(helper), 0);
	assert_int_equal(sandbox_wait(worker), 0);
	assert_int_equal(sched_setaffinity(0, sizeof(cpus), &cpus), 0);
	hold_bpf__destroy(hold);
	assert_each_once(w, 1);
}

static void name_generation(struct watched *w, uint64_t generation)
{
	struct accounts accounts;
	struct trace_reader *reader;

	accounts_open(w, &accounts);
	reader = mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, accounts.reader_fd, 0);
	assert_ptr_not_equal(reader, MAP_FAILED);
	reader->generation = generation;
	munmap(reader, (size_t)getpagesize());
	close(accounts.counts_fd);
	close(accounts.reader_fd);
}

/* The moment of a start in which both are attached and report, held for as long as the old links are. */
static void test_two_generations_report_once(void **state)
{
	struct watched *w = *state;
	int exec_link = open_link(w, "link_trace_exec"), exit_link = open_link(w, "link_trace_exit");
	int n = 50;

	assert_int_equal(prism_fake_host_stop(w->fake, PRISM_STOP_REPLACE), 0);
	assert_int_equal(prism_fake_host_start(w->fake), 0);
	name_generation(w, 0);
	sandbox_run(&w->a, exec_many, &n);
	sandbox_run(&w->a, run_from_thread, NULL);
	watched_wait(w, "exit", ID_A, 52);
	close(exec_link);
	close(exit_link);
	watched_remove_and_check(w);
	assert_int_equal(watched_count(w, "exec", ID_A), 51);
	assert_int_equal(watched_count(w, "exit", ID_A), 52);
}

/* An old program that the kernel has not detached yet does not write into the ring that nobody reads any more. */
static void test_a_superseded_generation_is_silent(void **state)
{
	struct watched *w = *state;
	int exec_link = open_link(w, "link_trace_exec"), exit_link = open_link(w, "link_trace_exit");
	int n = 50;

	assert_int_equal(prism_fake_host_reconfigure(w->fake, "rate: 0\nring_size: 2MiB\n"), 0);
	sandbox_run(&w->a, exec_many, &n);
	watched_wait(w, "exit", ID_A, 51);
	close(exec_link);
	close(exit_link);
	watched_remove_and_check(w);
	assert_int_equal(watched_count(w, "exec", ID_A), 50);
}

/* Another size is another ring: what the old one holds is told before. */
static void test_reloads_with_another_ring(void **state)
{
	struct watched *w = *state;
	struct endless *endless = sandbox_shared(sizeof(*endless));
	pid_t pid = sandbox_spawn(&w->a, exec_endlessly, endless);

	for (int i = 0; i < 6; i++) {
		wait_for_execs(endless, 20);
		assert_int_equal(prism_fake_host_reconfigure(w->fake, i % 2 ? "rate: 0\nring_size: 2MiB\n"
									    : "rate: 0\nring_size: 4MiB\n"),
				 0);
	}
	endless->stop = true;
	assert_int_equal(sandbox_wait(pid), 0);
	assert_each_once(w, endless->done);
}

#define SEQS 20000

struct victim {
	struct watched *w;
	volatile uint32_t n;
	uint32_t seq[SEQS];
};

/* Reads in another process that shares the ring; notes down each event before it takes the next turn. */
static int read_until_killed(void *arg)
{
	struct victim *victim = arg;
	struct watched *w = victim->w;

	for (;;) {
		unsigned int taken = w->taken;

		prism_fake_host_run(w->fake, 0, NULL, NULL);
		watched_take(w);
		for (; taken < w->taken && victim->n < SEQS; taken++)
			victim->seq[victim->n++] = (uint32_t)event_int(json_array_get(w->events, taken), "seq");
	}
	return 0;
}

static bool seen_by(const struct victim *victim, uint32_t seq)
{
	for (uint32_t i = 0; i < victim->n; i++) {
		if (victim->seq[i] == seq)
			return true;
	}
	return false;
}

/* kill -9 of the reader: the next one goes on after it, tells nothing twice, and the accounts still balance. */
static void test_a_killed_reader(void **state)
{
	struct watched *w = *state;
	struct victim *victim = sandbox_shared(sizeof(*victim));
	int n = 100;

	victim->w = w;
	for (int i = 0; i < 20; i++) {
		uint32_t had = victim->n;
		pid_t reader = sandbox_spawn(NULL, read_until_killed, victim);
		pid_t worker = sandbox_spawn(&w->a, fork_many, &n);

		while (victim->n < had + 20)
			sched_yield();
		kill(reader, SIGKILL);
		sandbox_wait(reader);
		assert_int_equal(sandbox_wait(worker), 0);
		assert_int_equal(prism_fake_host_stop(w->fake, PRISM_STOP_SHUTDOWN), 0);
		assert_int_equal(prism_fake_host_start(w->fake), 0);
	}
	watched_remove_and_check(w);
	for (size_t i = 0; i < json_array_size(w->events); i++) {
		json_t *event = json_array_get(w->events, i);

		if (!seen_by(victim, (uint32_t)event_int(event, "seq")))
			continue;
		fail_msg("event %d was told twice", (int)event_int(event, "seq"));
	}
}

/* What a kill leaves between the stores of one record: delivered lags, and the ring still holds it. */
static void rewind_one_record(const struct accounts *accounts, int ring_fd)
{
	struct trace_reader *reader =
		mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, accounts->reader_fd, 0);
	unsigned long *consumer = mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, ring_fd, 0);

	assert_ptr_not_equal(reader, MAP_FAILED);
	assert_ptr_not_equal(consumer, MAP_FAILED);
	*consumer = reader->upto - 1;
	reader->delivered--;
	munmap(reader, (size_t)getpagesize());
	munmap(consumer, (size_t)getpagesize());
}

static void test_a_record_that_is_still_there_is_not_told_again(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/true"}, NULL}, path[512];
	struct accounts accounts;
	size_t told, i;
	json_t *event;
	int ring_fd;

	snprintf(path, sizeof(path), "%s/trace_ring", prism_pin_dir(prism_fake_host_host(w->fake)));
	ring_fd = bpf_obj_get(path);
	assert_true(ring_fd >= 0);
	accounts_open(w, &accounts);
	sandbox_run(&w->a, run_program, argv);
	watched_wait(w, "exit", ID_A, 1);
	assert_int_equal(prism_fake_host_stop(w->fake, PRISM_STOP_SHUTDOWN), 0);
	watched_take(w);
	told = json_array_size(w->events);
	rewind_one_record(&accounts, ring_fd);
	close(ring_fd);
	assert_int_equal(prism_fake_host_start(w->fake), 0);
	sandbox_run(&w->a, run_program, argv);
	watched_wait(w, "exit", ID_A, 2);
	watched_remove_and_check(w); /* delivered is right again */
	for (i = told; i < json_array_size(w->events); i++) {
		event = json_array_get(w->events, i);
		assert_int_not_equal(event_int(event, "seq"), event_int(json_array_get(w->events, told - 1), "seq"));
	}
	close(accounts.counts_fd);
	close(accounts.reader_fd);
}

static unsigned int pins(struct watched *w)
{
	DIR *dir = opendir(prism_pin_dir(prism_fake_host_host(w->fake)));
	struct dirent *entry;
	unsigned int n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static void test_remove_leaves_nothing(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/true"}, NULL};
	struct accounts accounts;
	uint64_t seen;

	assert_true(pins(w) >= 7);
	assert_true(prism_fake_host_facet(w->fake, ID_A));
	accounts_open(w, &accounts);
	watched_remove_and_check(w);
	assert_int_equal(pins(w), 0);
	assert_false(prism_fake_host_facet(w->fake, ID_A));
	seen = accounts_counts(&accounts).seen;
	sandbox_run(&w->a, run_program, argv);
	assert_int_equal(accounts_counts(&accounts).seen, seen);
	close(accounts.counts_fd);
	close(accounts.reader_fd);
}

static void test_rows_go_with_their_number(void **state)
{
	struct watched *w = *state;
	char *argv[] = {(char[]){"/bin/true"}, NULL};

	sandbox_run(&w->a, run_program, argv);
	sandbox_identity(w->fake, PRISM_IDENTITY_REMOVED, ID_A, ID_A, &w->a);
	assert_true(watched_sample(w, "prism_trace_events_total", ID_A, "type", "exec") == 1);
	assert_int_equal(prism_fake_host_stop(w->fake, PRISM_STOP_SHUTDOWN), 0);
	sandbox_identity(w->fake, PRISM_IDENTITY_RELEASED, ID_A, ID_A, NULL);
	assert_int_equal(prism_fake_host_start(w->fake), 0);
	assert_true(isnan(watched_sample(w, "prism_trace_events_total", ID_A, "type", "exec")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_full_ring_is_counted, setup_small_ring, teardown),
		cmocka_unit_test_setup_teardown(test_rate_limit, setup_rate, teardown),
		TEST(test_events_made_while_stopped),
		TEST(test_starts_while_processes_run),
		TEST(test_an_exec_on_its_way_during_a_start),
		TEST(test_two_generations_report_once),
		TEST(test_a_superseded_generation_is_silent),
		TEST(test_reloads_with_another_ring),
		TEST(test_a_killed_reader),
		TEST(test_a_record_that_is_still_there_is_not_told_again),
		TEST(test_remove_leaves_nothing),
		TEST(test_rows_go_with_their_number),
	};

	sandbox_require_root();
	module = sandbox_module(MODULE_FILE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
