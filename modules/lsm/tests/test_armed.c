// SPDX-License-Identifier: Apache-2.0
/* Whom the rules are for, from when and for how long. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <prism/bus.h>

#include "deeds.h"
#include "guard.h"

#define OPEN LSM_HOOK_BIT(LSM_OPEN)
#define RULE 11u

static int setup(void **state)
{
	int r = guard_begin_test(state);

	guard_path(*state, LSM_OPEN, "/proc/version", RULE, LSM_BLOCK);
	return r;
}

/* Without an exec in this cgroup. */
static int open_by_itself(void *arg)
{
	int fd = open(arg, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? errno : 0;
}

static void test_only_after_an_exec_of_its_own(void **state)
{
	struct guard *g = *state;
	char version[] = "/proc/version";
	pid_t pid;

	guard_bind(g, ID_A, OPEN, 0);
	/* It comes from outside: it is the runtime. */
	sandbox_run(&g->a, open_by_itself, version);
	assert_int_equal(guard_deed(g, &g->b, "join %s open /proc/version 0", g->a.path), 0);
	assert_int_equal(guard_deed(g, &g->b, "join %s child thread open /proc/version 0", g->a.path), 0);
	/* Its first exec there is the container's beginning. */
	assert_int_equal(guard_deed(g, &g->b, "join %s exec %s deed open /proc/version 0", g->a.path, g->program),
			 EPERM);
	assert_int_equal(guard_deed(g, &g->a, "open /proc/version 0"), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "child child open /proc/version 0"), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "thread open /proc/version 0"), EPERM);
	pid = guard_begin(g, &g->a, "child thread wait open /proc/version 0");
	guard_go(g);
	assert_int_equal(guard_end(g, pid), EPERM);
}

static void test_within_its_workload(void **state)
{
	struct guard *g = *state;
	struct sandbox_cgroup below;

	guard_bind(g, ID_A, OPEN, 0);
	sandbox_cgroup_below(&g->a, "below", &below); /* not on the bus: found by the walk */
	assert_int_equal(guard_deed(g, &g->a, "join %s open /proc/version 0", below.path), EPERM);
	assert_int_equal(guard_deed(g, &below, "open /proc/version 0"), EPERM);
	/* Out of the workload it is another's. */
	assert_int_equal(guard_deed(g, &g->a, "join %s open /proc/version 0", g->b.path), 0);
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, ID_B, ID_B, &g->b);
	guard_bind(g, ID_B, OPEN, 0);
	assert_int_equal(guard_deed(g, &g->a, "join %s open /proc/version 0", g->b.path), 0); /* until its exec */
	assert_int_equal(guard_deed(g, &g->b, "open /proc/version 0"), EPERM);
	sandbox_cgroup_remove(&below);
}

static void test_relabel(void **state)
{
	struct guard *g = *state;
	struct sandbox_cgroup below;
	pid_t stays, moves;

	guard_bind(g, ID_A, OPEN, 0);
	sandbox_cgroup_below(&g->a, "below", &below);
	stays = guard_begin(g, &g->a, "wait open /proc/version 0");
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, ID_B, ID_B, &g->a);
	guard_go(g);
	assert_int_equal(guard_end(g, stays), 0); /* the new identity has no rules */

	guard_bind(g, ID_B, OPEN, 0);
	stays = guard_begin(g, &g->a, "wait open /proc/version 0");
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, ID_A, ID_A, &g->a);
	guard_go(g);
	assert_int_equal(guard_end(g, stays), EPERM); /* both have, and it is in the same cgroup */
	guard_events(g, 1);

	/* First one, then the other, while it is watched: still the same process. */
	moves = guard_begin(g, &g->a, "join %s times 2 wait open /proc/version 0", below.path);
	guard_go(g);
	guard_ready(g); /* judged once, as ID_A in `below` */
	guard_events(g, 1);
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, ID_B, ID_B, &g->a);
	guard_go(g);
	assert_int_equal(guard_end(g, moves), EPERM);
	sandbox_cgroup_remove(&below);
}

static void move_to(const struct sandbox_cgroup *cgroup, pid_t pid)
{
	char path[sizeof(cgroup->path) + sizeof("/cgroup.procs")];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup->path);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(dprintf(fd, "%d", pid) > 0);
	close(fd);
}

/* Its exec was in `from`; then both happen, with no call in between by which it could be followed. */
static int moved_and_relabelled(struct guard *g, const struct sandbox_cgroup *from, bool moved_first)
{
	struct sandbox_cgroup below;
	pid_t pid;
	int r;

	sandbox_cgroup_below(&g->a, "below", &below);
	pid = guard_begin(g, from, "wait open /proc/version 0");
	if (moved_first)
		move_to(&below, pid);
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, ID_B, ID_B, &g->a);
	if (!moved_first)
		move_to(&below, pid);
	guard_go(g);
	r = guard_end(g, pid);
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, ID_A, ID_A, &g->a);
	sandbox_cgroup_remove(&below);
	return r;
}

static void test_moved_and_relabelled(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, OPEN, 0);
	guard_bind(g, ID_B, OPEN, 0);
	for (int moved_first = 0; moved_first < 2; moved_first++) {
		assert_int_equal(moved_and_relabelled(g, &g->a, moved_first), EPERM);
		assert_int_equal(moved_and_relabelled(g, &g->b, moved_first), 0); /* a runtime's */
	}
	guard_events(g, 2);
}

/* The exec came before anybody knew whose cgroup it is. */
static void test_published_later(void **state)
{
	struct guard *g = *state;
	pid_t inside, outside;

	guard_bind(g, ID_B, OPEN, 0);
	inside = guard_begin(g, &g->b, "wait open /proc/version 0");
	outside = guard_begin(g, &g->a, "join %s wait open /proc/version 0", g->b.path);
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, ID_B, ID_B, &g->b);
	guard_go(g);
	guard_go(g);
	assert_int_equal(guard_end(g, inside), EPERM);
	assert_int_equal(guard_end(g, outside), 0);
}

static void test_unmanaged_only_when_told(void **state)
{
	struct guard *g = *state;
	struct sandbox_cgroup shim;
	pid_t runtime;

	guard_bind(g, ID_A, OPEN, 0);
	assert_int_equal(guard_deed(g, &g->b, "open /proc/version 0"), 0);
	guard_bind(g, PRISM_ID_UNMANAGED, OPEN, 0);
	assert_int_equal(guard_deed(g, &g->b, "open /proc/version 0"), EPERM);
	assert_int_equal(guard_events(g, 1)->identity, PRISM_ID_UNMANAGED);
	guard_unbind(g, ID_A);
	assert_int_equal(guard_deed(g, &g->a, "open /proc/version 0"), 0);

	/* A runtime in a cgroup that is unmanaged still, judged there, has not exec'ed in the workload to come. */
	guard_bind(g, ID_B, OPEN, 0);
	sandbox_cgroup_make(g->fake, "shim", &shim);
	runtime = guard_begin(g, &shim, "join %s times 2 wait open /proc/version 0", g->b.path);
	guard_go(g);
	guard_ready(g);
	guard_events(g, 1);
	guard_unbind(g, PRISM_ID_UNMANAGED);
	sandbox_identity(g->fake, PRISM_IDENTITY_ADDED, ID_B, ID_B, &g->b);
	guard_go(g);
	assert_int_equal(guard_end(g, runtime), 0);
	sandbox_cgroup_remove(&shim);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_after_an_exec_of_its_own, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_within_its_workload, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_relabel, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_moved_and_relabelled, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_published_later, setup, guard_end_test),
		cmocka_unit_test_setup_teardown(test_unmanaged_only_when_told, setup, guard_end_test),
	};

	deed_main(argc, argv);
	guard_require();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}
