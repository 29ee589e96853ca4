// SPDX-License-Identifier: Apache-2.0
/* Counts, events and their rate; what happens when something is missing or full; one generation after another. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <prism/leg.h>

#include "deeds.h"
#include "guard.h"

#define OPEN LSM_HOOK_BIT(LSM_OPEN)
#define RULE 11u
#define MANY 3000

static int setup(void **state)
{
	int r = guard_begin_test(state);

	guard_bind(*state, ID_A, OPEN, 0);
	return r;
}

static void set_rule(struct guard *g, enum lsm_action action)
{
	guard_path(g, LSM_OPEN, "/proc/version", RULE, action);
}

/* MANY opens on each of two processors, each with the result r. */
static pid_t begin_storm(struct guard *g, int cpu)
{
	return guard_begin(g, &g->a, "cpu %d wait always %d open /proc/version 0", cpu, MANY);
}

static void storm(struct guard *g, int r)
{
	pid_t first = begin_storm(g, 0), second = begin_storm(g, 1);

	guard_go(g);
	guard_go(g);
	assert_int_equal(guard_end(g, first), r);
	assert_int_equal(guard_end(g, second), r);
}

static void check_events(struct guard *g, uint64_t seen)
{
	struct lsm_stats stats = guard_stats(g);

	assert_int_equal(stats.seen, seen);
	assert_int_equal(stats.seen, stats.emitted + stats.dropped + stats.limited);
	guard_events(g, stats.emitted);
}

static void test_exact_on_all_cpus(void **state)
{
	struct guard *g = *state;

	set_rule(g, LSM_ALLOW);
	storm(g, 0);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, 2 * MANY);
	assert_int_equal(guard_count(g, ID_A, RULE).blocked, 0);
	check_events(g, 0);
	set_rule(g, LSM_BLOCK);
	storm(g, EPERM);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, 4 * MANY);
	assert_int_equal(guard_count(g, ID_A, RULE).blocked, 2 * MANY);
	assert_true(guard_stats(g).dropped > 0); /* nobody read the ring */
	check_events(g, 2 * MANY);
}

/* The burst and no more; what is not said is counted. */
static void test_rate(void **state)
{
	struct guard *g = *state;
	struct lsm_stats stats;
	uint32_t identity = 0;

	g->config.interval_ns = 3600000000000ull;
	g->config.burst_ns = 9 * g->config.interval_ns;
	guard_config(g);
	set_rule(g, LSM_AUDIT);
	storm(g, 0);
	stats = guard_stats(g);
	assert_int_equal(stats.emitted, 10);
	assert_int_equal(stats.limited, 2 * MANY - 10);
	assert_int_equal(stats.unrated, 0);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, 2 * MANY);
	check_events(g, 2 * MANY);
	assert_int_equal(bpf_map_get_next_key(bpf_map__fd(g->skel->maps.lsm_rates), NULL, &identity), 0);
	assert_int_equal(identity, ID_A);
}

/* What was let through under another rate is not paid for by this one: it holds at once, without a burst. */
static void test_changed_rate(void **state)
{
	struct guard *g = *state;

	g->config.interval_ns = 3600000000000ull;
	g->config.burst_ns = 9 * g->config.interval_ns;
	guard_config(g);
	set_rule(g, LSM_AUDIT);
	assert_int_equal(guard_deed(g, &g->a, "always 20 open /proc/version 0"), 0);
	assert_int_equal(guard_stats(g).emitted, 10);
	g->config.burst_ns = 0;
	guard_config(g);
	assert_int_equal(guard_deed(g, &g->a, "always 20 open /proc/version 0"), 0);
	assert_int_equal(guard_stats(g).emitted, 11);
	g->config.interval_ns = 60000000000ull;
	guard_config(g);
	assert_int_equal(guard_deed(g, &g->a, "open /proc/version 0"), 0);
	assert_int_equal(guard_stats(g).emitted, 12);
	check_events(g, 41);
}

/* A rule holds although nothing can be counted. */
static void test_full_counts(void **state)
{
	struct guard *g = *state;
	struct lsm_count_key key = {.rule = 1};
	struct lsm_count *none = test_calloc((size_t)libbpf_num_possible_cpus(), sizeof(*none));

	while (bpf_map_update_elem(bpf_map__fd(g->skel->maps.lsm_counts), &key, none, BPF_NOEXIST) == 0)
		key.identity++;
	assert_int_equal(errno, E2BIG);
	test_free(none);
	set_rule(g, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "always 5 open /proc/version 0"), EPERM);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, 0);
	assert_int_equal(guard_stats(g).uncounted, 5);
	guard_events(g, 5);
}

/* In both directions, and in both modes. */
static void check_error(struct guard *g, enum lsm_error error, const char *deed)
{
	struct lsm_stats before = guard_stats(g);

	assert_int_equal(guard_deed(g, &g->a, "%s", deed), 0);
	assert_int_equal(guard_events(g, 1)->error, error);
	assert_int_equal(g->last.action, LSM_ALLOW);
	g->config.on_error = LSM_BLOCK;
	g->config.mode = LSM_AUDIT_ONLY;
	guard_config(g);
	assert_int_equal(guard_deed(g, &g->a, "%s", deed), 0);
	assert_int_equal(guard_events(g, 1)->action, LSM_BLOCK);
	assert_int_equal(g->last.bits & LSM_ENFORCED, 0);
	g->config.mode = LSM_ENFORCE;
	guard_config(g);
	assert_int_equal(guard_deed(g, &g->a, "%s", deed), EPERM);
	assert_int_equal(guard_events(g, 1)->bits & LSM_ENFORCED, LSM_ENFORCED);
	assert_int_equal(guard_stats(g).errors[error] - before.errors[error], 3);
	assert_int_equal(guard_stats(g).errors_blocked - before.errors_blocked, 1);
	g->config.on_error = LSM_ALLOW;
	guard_config(g);
}

/* The root key stands for the rules: without it they are not there. */
static void test_missing_rules(void **state)
{
	struct guard *g = *state;
	struct lsm_key root = {.prefixlen = LSM_KEY_BITS, .set = SET, .hook = LSM_CAPABLE};

	guard_bind(g, ID_A, LSM_HOOK_BIT(LSM_CAPABLE), 0);
	assert_int_equal(guard_deed(g, &g->a, "chroot /"), 0);
	guard_events(g, 0);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(g->skel->maps.lsm_rules), &root), 0);
	check_error(g, LSM_ERROR_RULES, "chroot /");
}

/* The facet says that there is a rule set; no room was left to say which. */
static void test_missing_binding(void **state)
{
	struct guard *g = *state;

	g->config.hooks = LSM_HOOK_BIT(LSM_CAPABLE);
	guard_config(g);
	guard_unbind(g, ID_A);
	assert_int_equal(guard_deed(g, &g->a, "chroot /"), 0);
	guard_events(g, 0);
	assert_int_equal(prism_facet_set(prism_fake_host_host(g->fake), ID_A, true), 0);
	check_error(g, LSM_ERROR_RULES, "chroot /");
	assert_int_equal(prism_facet_set(prism_fake_host_host(g->fake), ID_A, false), 0);
	assert_int_equal(guard_deed(g, &g->a, "chroot /"), 0);
	guard_events(g, 0);
}

/* A facet on a number that is nobody's workload says nothing. */
static void test_reserved(void **state)
{
	struct guard *g = *state;

	g->config.on_error = LSM_BLOCK;
	guard_config(g);
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, PRISM_ID_HOST, PRISM_ID_HOST, &g->b);
	assert_int_equal(prism_facet_set(prism_fake_host_host(g->fake), PRISM_ID_HOST, true), 0);
	assert_int_equal(guard_deed(g, &g->b, "chroot /"), 0);
	guard_events(g, 0);
	sandbox_identity(g->fake, PRISM_IDENTITY_REMOVED, PRISM_ID_HOST, PRISM_ID_HOST, &g->b);
	sandbox_identity(g->fake, PRISM_IDENTITY_RELEASED, PRISM_ID_HOST, PRISM_ID_HOST, NULL);
}

/* As if there had been no memory for it, or no programs when it was forked. */
static void lose_mark(struct guard *g, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(g->skel->maps.lsm_marks), &fd), 0);
	close(fd);
}

static void test_tasks_without_a_mark(void **state)
{
	struct guard *g = *state;
	pid_t here, from_outside;

	set_rule(g, LSM_BLOCK);
	g->config.on_error = LSM_BLOCK;
	guard_config(g);
	guard_path(g, LSM_OPEN, "/proc/uptime", RULE + 1, LSM_ALLOW);
	here = guard_begin(g, &g->a, "wait open /proc/uptime 0");
	lose_mark(g, here);
	guard_go(g);
	assert_int_equal(guard_end(g, here), EPERM); /* whatever the rules say */
	assert_int_equal(guard_events(g, 1)->error, LSM_ERROR_MARK);

	/* The iterator takes them for what they are where they are, and leaves the others alone. */
	here = guard_begin(g, &g->a, "wait open /proc/version 0");
	from_outside = guard_begin(g, &g->b, "join %s wait open /proc/version 0", g->a.path);
	lose_mark(g, here);
	guard_arm(g);
	assert_int_equal(guard_stats(g).armed, 1);
	guard_go(g);
	guard_go(g);
	assert_int_equal(guard_end(g, here), EPERM);
	assert_int_equal(guard_end(g, from_outside), 0);
	assert_int_equal(guard_events(g, 1)->rule, RULE);
}

/* ---- what the kernel does for itself --------------------------------------------------------------------------------
 */

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"

static void core_pattern(const char *mode, char *text, size_t size)
{
	FILE *f = fopen(CORE_PATTERN, mode);

	assert_non_null(f);
	if (!f)
		return; /* for the analyzer, which does not know cmocka */
	if (*mode == 'r')
		assert_non_null(fgets(text, (int)size, f));
	else
		assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int crash(void *arg)
{
	(void)arg;
	abort();
}

/* Nothing tells where a kernel thread comes from, and nothing has to: one that runs a program is not refused. */
static void test_kernel_threads(void **state)
{
	struct guard *g = *state;
	char before[128], helper[128];
	int status;

	g->config.on_error = LSM_BLOCK;
	guard_config(g);
	guard_bind(g, PRISM_ID_UNMANAGED, LSM_HOOK_BIT(LSM_EXEC), 0);
	core_pattern("re", before, sizeof(before));
	snprintf(helper, sizeof(helper), "|%s deed mkdir %s", g->program, guard_file(g, "helper-ran"));
	core_pattern("we", helper, 0);
	status = sandbox_wait(sandbox_spawn(NULL, crash, NULL)); /* comes when the helper has ended */
	core_pattern("we", before, 0);
	assert_true(WIFSIGNALED(status) && WCOREDUMP(status));
	assert_int_equal(access(guard_file(g, "helper-ran"), F_OK), 0);
	guard_events(g, 0);
	guard_unbind(g, PRISM_ID_UNMANAGED);
}

/* ---- a new generation takes over -----------------------------------------------------------------------------------
 */

struct generation {
	struct lsm_bpf *skel;
	struct prism_leg *leg;
};

static void generation_load(struct guard *g, uint32_t epoch, struct generation *ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct prism_host *host = prism_fake_host_host(g->fake);

	ret->skel = lsm_bpf__open_opts(prism_leg_open_opts(host, &opts));
	assert_non_null(ret->skel);
	ret->skel->rodata->lsm_epoch = epoch;
	bpf_map__set_max_entries(ret->skel->maps.lsm_counts, bpf_map__max_entries(g->skel->maps.lsm_counts));
	assert_int_equal(prism_leg_load(host, ret->skel->skeleton, &ret->leg), 0);
}

/* The maps are pinned, and those of g. */
static void generation_done(struct generation *generation)
{
	prism_leg_close(generation->leg, PRISM_STOP_SHUTDOWN);
	lsm_bpf__destroy(generation->skel);
}

/* Whichever way a call goes, it is counted and reported once; the kernel runs the newest program first. */
static void test_two_generations(void **state)
{
	struct guard *g = *state;
	struct generation next;
	struct bpf_link *link;
	uint64_t n = 0;

	generation_load(g, 2, &next);
	link = bpf_program__attach(next.skel->progs.lsm_open);
	assert_non_null(link);
	for (int action = LSM_ALLOW; action <= LSM_BLOCK; action++) {
		set_rule(g, (enum lsm_action)action);
		assert_int_equal(guard_deed(g, &g->a, "always 10 open /proc/version 0"),
				 action == LSM_BLOCK ? EPERM : 0);
		n += 10;
		assert_int_equal(guard_count(g, ID_A, RULE).matched, n);
		guard_events(g, action == LSM_ALLOW ? 0 : 10);
	}
	bpf_link__destroy(link);
	generation_done(&next);
}

/* Under way, without one call too few or too many, and none that gets through. */
static void check_takeover(struct guard *g, uint32_t epoch, enum lsm_action action)
{
	uint64_t before = guard_count(g, ID_A, RULE).matched;
	pid_t first = begin_storm(g, 0), second = begin_storm(g, 1);
	struct generation next;

	set_rule(g, action);
	generation_load(g, epoch, &next);
	guard_go(g);
	guard_go(g);
	assert_int_equal(prism_leg_attach(next.leg, next.skel->progs.lsm_open), 0); /* and the old one goes */
	assert_int_equal(guard_end(g, first), action == LSM_BLOCK ? EPERM : 0);
	assert_int_equal(guard_end(g, second), action == LSM_BLOCK ? EPERM : 0);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, before + 2 * MANY);
	assert_int_equal(guard_deed(g, &g->a, "open /proc/version 0"), action == LSM_BLOCK ? EPERM : 0);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, before + 2 * MANY + 1);
	generation_done(&next); /* its link stays */
}

static void test_takeover(void **state)
{
	struct guard *g = *state;

	check_takeover(g, 3, LSM_AUDIT);
	check_takeover(g, 4, LSM_BLOCK);
	check_takeover(g, 5, LSM_ALLOW);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exact_on_all_cpus, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_rate, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_changed_rate, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_full_counts, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_missing_rules, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_missing_binding, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_reserved, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_tasks_without_a_mark, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_kernel_threads, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_two_generations, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_takeover, setup, guard_end_test),
	};

	deed_main(argc, argv);
	guard_require();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}
