// SPDX-License-Identifier: Apache-2.0
/* Every lookup gives the same answer, in every place of the tree. */
#include "world.h"

#include <bpf/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lookup.h"
#include "lookup.skel.h"

#define WEB 300
#define DB 4242

static struct world world;
static struct lookup_bpf *skel;

static int setup(void **state)
{
	static const char *const needy[][2] = {
		{"by_task", "bpf_task_from_pid"},
		{"by_task_cached", "bpf_task_from_pid"},
		{"by_cgroup", "bpf_cgroup_from_id"},
	};
	struct bpf_program *prog;
	size_t i;

	(void)state;
	world_init(&world);
	skel = lookup_bpf__open();
	assert_non_null(skel);
	world_attach_bus(&world, skel->obj);
	for (i = 0; i < sizeof(needy) / sizeof(needy[0]); i++) {
		prog = bpf_object__find_program_by_name(skel->obj, needy[i][0]);
		bpf_program__set_autoload(prog, world_kfunc(needy[i][1]));
	}
	assert_int_equal(lookup_bpf__load(skel), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lookup_bpf__destroy(skel);
	world_done(&world);
	return 0;
}

static struct answer run(struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	memset(&skel->bss->answer, 0xff, sizeof(skel->bss->answer));
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &opts), 0);
	assert_int_equal(opts.retval, 0);
	return skel->bss->answer;
}

static void expect(const char *name, struct answer a, unsigned int state, unsigned int identity, uint64_t cgroup)
{
	if (a.state != state || a.identity != identity || a.cgroup_id != cgroup)
		fail_msg("%s: state %u identity %u cgroup %llu, expected %u %u %llu", name, a.state, a.identity,
			 a.cgroup_id, state, identity, (unsigned long long)cgroup);
}

/* This process sits at path: every way to look it up must answer this. */
static void expect_all(const char *path, unsigned int state, unsigned int identity)
{
	uint64_t cgroup = world_cgroup(&world, path);
	struct bpf_program *const progs[] = {
		skel->progs.by_current,  skel->progs.by_current_helper, skel->progs.by_current_cached,
		skel->progs.by_task_raw, skel->progs.by_task,           skel->progs.by_task_cached,
		skel->progs.by_cgroup,
	};
	size_t i;

	world_enter(&world, path);
	skel->bss->pid = getpid();
	skel->bss->id = cgroup;
	for (i = 0; i < sizeof(progs) / sizeof(progs[0]); i++)
		if (bpf_program__autoload(progs[i]))
			expect(bpf_program__name(progs[i]), run(progs[i]), state, identity, cgroup);
}

static void leaf_hit(void **state)
{
	uint64_t web = world_cgroup(&world, "web");
	struct answer a;

	(void)state;
	world_publish(&world, web, WEB, 0x80000a05, 0x1122334455667788);
	expect_all("web", STATE_KNOWN, WEB);
	a = run(skel->progs.by_current);
	assert_int_equal(a.flags, 0x80000a05);
	assert_true(a.label_hash == 0x1122334455667788);
	skel->bss->id = web;
	expect("by_id", run(skel->progs.by_id), STATE_KNOWN, WEB, web);
}

static void child_before_it_is_published(void **state)
{
	(void)state;
	world_publish(&world, world_cgroup(&world, "web"), WEB, 0, 7);
	expect_all("web/new", STATE_KNOWN, WEB);
	expect_all("web/new/a/b/c/d", STATE_KNOWN, WEB);
	skel->bss->id = world_cgroup(&world, "web/new");
	expect("by_id", run(skel->progs.by_id), STATE_UNKNOWN, PRISM_ID_UNMANAGED, skel->bss->id);
}

static void deeper_workload_wins(void **state)
{
	(void)state;
	world_publish(&world, world_cgroup(&world, "web"), WEB, 0, 7);
	world_publish(&world, world_cgroup(&world, "web/pods/db"), DB, 0, 8);
	expect_all("web/pods", STATE_KNOWN, WEB);
	expect_all("web/pods/db", STATE_KNOWN, DB);
	expect_all("web/pods/db/worker/1", STATE_KNOWN, DB);
	expect_all("web/pods/other", STATE_KNOWN, WEB);
}

static void unmanaged(void **state)
{
	(void)state;
	world_publish(&world, world_cgroup(&world, "web"), WEB, 0, 7);
	expect_all("", STATE_UNKNOWN, PRISM_ID_UNMANAGED);
	expect_all("x", STATE_UNKNOWN, PRISM_ID_UNMANAGED);
	expect_all("x/a/b", STATE_UNKNOWN, PRISM_ID_UNMANAGED);
	expect_all("x/a/b/c/d/e/f/g/h", STATE_UNKNOWN, PRISM_ID_UNMANAGED);
	skel->bss->id = 0;
	expect("by_id", run(skel->progs.by_id), STATE_UNKNOWN, PRISM_ID_UNKNOWN, 0);
}

static void only_levels_that_carry_workloads(void **state)
{
	(void)state;
	/* root is level 1, web 2, pods 3, db 4 */
	world_publish(&world, world_cgroup(&world, "web"), WEB, 0, 7);
	world_publish(&world, world_cgroup(&world, "web/pods/db"), DB, 0, 8);
	world.meta.root_levels = 1 << 2;
	world_next_generation(&world);
	expect_all("web/pods/db/w", STATE_KNOWN, WEB);
	world.meta.root_levels = 1 << 4;
	world_next_generation(&world);
	expect_all("web/pods/db/w", STATE_KNOWN, DB);
	expect_all("web/pods", STATE_UNKNOWN, PRISM_ID_UNMANAGED);
	world.meta.root_levels = 1 << 4 | 1 << 2;
	world_next_generation(&world);
	expect_all("web/pods/db/w", STATE_KNOWN, DB);
	expect_all("web/pods", STATE_KNOWN, WEB);
	world.meta.root_levels = 0;
	world_next_generation(&world);
	expect_all("web/pods", STATE_UNKNOWN, PRISM_ID_UNMANAGED);
	world.meta.feature_flags &= ~PRISM_FEATURE_ROOT_LEVELS;
	world_next_generation(&world);
	expect_all("web/pods", STATE_KNOWN, WEB);
}

static void deep(char *path, int depth)
{
	*path = '\0';
	while (depth-- > 0)
		strcat(path, depth ? "d/" : "d");
}

/* The bound of the walk is documented, so it holds exactly. root is level 1: depth n is level n + 1. */
static void deep_trees(void **state)
{
	char path[512];

	(void)state;
	deep(path, 65);
	world_publish(&world, world_cgroup(&world, path), DB, 0, 8);
	world.meta.root_levels = 1ull << 63;
	world_next_generation(&world);
	deep(path, 72);
	world_enter(&world, (world_cgroup(&world, path), path));
	assert_int_equal(run(skel->progs.by_current).identity, DB);
	assert_int_equal(run(skel->progs.by_task_raw).identity, DB);
	assert_int_equal(run(skel->progs.by_current_cached).identity, DB);

	deep(path, 65);
	world_withdraw(&world, world_cgroup(&world, path));
	deep(path, 72 - 64);
	world_publish(&world, world_cgroup(&world, path), WEB, 0, 7);
	world.meta.root_levels = 1ull << (72 - 64 + 1);
	world_next_generation(&world);
	assert_int_equal(run(skel->progs.by_current).identity, WEB);
	assert_int_equal(run(skel->progs.by_current_helper).identity, WEB);
	assert_int_equal(run(skel->progs.by_task_raw).identity, WEB);
	world_withdraw(&world, world_cgroup(&world, path));
	deep(path, 72 - 65);
	world_publish(&world, world_cgroup(&world, path), WEB, 0, 7);
	world.meta.root_levels = 1ull << (72 - 65 + 1);
	world_next_generation(&world);
	assert_int_equal(run(skel->progs.by_current).identity, PRISM_ID_UNMANAGED);
	assert_int_equal(run(skel->progs.by_current_helper).identity, WEB);
}

static void stale_bus(void **state)
{
	uint64_t web = world_cgroup(&world, "web");

	(void)state;
	world_publish(&world, web, WEB, 0x20, 7);
	world.meta.stale_jiffies = 1;
	world_meta(&world);
	expect_all("web", STATE_STALE, WEB);
	assert_int_equal(run(skel->progs.by_current).flags, 0x20);
	expect_all("web/child", STATE_STALE, WEB);
	expect_all("other", STATE_STALE, PRISM_ID_UNKNOWN);
	world.meta.stale_jiffies = ~0ull;
	world_meta(&world);
	expect_all("web", STATE_KNOWN, WEB);
	expect_all("other", STATE_UNKNOWN, PRISM_ID_UNMANAGED);
	/* Not stated: never stale by jiffies. */
	world.meta.stale_jiffies = 1;
	world.meta.feature_flags &= ~PRISM_FEATURE_STALE_JIFFIES;
	world_meta(&world);
	expect_all("web", STATE_KNOWN, WEB);
}

static void another_task(void **state)
{
	uint64_t web = world_cgroup(&world, "web"), x = world_cgroup(&world, "x");
	pid_t pid;

	(void)state;
	if (!bpf_program__autoload(skel->progs.by_task))
		skip();
	world_publish(&world, web, WEB, 0, 7);
	pid = world_process(&world, "web", false);
	world_enter(&world, "x");
	skel->bss->pid = pid;
	expect("by_task", run(skel->progs.by_task), STATE_KNOWN, WEB, web);
	expect("by_task_cached", run(skel->progs.by_task_cached), STATE_KNOWN, WEB, web);
	expect("by_current", run(skel->progs.by_current), STATE_UNKNOWN, PRISM_ID_UNMANAGED, x);
	world_process_end(&world, pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(leaf_hit, setup, teardown),
		cmocka_unit_test_setup_teardown(child_before_it_is_published, setup, teardown),
		cmocka_unit_test_setup_teardown(deeper_workload_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(unmanaged, setup, teardown),
		cmocka_unit_test_setup_teardown(only_levels_that_carry_workloads, setup, teardown),
		cmocka_unit_test_setup_teardown(deep_trees, setup, teardown),
		cmocka_unit_test_setup_teardown(stale_bus, setup, teardown),
		cmocka_unit_test_setup_teardown(another_task, setup, teardown),
	};

	world_require();
	return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
