// SPDX-License-Identifier: Apache-2.0
/* The cached lookup: it does keep an answer, and everything that changes the answer is seen. */
#include "world.h"

#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "lookup.h"
#include "lookup.skel.h"

#define WEB 300
#define DB 4242

static struct world world;
static struct lookup_bpf *skel;
static uint64_t web, db;

static int setup(void **state)
{
	(void)state;
	world_init(&world);
	skel = lookup_bpf__open();
	assert_non_null(skel);
	world_attach_bus(&world, skel->obj);
	bpf_program__set_autoload(skel->progs.by_task, false);
	bpf_program__set_autoload(skel->progs.by_cgroup, false);
	bpf_program__set_autoload(skel->progs.by_task_cached, world_kfunc("bpf_task_from_pid"));
	assert_int_equal(lookup_bpf__load(skel), 0);
	web = world_cgroup(&world, "web");
	db = world_cgroup(&world, "db");
	world_publish(&world, web, WEB, 0x10, 7);
	world_publish(&world, db, DB, 0x20, 8);
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

static struct answer of_task(pid_t pid)
{
	skel->bss->pid = pid;
	return run(skel->progs.by_task_cached);
}

/* The two ways in: the task that runs, and any task. They share what is kept. */
static struct answer of_self(void)
{
	struct answer a = run(skel->progs.by_current_cached), b;

	if (bpf_program__autoload(skel->progs.by_task_cached)) {
		b = of_task(getpid());
		assert_memory_equal(&a, &b, sizeof(a));
	}
	return a;
}

/* Without a new generation the bus is not asked again: the test would see a cache that is none. */
static void answer_is_kept(void **state)
{
	struct answer a;

	(void)state;
	world_enter(&world, "web");
	assert_int_equal(of_self().identity, WEB);
	world_publish(&world, web, DB, 0x40, 9);
	a = of_self();
	assert_int_equal(a.identity, WEB);
	assert_int_equal(a.flags, 0x10);
	assert_true(a.label_hash == 7);
	assert_true(a.cgroup_id == web);
}

static void relabel_is_seen(void **state)
{
	struct answer a;

	(void)state;
	world_enter(&world, "web");
	assert_int_equal(of_self().identity, WEB);
	world_publish(&world, web, DB, 0x40, 9);
	world_next_generation(&world);
	a = of_self();
	assert_int_equal(a.identity, DB);
	assert_int_equal(a.flags, 0x40);
	assert_true(a.label_hash == 9);
}

static void withdrawal_is_seen(void **state)
{
	(void)state;
	world_enter(&world, "web");
	assert_int_equal(of_self().state, STATE_KNOWN);
	world_withdraw(&world, web);
	world_next_generation(&world);
	assert_int_equal(of_self().state, STATE_UNKNOWN);
	assert_int_equal(of_self().identity, PRISM_ID_UNMANAGED);
	assert_int_equal(of_self().flags, 0);
}

static void arrival_is_seen(void **state)
{
	uint64_t late = world_cgroup(&world, "late");

	(void)state;
	world_enter(&world, "late");
	assert_int_equal(of_self().identity, PRISM_ID_UNMANAGED);
	world_publish(&world, late, WEB, 0, 7);
	world_next_generation(&world);
	assert_int_equal(of_self().identity, WEB);
}

static void cgroup_move_is_seen(void **state)
{
	(void)state;
	world_enter(&world, "web");
	assert_int_equal(of_self().identity, WEB);
	world_enter(&world, "db");
	assert_int_equal(of_self().identity, DB);
	world_enter(&world, "");
	assert_int_equal(of_self().identity, PRISM_ID_UNMANAGED);
	world_enter(&world, "web");
	assert_int_equal(of_self().identity, WEB);
}

/* Generation and cgroup id change so that the seal over both is the same again: it alone must not decide. */
static void move_and_generation_together(void **state)
{
	uint64_t step = db > web ? db - web : web - db;

	(void)state;
	world_enter(&world, db > web ? "db" : "web");
	assert_int_equal(of_self().identity, db > web ? DB : WEB);
	world.meta.generation += step << 32;
	world_meta(&world);
	world_enter(&world, db > web ? "web" : "db");
	assert_int_equal(of_self().identity, db > web ? WEB : DB);
}

static void staleness_is_seen_at_once(void **state)
{
	(void)state;
	world_enter(&world, "web");
	assert_int_equal(of_self().state, STATE_KNOWN);
	world.meta.stale_jiffies = 1;
	world_meta(&world);
	assert_int_equal(of_self().state, STATE_STALE);
	assert_int_equal(of_self().identity, WEB);
	world.meta.stale_jiffies = ~0ull;
	world_meta(&world);
	assert_int_equal(of_self().state, STATE_KNOWN);
}

/* A restarted daemon adopts the map and raises the generation. */
static void restart_is_seen(void **state)
{
	(void)state;
	world_enter(&world, "web");
	assert_int_equal(of_self().identity, WEB);
	world.meta.writer_pid = 0;
	world_meta(&world);
	world_publish(&world, web, DB, 0, 9);
	world.meta.writer_epoch++;
	world.meta.writer_pid = 4711;
	world_next_generation(&world);
	assert_int_equal(of_self().identity, DB);
}

static void child_asks_for_itself(void **state)
{
	pid_t pid;

	(void)state;
	if (!bpf_program__autoload(skel->progs.by_task_cached))
		skip();
	world_enter(&world, "web");
	assert_int_equal(of_self().identity, WEB);
	pid = world_process(&world, "web", false);
	/* No new generation: the parent keeps its answer, a child that inherited it would say the same. */
	world_publish(&world, web, DB, 0, 9);
	assert_int_equal(of_self().identity, WEB);
	assert_int_equal(of_task(pid).identity, DB);
	world_process_end(&world, pid);
}

static void child_in_another_cgroup(void **state)
{
	pid_t pid;

	(void)state;
	if (!bpf_program__autoload(skel->progs.by_task_cached))
		skip();
	world_enter(&world, "web");
	assert_int_equal(of_self().identity, WEB);
	pid = world_process(&world, "db", true);
	assert_int_equal(of_task(pid).identity, DB);
	assert_int_equal(of_self().identity, WEB);
	world_process_end(&world, pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answer_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(relabel_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(withdrawal_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(arrival_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(cgroup_move_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(move_and_generation_together, setup, teardown),
		cmocka_unit_test_setup_teardown(staleness_is_seen_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(restart_is_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(child_asks_for_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(child_in_another_cgroup, setup, teardown),
	};

	world_require();
	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
