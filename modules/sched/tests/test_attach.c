// SPDX-License-Identifier: Apache-2.0
/* The module as it ships, on the fake host, with the kernel's own idea of what runs. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "sandbox.h"
#include "scx.h"
#include "topology.h"

#define PATIENCE_MS 10000
#define RESTART_CODE (1ll << 48 | 1ll << 32) /* SCX_ECODE_ACT_RESTART | SCX_ECODE_RSN_HOTPLUG */

static const struct prism_module *module;
static struct prism_fake_host *fake;

static int make_host(void **state)
{
	(void)state;
	fake = sandbox_host_new(module, "retry_delay: 100ms\n");
	assert_non_null(fake);
	assert_true(scx_disabled());
	return 0;
}

static int drop_host(void **state)
{
	(void)state;
	scx_foreign_unload();
	sandbox_host_free(fake);
	assert_true(scx_disabled());
	return 0;
}

static void start(void)
{
	int r = prism_fake_host_start(fake);

	if (r < 0)
		fail_msg("start: %s", prism_fake_host_reason(fake));
}

static bool in_state(const char *state)
{
	char label[64];

	snprintf(label, sizeof(label), "state=\"%s\"", state);
	return prism_fake_host_sample(fake, "prism_sched_state", 0, label) == 1;
}

static bool is_in_state(void *arg)
{
	return in_state(arg);
}

static void await_state(const char *state)
{
	if (!prism_fake_host_run(fake, PATIENCE_MS, is_in_state, (void *)state))
		fail_msg("never got into the state %s; condition: %s", state, prism_fake_host_condition(fake));
}

static double exits(const char *cause)
{
	char label[64];

	snprintf(label, sizeof(label), "cause=\"%s\"", cause);
	return prism_fake_host_sample(fake, "prism_sched_exits_total", 0, label);
}

static double gap(void)
{
	return prism_fake_host_sample(fake, "prism_sched_last_gap_seconds", 0, "");
}

/* The last event, which must be of this type and say this. */
static void assert_last_event(const char *type, const char *part)
{
	const char *last = "", *event;

	for (unsigned int i = 0; (event = prism_fake_host_event(fake, i)); i++)
		last = event;
	if (!strstr(last, type) || !strstr(last, part))
		fail_msg("the last event is %s, and not %s with %s", last, type, part);
}

static void assert_says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* ---- attach, adopt, replace -------------------------------------------------------------------------------------- */

static void test_attaches_and_goes(void **state)
{
	(void)state;
	start();
	assert_true(scx_enabled("prism"));
	assert_true(in_state("attached"));
	assert_string_equal(prism_fake_host_condition(fake), "");
	assert_last_event("sched.attached", "\"how\":\"attached\"");
	assert_true(gap() == 0);
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_true(scx_disabled());
}

static void test_an_option_changes_while_it_runs(void **state)
{
	const struct prism_workload web = {.size = sizeof(web), .identity = 300, .name = "shop/web"};
	uint64_t seq;

	(void)state;
	start();
	seq = scx_enable_seq();
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &web, 0), 0);
	assert_says(prism_fake_host_explain(fake, &web), "no wait above 250 ms");
	assert_int_equal(prism_fake_host_reconfigure(fake, "max_wait: 500ms\nshare_batch: 2\n"), 0);
	assert_says(prism_fake_host_explain(fake, &web), "4 of 22 parts of the CPU");
	assert_says(prism_fake_host_explain(fake, &web), "no wait above 500 ms");
	assert_int_equal(scx_enable_seq(), seq);
	assert_true(scx_enabled("prism"));
}

static void test_a_bad_configuration_changes_nothing(void **state)
{
	uint64_t seq;

	(void)state;
	start();
	seq = scx_enable_seq();
	assert_int_equal(prism_fake_host_reconfigure(fake, "max_wait: 20ms\nslice_batch: 11ms\n"), -EINVAL);
	assert_says(prism_fake_host_reason(fake), "slice_batch is more than half of max_wait (20 ms)");
	assert_int_equal(prism_fake_host_reconfigure(fake, "mode: partial\n"), -EINVAL);
	assert_says(prism_fake_host_reason(fake), "select: [class:critical]");
	assert_int_equal(scx_enable_seq(), seq);
	assert_true(scx_enabled("prism"));
}

/* A prismd that is killed: nothing of it runs any more but what the kernel has. before() runs in it alone. */
static void start_and_be_killed_after(bool (*before)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if ((!before || before()) && prism_fake_host_start(fake) == 0)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void start_and_be_killed(void)
{
	start_and_be_killed_after(NULL);
}

static void test_the_same_build_is_adopted(void **state)
{
	uint64_t seq;

	(void)state;
	start_and_be_killed();
	assert_true(scx_enabled("prism"));
	seq = scx_enable_seq();
	start();
	assert_int_equal(scx_enable_seq(), seq);
	assert_last_event("sched.attached", "\"how\":\"adopted\"");
	assert_true(gap() == 0);
	/* It is the same in every other respect. */
	scx_eject();
	await_state("retrying");
	await_state("attached");
	assert_int_equal(scx_enable_seq(), seq + 1);
}

/* For this process, the last CPU says what it says of its caches when the others are offline: nobody shares them. */
static bool hide_sharers(void)
{
	char alone[] = "/tmp/prism-alone-XXXXXX", path[256];
	int fd = mkstemp(alone), n = libbpf_num_possible_cpus();
	bool hidden = fd >= 0 && dprintf(fd, "%d\n", n - 1) > 0 && unshare(CLONE_NEWNS) == 0 &&
		      mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	bool any = false;

	for (int i = 0; hidden && i < 8; i++) {
		snprintf(path, sizeof(path), TOPOLOGY_DIR "/cpu%d/cache/index%d/shared_cpu_list", n - 1, i);
		any = mount(alone, path, NULL, MS_BIND, NULL) == 0 || any;
	}
	unlink(alone);
	close(fd);
	return any;
}

static void test_it_is_adopted_whichever_cpus_are_there(void **state)
{
	uint64_t seq;

	(void)state;
	start_and_be_killed_after(hide_sharers);
	seq = scx_enable_seq();
	start();
	assert_last_event("sched.attached", "\"how\":\"adopted\"");
	assert_int_equal(scx_enable_seq(), seq);
	/* And what is attached anew goes by what is there now: the next start knows it, too. */
	assert_int_equal(prism_fake_host_reconfigure(fake, "max_identities: 8192\n"), 0);
	assert_last_event("sched.attached", "\"how\":\"replaced\"");
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_SHUTDOWN), 0);
	start();
	assert_last_event("sched.attached", "\"how\":\"adopted\"");
}

/* The build that attached the pinned link is told apart by what lies beside it: as if another one had written it. */
static void claim_other_build(void)
{
	char path[512];
	char value[64] = {0};
	struct bpf_map_info info = {0};
	uint32_t zero = 0, size = sizeof(info);
	int fd;

	snprintf(path, sizeof(path), "%s/build-sched_ops", prism_pin_dir(prism_fake_host_host(fake)));
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_get_info_by_fd(fd, &info, &size), 0);
	assert_true(info.value_size <= sizeof(value));
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, value), 0);
	value[info.value_size - 1] ^= 1;
	assert_int_equal(bpf_map_update_elem(fd, &zero, value, BPF_ANY), 0);
	close(fd);
}

static void test_another_build_takes_over_with_a_gap_that_is_told(void **state)
{
	uint64_t seq;

	(void)state;
	start_and_be_killed();
	claim_other_build();
	seq = scx_enable_seq();
	start();
	assert_true(scx_enabled("prism"));
	assert_int_equal(scx_enable_seq(), seq + 1);
	assert_last_event("sched.attached", "\"how\":\"replaced\"");
	assert_true(gap() > 0);
}

static void test_another_mode_is_another_build(void **state)
{
	uint64_t seq;

	(void)state;
	start();
	seq = scx_enable_seq();
	assert_int_equal(prism_fake_host_reconfigure(fake, "mode: partial\nselect: [class:critical]\n"), 0);
	assert_int_equal(scx_enable_seq(), seq + 1);
	assert_last_event("sched.attached", "\"how\":\"replaced\"");
	assert_true(gap() > 0);
	assert_true(scx_enabled("prism"));
}

/* ---- another scheduler ------------------------------------------------------------------------------------------- */

static void test_another_scheduler_is_left_alone(void **state)
{
	(void)state;
	scx_foreign_load();
	start();
	assert_true(in_state("foreign"));
	assert_says(prism_fake_host_condition(fake), "foreign_toy");
	assert_last_event("sched.foreign", "foreign_toy");
	assert_true(scx_enabled("foreign_toy"));
	scx_foreign_unload();
	await_state("attached");
	assert_true(scx_enabled("prism"));
	assert_string_equal(prism_fake_host_condition(fake), "");
}

/* Some kernels end whichever scheduler runs when the link of a dead one goes. */
static void test_a_dead_link_does_not_end_another_scheduler(void **state)
{
	(void)state;
	start_and_be_killed();
	scx_sysrq();
	scx_await_disabled();
	scx_foreign_load();
	start();
	assert_true(in_state("foreign"));
	assert_true(scx_enabled("foreign_toy"));
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_true(scx_enabled("foreign_toy"));
}

/* ---- the kernel lets go of it ------------------------------------------------------------------------------------ */

static void test_an_error_is_retried_with_back_off_and_then_not(void **state)
{
	(void)state;
	start();
	for (int i = 1; i <= 3; i++) {
		scx_eject();
		await_state("retrying");
		assert_says(prism_fake_host_condition(fake), "provoked by a test");
		assert_int_equal((int)exits("error"), i);
		await_state("attached");
		assert_true(scx_enabled("prism"));
		assert_last_event("sched.attached", "\"how\":\"reattached\"");
		assert_string_equal(prism_fake_host_condition(fake), "");
		/* The first wait is 100 ms, each one twice as long. */
		assert_true(gap() >= 0.1 * (1 << (i - 1)));
	}
	scx_eject();
	await_state("given_up");
	assert_says(prism_fake_host_condition(fake), "prismctl module reload sched");
	assert_true(scx_disabled());
	/* Another configuration is an operator's word. */
	assert_int_equal(prism_fake_host_reconfigure(fake, "retries: 1\n"), 0);
	assert_true(in_state("attached"));
}

/* Another configuration that has to be loaded anew and cannot: there are no descriptors for its maps. */
static void assert_reload_is_refused(const char *config)
{
	int free_fd = dup(STDIN_FILENO), r;
	struct rlimit before, few;

	assert_true(free_fd >= 0);
	close(free_fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = (rlim_t)free_fd + 4;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	r = prism_fake_host_reconfigure(fake, config);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(r < 0);
	assert_says(prism_fake_host_reason(fake), strerror(EMFILE));
}

static void test_a_refused_reload_leaves_the_next_try_due(void **state)
{
	(void)state;
	start();
	scx_eject();
	await_state("retrying");
	assert_reload_is_refused("max_identities: 8192\n");
	assert_true(in_state("retrying"));
	await_state("attached");
	assert_true(scx_enabled("prism"));
	/* The try before has not been forgotten: this is the second. */
	scx_eject();
	await_state("retrying");
	await_state("attached");
	assert_true(gap() >= 0.2);
}

static void test_a_reload_takes_the_place_of_the_next_try(void **state)
{
	uint64_t seq;

	(void)state;
	start();
	scx_eject();
	await_state("retrying");
	seq = scx_enable_seq();
	assert_int_equal(prism_fake_host_reconfigure(fake, "retry_delay: 100ms\nmax_identities: 8192\n"), 0);
	assert_true(in_state("attached"));
	assert_false(prism_fake_host_run(fake, 300, is_in_state, (void *)"retrying"));
	assert_int_equal(scx_enable_seq(), seq + 1);
	assert_last_event("sched.attached", "\"how\":\"reattached\"");
}

static bool has_restarted(void *arg)
{
	(void)arg;
	return exits("hotplug") == 1 && in_state("attached");
}

static void test_a_restart_is_at_once(void **state)
{
	uint64_t seq;

	(void)state;
	start();
	seq = scx_enable_seq();
	scx_exit(RESTART_CODE);
	assert_true(prism_fake_host_run(fake, PATIENCE_MS, has_restarted, NULL));
	assert_true(scx_enabled("prism"));
	assert_int_equal(scx_enable_seq(), seq + 1);
	assert_last_event("sched.attached", "\"how\":\"reattached\"");
	assert_true(gap() > 0);
}

static bool is_link_pinned(void)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/link_sched_ops", prism_pin_dir(prism_fake_host_host(fake)));
	return access(path, F_OK) == 0;
}

static void test_what_an_operator_does_stays(void **state)
{
	(void)state;
	start();
	scx_sysrq();
	await_state("left_alone");
	assert_true(scx_disabled());
	assert_says(prism_fake_host_condition(fake), "an operator did that");
	assert_last_event("sched.exited", "\"cause\":\"operator\"");
	assert_false(is_link_pinned());
	/* The kernel has room for another one now, and that one stays when this module goes. */
	scx_foreign_load();
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_true(scx_enabled("foreign_toy"));
}

static void test_the_next_start_attaches_again_and_tells_nothing_twice(void **state)
{
	(void)state;
	start();
	scx_sysrq();
	await_state("left_alone");
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_SHUTDOWN), 0);
	start();
	assert_true(scx_enabled("prism"));
	assert_int_equal((int)exits("operator"), 0);
	assert_last_event("sched.attached", "\"how\":\"reattached\"");
	assert_true(gap() > 0);
}

static void test_an_end_while_nobody_looked_is_told_once(void **state)
{
	(void)state;
	start_and_be_killed();
	scx_eject();
	scx_await_disabled();
	start();
	assert_true(scx_enabled("prism"));
	assert_int_equal((int)exits("error"), 1);
	assert_last_event("sched.attached", "\"how\":\"reattached\"");
	assert_true(gap() > 0);
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_SHUTDOWN), 0);
	start();
	assert_int_equal((int)exits("error"), 0);
	assert_last_event("sched.attached", "\"how\":\"adopted\"");
}

static void test_a_kernel_without_sched_ext_is_told(void **state)
{
	(void)state;
	fake = sandbox_host_new(module, "");
	assert_non_null(fake);
	assert_int_equal(prism_fake_host_start(fake), -EOPNOTSUPP);
	assert_says(prism_fake_host_reason(fake), "boot Linux 6.12 or later with CONFIG_SCHED_CLASS_EXT");
	sandbox_host_free(fake);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_host, drop_host)
	const struct CMUnitTest tests[] = {
		TEST(test_attaches_and_goes),
		TEST(test_an_option_changes_while_it_runs),
		TEST(test_a_bad_configuration_changes_nothing),
		TEST(test_the_same_build_is_adopted),
		TEST(test_it_is_adopted_whichever_cpus_are_there),
		TEST(test_another_build_takes_over_with_a_gap_that_is_told),
		TEST(test_another_mode_is_another_build),
		TEST(test_another_scheduler_is_left_alone),
		TEST(test_a_dead_link_does_not_end_another_scheduler),
		TEST(test_an_error_is_retried_with_back_off_and_then_not),
		TEST(test_a_refused_reload_leaves_the_next_try_due),
		TEST(test_a_reload_takes_the_place_of_the_next_try),
		TEST(test_a_restart_is_at_once),
		TEST(test_what_an_operator_does_stays),
		TEST(test_the_next_start_attaches_again_and_tells_nothing_twice),
		TEST(test_an_end_while_nobody_looked_is_told_once),
	};
	const struct CMUnitTest without[] = {cmocka_unit_test(test_a_kernel_without_sched_ext_is_told)};

	module = sandbox_module(MODULE_FILE);
	if (!scx_exists())
		return cmocka_run_group_tests(without, NULL, NULL);
	scx_require();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
