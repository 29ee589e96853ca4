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
#include <unistd.h>

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
		TEST(test_partial_mode_follows_class_and_cgroup),
		PARTIAL_TEST(test_full_mode_gives_the_threads_back),
		PARTIAL_TEST(test_threads_stay_when_prismd_goes),
		PARTIAL_TEST(test_threads_go_back_when_the_scheduler_is_ejected),
	};

	scx_require();
	module = sandbox_module(MODULE_FILE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
