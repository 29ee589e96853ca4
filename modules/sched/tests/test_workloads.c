// SPDX-License-Identifier: Apache-2.0
/* What the module does about workloads, and says of them: counters, facets, the threads of partial mode. */
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sched/types.h>

#include <cmocka.h>

#include "sandbox.h"
#include "scx.h"

#define PATIENCE_MS 10000
#define POLICY_EXT 7 /* SCHED_EXT */

static const struct prism_module *module;
static struct prism_fake_host *fake;
static struct sandbox_cgroup shop, backup;

static int make_host(void **state)
{
	(void)state;
	fake = sandbox_host_new(module, *state ? *state : "");
	assert_non_null(fake);
	sandbox_cgroup_make(fake, "shop", &shop);
	sandbox_cgroup_make(fake, "backup", &backup);
	return 0;
}

static int drop_host(void **state)
{
	(void)state;
	scx_foreign_unload();
	sandbox_cgroup_remove(&shop);
	sandbox_cgroup_remove(&backup);
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

static struct prism_workload critical(void)
{
	return (struct prism_workload){.size = sizeof(struct prism_workload),
				       .identity = 300,
				       .flags = PRISM_FLAGS_POLICY(PRISM_CLASS_CRITICAL, 127),
				       .label_hash = 1,
				       .name = "shop/checkout"};
}

static struct prism_workload batch(void)
{
	return (struct prism_workload){.size = sizeof(struct prism_workload),
				       .identity = 301,
				       .flags = PRISM_FLAGS_POLICY(PRISM_CLASS_BATCH, 0),
				       .label_hash = 2,
				       .name = "backup/nightly"};
}

static void tell(enum prism_change change, struct prism_workload workload, const struct sandbox_cgroup *cgroup)
{
	assert_int_equal(prism_fake_host_identity(fake, change, &workload, cgroup ? cgroup->id : 0), 0);
}

static void assert_explains(struct prism_workload workload, const char *part)
{
	const char *text = prism_fake_host_explain(fake, &workload);

	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

/* Until it is killed. */
static int burn(void *arg)
{
	volatile uint64_t n = 0;

	while (!arg)
		n++;
	return 0;
}

static int rest(void *arg)
{
	while (!arg)
		pause();
	return 0;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	sandbox_wait(pid);
}

struct wish {
	pid_t pid;
	int policy;
};

static bool has_policy(void *arg)
{
	const struct wish *wish = arg;

	return (sched_getscheduler(wish->pid) & ~SCHED_RESET_ON_FORK) == wish->policy;
}

static void assert_policy_after(pid_t pid, int policy)
{
	struct wish wish = {pid, policy};

	if (!prism_fake_host_run(fake, PATIENCE_MS, has_policy, &wish))
		fail_msg("the policy of %d is %d, not %d", (int)pid, sched_getscheduler(pid), policy);
}

/* A process that has a child whenever it is told to. The child rests; it goes with its cgroup. */
struct forker {
	pid_t pid;
	int to[2], from[2];
};

static int fork_when_told(void *arg)
{
	const struct forker *forker = arg;
	pid_t pid;
	char c;

	while (read(forker->to[0], &c, 1) == 1) {
		pid = fork();
		if (pid == 0)
			rest(NULL);
		if (write(forker->from[1], &pid, sizeof(pid)) != sizeof(pid))
			break;
	}
	return 1;
}

static void forker_start(struct forker *forker, const struct sandbox_cgroup *cgroup)
{
	assert_int_equal(pipe(forker->to), 0);
	assert_int_equal(pipe(forker->from), 0);
	forker->pid = sandbox_spawn(cgroup, fork_when_told, forker);
}

static pid_t fork_now(const struct forker *forker)
{
	pid_t pid = -1;

	assert_int_equal(write(forker->to[1], "x", 1), 1);
	assert_int_equal(read(forker->from[0], &pid, sizeof(pid)), sizeof(pid));
	assert_true(pid > 0);
	return pid;
}

static void forker_end(struct forker *forker)
{
	end(forker->pid);
	for (int i = 0; i < 2; i++) {
		close(forker->to[i]);
		close(forker->from[i]);
	}
}

static void move(pid_t pid, const struct sandbox_cgroup *cgroup)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup->path);
	f = fopen(path, "we");
	assert_non_null(f);
	if (!f)
		return; /* for the analyzer, which does not know cmocka */
	assert_true(fprintf(f, "%d", (int)pid) > 0);
	assert_int_equal(fclose(f), 0);
}

/* ---- counters ---------------------------------------------------------------------------------------------------- */

static double run_seconds(uint32_t identity)
{
	return prism_fake_host_sample(fake, "prism_sched_run_seconds_total", identity, "");
}

static bool has_run(void *arg)
{
	return run_seconds(*(const uint32_t *)arg) > 0.01;
}

static void test_counts_by_identity_and_class(void **state)
{
	uint32_t identity = critical().identity;
	pid_t pid;

	(void)state;
	start();
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	tell(PRISM_IDENTITY_ADDED, batch(), &backup);
	assert_true(prism_fake_host_facet(fake, 300));
	pid = sandbox_spawn(&shop, burn, NULL);
	assert_true(prism_fake_host_run(fake, PATIENCE_MS, has_run, &identity));
	end(pid);
	assert_true(prism_fake_host_sample(fake, "prism_sched_class_run_seconds_total", 0, "class=\"critical\"") >
		    0.01);
	assert_true(prism_fake_host_sample(fake, "prism_sched_wait_seconds_count", 300, "") >= 1);
	assert_true(isnan(run_seconds(301)));
	assert_explains(critical(), "class critical, weight 127 (1.98x)");
	assert_explains(critical(), "waits for a CPU: 99 %");
	assert_explains(batch(), "it has not run yet");
	tell(PRISM_IDENTITY_REMOVED, critical(), NULL);
	assert_false(isnan(run_seconds(300)));
	tell(PRISM_IDENTITY_RELEASED, critical(), NULL);
	assert_true(isnan(run_seconds(300)));
}

static void test_counters_never_change_their_owner(void **state)
{
	struct prism_workload next = critical();
	uint32_t identity = next.identity;
	pid_t pid;

	(void)state;
	start();
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	pid = sandbox_spawn(&shop, burn, NULL);
	assert_true(prism_fake_host_run(fake, PATIENCE_MS, has_run, &identity));
	end(pid);
	/* No prismd ran when the number was released and given to somebody else. */
	next.label_hash = 99;
	tell(PRISM_IDENTITY_ADDED, next, &shop);
	assert_true(isnan(run_seconds(300)));
}

static void test_nothing_is_claimed_while_another_scheduler_runs(void **state)
{
	(void)state;
	scx_foreign_load();
	start();
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	assert_false(prism_fake_host_facet(fake, 300));
	assert_explains(critical(), "scheduled by foreign_toy");
}

/* ---- partial mode ------------------------------------------------------------------------------------------------ */

#define PARTIAL "mode: partial\nselect: [\"shop/*\"]\n"

static void set_policy(pid_t pid, int policy)
{
	const struct sched_param param = {0};

	assert_int_equal(sched_setscheduler(pid, policy, &param), 0);
}

static void test_partial_mode_takes_what_is_selected(void **state)
{
	pid_t mine, other;

	(void)state;
	start();
	mine = sandbox_spawn(&shop, rest, NULL);
	other = sandbox_spawn(&backup, rest, NULL);
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	tell(PRISM_IDENTITY_ADDED, batch(), &backup);
	assert_policy_after(mine, POLICY_EXT);
	assert_true(prism_fake_host_facet(fake, 300));
	assert_int_equal(sched_getscheduler(other), SCHED_OTHER);
	assert_false(prism_fake_host_facet(fake, 301));
	assert_int_equal((int)prism_fake_host_sample(fake, "prism_sched_partial_threads", 0, ""), 1);
	assert_explains(batch(), "`select` does not name it");
	/* All of it is given back. */
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_int_equal(sched_getscheduler(mine), SCHED_OTHER);
	end(mine);
	end(other);
}

static void test_partial_mode_gives_back_what_it_found(void **state)
{
	pid_t batchy, idle;

	(void)state;
	start();
	batchy = sandbox_spawn(&shop, rest, NULL);
	idle = sandbox_spawn(&shop, rest, NULL);
	set_policy(batchy, SCHED_BATCH);
	set_policy(idle, SCHED_IDLE);
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	assert_policy_after(batchy, POLICY_EXT);
	assert_int_equal(sched_getscheduler(idle), SCHED_IDLE);
	assert_int_equal(prism_fake_host_reconfigure(fake, "mode: partial\nselect: [class:batch]\n"), 0);
	assert_policy_after(batchy, SCHED_BATCH);
	assert_int_equal(sched_getscheduler(idle), SCHED_IDLE);
	end(batchy);
	end(idle);
}

static void start_with_chosen(struct forker *forker)
{
	start();
	forker_start(forker, &shop);
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	assert_policy_after(forker->pid, POLICY_EXT);
}

static pid_t fork_chosen(const struct forker *forker)
{
	pid_t child = fork_now(forker);

	assert_int_equal(sched_getscheduler(child), POLICY_EXT);
	return child;
}

static void test_what_was_forked_since_the_last_look_is_given_back(void **state)
{
	struct forker forker;
	pid_t child;

	(void)state;
	start_with_chosen(&forker);
	child = fork_chosen(&forker);
	assert_int_equal(prism_fake_host_reconfigure(fake, "mode: partial\nselect: [class:batch]\n"), 0);
	assert_policy_after(forker.pid, SCHED_OTHER);
	assert_policy_after(child, SCHED_OTHER);
	/* And between the last look and the end. */
	assert_int_equal(prism_fake_host_reconfigure(fake, PARTIAL), 0);
	assert_policy_after(forker.pid, POLICY_EXT);
	child = fork_chosen(&forker);
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_int_equal(sched_getscheduler(forker.pid), SCHED_OTHER);
	assert_int_equal(sched_getscheduler(child), SCHED_OTHER);
	forker_end(&forker);
}

static void test_what_was_forked_while_no_prismd_ran_is_known(void **state)
{
	struct forker forker;
	pid_t child;

	(void)state;
	start_with_chosen(&forker);
	tell(PRISM_IDENTITY_ADDED, batch(), &backup);
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_SHUTDOWN), 0);
	child = fork_chosen(&forker);
	move(child, &backup);
	start();
	assert_policy_after(child, SCHED_OTHER);
	assert_int_equal(sched_getscheduler(forker.pid), POLICY_EXT);
	forker_end(&forker);
}

static bool is_ext(void *arg)
{
	struct wish wish = {*(pid_t *)arg, POLICY_EXT};

	return has_policy(&wish);
}

/* A prismd in partial mode that is killed. */
static void take_and_be_killed(pid_t pid)
{
	pid_t prismd = fork();
	int status;

	assert_true(prismd >= 0);
	if (prismd == 0) {
		struct prism_workload workload = critical();

		if (prism_fake_host_start(fake) == 0 && prism_fake_host_reconfigure(fake, PARTIAL) == 0 &&
		    prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &workload, shop.id) == 0 &&
		    prism_fake_host_run(fake, PATIENCE_MS, is_ext, &pid))
			raise(SIGKILL);
		_exit(1);
	}
	status = sandbox_wait(prismd);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_the_next_start_in_full_mode_gives_back(void **state)
{
	pid_t mine;

	(void)state;
	mine = sandbox_spawn(&shop, rest, NULL);
	take_and_be_killed(mine);
	assert_int_equal(sched_getscheduler(mine), POLICY_EXT);
	start();
	assert_int_equal(sched_getscheduler(mine), SCHED_OTHER);
	assert_int_equal(prism_fake_host_sample(fake, "prism_sched_partial_threads", 0, ""), 0);
	end(mine);
}

static void test_who_chose_it_keeps_it(void **state)
{
	struct forker forker, own;
	pid_t child;

	(void)state;
	start();
	forker_start(&forker, &shop);
	forker_start(&own, &backup);
	set_policy(own.pid, POLICY_EXT);
	child = fork_now(&own);
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	tell(PRISM_IDENTITY_ADDED, batch(), &backup);
	assert_policy_after(forker.pid, POLICY_EXT);
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_int_equal(sched_getscheduler(forker.pid), SCHED_OTHER);
	assert_int_equal(sched_getscheduler(own.pid), POLICY_EXT);
	assert_int_equal(sched_getscheduler(child), POLICY_EXT);
	forker_end(&forker);
	forker_end(&own);
}

static void choose_slice(pid_t pid, uint64_t ns)
{
	struct sched_attr attr = {.size = sizeof(attr), .sched_runtime = ns};

	assert_int_equal(syscall(SYS_sched_setattr, pid, &attr, 0), 0);
}

static void test_a_slice_is_custom_only_if_it_was(void **state)
{
	pid_t plain, custom;

	(void)state;
	start();
	plain = sandbox_spawn(&shop, rest, NULL);
	custom = sandbox_spawn(&shop, rest, NULL);
	choose_slice(custom, 5000000);
	assert_true(scx_custom_slice(custom));
	assert_false(scx_custom_slice(plain));
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	assert_policy_after(plain, POLICY_EXT);
	assert_policy_after(custom, POLICY_EXT);
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_true(scx_custom_slice(custom));
	assert_false(scx_custom_slice(plain));
	end(plain);
	end(custom);
}

static void test_partial_mode_follows_class_and_cgroup(void **state)
{
	struct prism_workload relabelled = critical();
	pid_t mine, late;

	(void)state;
	start();
	assert_int_equal(prism_fake_host_reconfigure(fake, "mode: partial\nselect: [class:critical]\n"), 0);
	mine = sandbox_spawn(&shop, rest, NULL);
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	assert_policy_after(mine, POLICY_EXT);
	/* Found by the regular look: nobody tells of a process. */
	late = sandbox_spawn(&shop, rest, NULL);
	assert_policy_after(late, POLICY_EXT);
	relabelled.flags = PRISM_FLAGS_POLICY(PRISM_CLASS_NORMAL, 0);
	tell(PRISM_IDENTITY_CHANGED, relabelled, NULL);
	assert_policy_after(mine, SCHED_OTHER);
	assert_policy_after(late, SCHED_OTHER);
	end(mine);
	end(late);
}

static void test_full_mode_gives_the_threads_back(void **state)
{
	pid_t mine;

	(void)state;
	start();
	mine = sandbox_spawn(&shop, rest, NULL);
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	tell(PRISM_IDENTITY_ADDED, batch(), &backup);
	assert_policy_after(mine, POLICY_EXT);
	assert_int_equal(prism_fake_host_reconfigure(fake, "mode: full\n"), 0);
	assert_int_equal(sched_getscheduler(mine), SCHED_OTHER);
	assert_true(prism_fake_host_facet(fake, 300));
	assert_true(prism_fake_host_facet(fake, 301));
	end(mine);
}

static void test_threads_stay_when_prismd_goes(void **state)
{
	pid_t mine;

	(void)state;
	start();
	mine = sandbox_spawn(&shop, rest, NULL);
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	assert_policy_after(mine, POLICY_EXT);
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_SHUTDOWN), 0);
	assert_int_equal(sched_getscheduler(mine), POLICY_EXT);
	start();
	assert_int_equal(prism_fake_host_stop(fake, PRISM_STOP_REMOVE), 0);
	assert_int_equal(sched_getscheduler(mine), SCHED_OTHER);
	end(mine);
}

static void test_threads_go_back_when_the_scheduler_is_ejected(void **state)
{
	pid_t mine;

	(void)state;
	start();
	mine = sandbox_spawn(&shop, rest, NULL);
	tell(PRISM_IDENTITY_ADDED, critical(), &shop);
	assert_policy_after(mine, POLICY_EXT);
	scx_sysrq();
	assert_policy_after(mine, SCHED_OTHER);
	assert_false(prism_fake_host_facet(fake, 300));
	end(mine);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_host, drop_host)
#define PARTIAL_TEST(name)                                                                                             \
	cmocka_unit_test_prestate_setup_teardown(name, make_host, drop_host, (void *)(uintptr_t)PARTIAL)
	const struct CMUnitTest tests[] = {
		TEST(test_counts_by_identity_and_class),
		TEST(test_counters_never_change_their_owner),
		TEST(test_nothing_is_claimed_while_another_scheduler_runs),
		PARTIAL_TEST(test_partial_mode_takes_what_is_selected),
		PARTIAL_TEST(test_partial_mode_gives_back_what_it_found),
		PARTIAL_TEST(test_what_was_forked_since_the_last_look_is_given_back),
		PARTIAL_TEST(test_what_was_forked_while_no_prismd_ran_is_known),
		TEST(test_the_next_start_in_full_mode_gives_back),
		PARTIAL_TEST(test_who_chose_it_keeps_it),
		PARTIAL_TEST(test_a_slice_is_custom_only_if_it_was),
		TEST(test_partial_mode_follows_class_and_cgroup),
		PARTIAL_TEST(test_full_mode_gives_the_threads_back),
		PARTIAL_TEST(test_threads_stay_when_prismd_goes),
		PARTIAL_TEST(test_threads_go_back_when_the_scheduler_is_ejected),
	};

	scx_require();
	module = sandbox_module(MODULE_FILE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
