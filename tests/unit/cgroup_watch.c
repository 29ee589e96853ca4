/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch keeps its tree equal to the kernel's, by BPF and by inotify. It watches a cgroup of the test's own, so that
 * what others do on this machine does not matter (and is seen to be ignored).
 */
#include "cgroup_world.h"

#include <sys/resource.h>

#include "cgroup/watch.h"

#define DEADLINE_MS 20000

static struct {
	uv_loop_t loop;
	uv_timer_t deadline;
	bool late;
	struct metrics *metrics;
	struct cgroups *tree;
	struct watch *watch;
	int fd;
	unsigned int added, removed, renamed, drained;
} world;

static char root_path[PATH_MAX]; /* top/w: what is watched */
static bool no_bpf;
static unsigned int number; /* of the test: each has its own cgroups, whatever another left */

/* ---- callbacks: each cgroup is told once, in an order that makes sense ---- */

#define TOLD ((void *)&world)

static void on_added(void *arg, struct cgroup *cg, uint64_t event_ns)
{
	assert_ptr_equal(arg, &world);
	assert_null(cg->workload);
	if (cg->parent)
		assert_ptr_equal(cg->parent->workload, TOLD);
	assert_ptr_equal(cgroup_by_id(world.tree, cg->id), cg);
	assert_in_range(event_ns, 1, monotonic_ns());
	cg->workload = TOLD;
	world.added++;
}

static void on_removed(void *arg, struct cgroup *cg)
{
	(void)arg;
	assert_ptr_equal(cg->workload, TOLD);
	assert_null(cg->child);
	assert_non_null(cg->parent);
	world.removed++;
}

static void on_renamed(void *arg, struct cgroup *cg)
{
	(void)arg;
	assert_ptr_equal(cg->workload, TOLD);
	world.renamed++;
}

static void on_drained(void *arg)
{
	(void)arg;
	world.drained++;
}

/* ---- world ---- */

static void on_deadline(uv_timer_t *timer)
{
	(void)timer;
	world.late = true;
}

static const char *in_root(const char *name)
{
	static char path[4][64];
	static unsigned int at;
	char *s = path[at++ % 4];

	snprintf(s, sizeof(path[0]), "w%u%s%s", number, *name ? "/" : "", name);
	return s;
}

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	number++;
	make(in_root(""));
	snprintf(root_path, sizeof(root_path), "%s", below(in_root("")));
	uv_loop_init(&world.loop);
	uv_timer_init(&world.loop, &world.deadline);
	uv_timer_start(&world.deadline, on_deadline, DEADLINE_MS, 0);
	world.metrics = metrics_new();
	world.fd = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return world.fd < 0 ? -1 : 0;
}

static int set_up_bpf(void **state)
{
	no_bpf = false;
	return set_up(state);
}

static int set_up_inotify(void **state)
{
	no_bpf = true;
	return set_up(state);
}

static int tear_down(void **state)
{
	(void)state;
	watch_stop(world.watch);
	uv_close((uv_handle_t *)&world.deadline, NULL);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	cgroups_free(world.tree);
	metrics_free(world.metrics);
	close(world.fd);
	nftw(root_path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	return uv_loop_close(&world.loop);
}

static void start(void)
{
	struct watch_options options = {.loop = &world.loop,
					.root = root_path,
					.root_fd = world.fd,
					.metrics = world.metrics,
					.no_bpf = no_bpf};
	struct watch_callbacks callbacks = {
		.added = on_added, .removed = on_removed, .renamed = on_renamed, .drained = on_drained, .arg = &world};
	struct error e = {0};
	const char *why;
	uint64_t id;

	assert_int_equal(cgroup_id_of(world.fd, "", &id), 0);
	world.tree = options.tree = cgroups_new(id);
	if (watch_start(&options, &callbacks, &world.watch, &e) < 0)
		fail_msg("%s: %s", e.where, e.text);
	/* BPF must work where it can: a test that passes on the other mechanism shows nothing. */
	assert_string_equal(watch_mechanism(world.watch, &why), no_bpf ? "inotify" : "bpf");
	if (no_bpf)
		assert_string_equal(why, "switched off");
	else
		assert_null(why);
}

/* ---- the tree against the kernel ---- */

static unsigned int kernel_count;
static bool kernel_differs;

static int compare_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	struct cgroup *cg;

	(void)at;
	if (type != FTW_D)
		return 0;
	kernel_count++;
	cg = cgroup_by_path(world.tree, path + strlen(root_path));
	kernel_differs |= !cg || cg->id != st->st_ino || cg->workload != TOLD;
	return 0;
}

static bool equals_kernel(void)
{
	kernel_count = 0;
	kernel_differs = false;
	assert_int_equal(nftw(root_path, compare_one, 64, FTW_PHYS | FTW_MOUNT), 0);
	return !kernel_differs && kernel_count == cgroups_count(world.tree) &&
	       kernel_count == world.added - world.removed;
}

static void settle(void)
{
	while (!equals_kernel()) {
		if (world.late)
			fail_msg("the tree has %zu cgroups, the kernel %u%s", cgroups_count(world.tree), kernel_count,
				 kernel_differs ? ", and they differ" : "");
		uv_run(&world.loop, UV_RUN_ONCE);
	}
}

static double rescans(void)
{
	return metric_get(world.metrics, METRIC_CGROUP_RESCANS, NULL);
}

/* ---- tests ---- */

static void what_is_there_is_seen(void **state)
{
	(void)state;
	make(in_root("a"));
	make(in_root("a/b"));
	make(in_root("a/b/c d"));
	make(in_root("e"));
	start();
	assert_true(equals_kernel()); /* when it has started, without the loop */
	assert_int_equal(world.added, 5);
	assert_int_equal(cgroup_by_path(world.tree, "/a/b/c d")->level, 3);
	assert_true(world.drained > 0);
}

static void what_happens_is_seen(void **state)
{
	(void)state;
	start();
	make(in_root("a"));
	settle();
	make(in_root("a/b"));
	make(in_root("a/b/c"));
	make(in_root("x"));
	settle();
	assert_int_equal(world.added, 5);
	unmake(in_root("a/b/c"));
	unmake(in_root("x"));
	settle();
	assert_int_equal(world.removed, 2);
	assert_null(cgroup_by_path(world.tree, "/x"));
	/* The same name again is another cgroup. */
	make(in_root("x"));
	settle();
	assert_int_equal(world.added, 6);
	if (!no_bpf)
		assert_true(rescans() == 0.0);
}

/* Made and gone before anybody looked. */
static void what_is_gone_already_leaves_nothing(void **state)
{
	unsigned int i;

	(void)state;
	start();
	for (i = 0; i < 200; i++) {
		make(in_root("a"));
		make(in_root("a/b"));
		unmake(in_root("a/b"));
		unmake(in_root("a"));
		if (i % 20 == 19)
			uv_run(&world.loop, UV_RUN_NOWAIT); /* the ring is everybody's: other tests make cgroups too */
	}
	make(in_root("end"));
	settle();
	assert_non_null(cgroup_by_path(world.tree, "/end"));
	assert_int_equal(cgroups_count(world.tree), 2);
	if (!no_bpf)
		assert_int_equal(world.added, 2 + 400);
}

/* A child that makes deep branches, and takes some away again. */
static void make_branches(unsigned int n, unsigned int depth, int progress)
{
	char path[PATH_MAX];
	unsigned int i, k;
	size_t len;

	for (i = 0; i < n; i++) {
		len = (size_t)snprintf(path, sizeof(path), "%s/n%u", root_path, i);
		for (k = 0; k < depth; k++) {
			if (mkdir(path, 0755) < 0)
				_exit(1);
			len += (size_t)snprintf(path + len, sizeof(path) - len, "/d%u", k);
		}
		/* Every other one loses its tip. */
		path[strrchr(path, '/') - path] = '\0';
		if (i % 2 && rmdir(path) < 0)
			_exit(2);
		if (progress >= 0 && i % 20 == 0 && write(progress, "p", 1) != 1)
			_exit(3);
	}
}

static void nested_bursts(void **state)
{
	int status;
	pid_t child;

	(void)state;
	start();
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		make_branches(40, 20, -1);
		_exit(0);
	}
	/* The loop reads while it goes on. */
	while (waitpid(child, &status, WNOHANG) == 0)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(status, 0);
	settle();
	assert_int_equal(cgroups_count(world.tree), 1 + 40 * 20 - 20);
}

/* 2,000 cgroups come while the watch starts. */
static void nothing_is_lost_while_it_starts(void **state)
{
	int progress[2], status;
	pid_t child;
	char c;

	(void)state;
	assert_int_equal(pipe(progress), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(progress[0]);
		make_branches(500, 4, progress[1]);
		_exit(0);
	}
	close(progress[1]);
	assert_int_equal(read(progress[0], &c, 1), 1); /* it is under way */
	start();
	while (read(progress[0], &c, 1) == 1)
		; /* until it is done; the loop does not run */
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(progress[0]);
	settle();
	assert_int_equal(cgroups_count(world.tree), 1 + 500 * 4 - 250);
}

/* More events than the ring holds, and nobody reads. */
static void an_overflow_is_counted_and_repaired(void **state)
{
	char name[32];
	unsigned int i;

	(void)state;
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "old%u", i);
		make(in_root(name));
	}
	start();
	for (i = 0; i < 4500; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		make(in_root(name));
	}
	/* The ring is full by now: these are among those that it lost. */
	make(in_root("n4499/deep"));
	for (i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "old%u", i);
		unmake(in_root(name));
	}
	settle();
	assert_int_equal(world.removed, 500);
	assert_true(metric_get(world.metrics, METRIC_CGROUP_LOST, NULL) >= 1.0);
	assert_true(rescans() >= 1.0);
	assert_true(metric_get(world.metrics, METRIC_CGROUP_EVENTS, "mkdir") +
			    metric_get(world.metrics, METRIC_CGROUP_EVENTS, "rmdir") >=
		    1500.0);
	/* And it goes on as before. */
	make(in_root("after"));
	settle();
	assert_non_null(cgroup_by_path(world.tree, "/after"));
}

/* The event of a cgroup whose ancestors are not known: they are looked up. */
static void unknown_parents_are_found(void **state)
{
	(void)state;
	start();
	make(in_root("a"));
	make(in_root("a/b"));
	make(in_root("a/b/c"));
	settle();
	cgroup_remove(world.tree, cgroup_by_path(world.tree, "/a/b/c"));
	cgroup_remove(world.tree, cgroup_by_path(world.tree, "/a/b"));
	cgroup_remove(world.tree, cgroup_by_path(world.tree, "/a"));
	world.removed += 3;
	make(in_root("a/b/c/d"));
	settle();
	assert_int_equal(world.added, 4 + 4);
	assert_true(rescans() == 0.0);
}

static void what_is_elsewhere_does_not_matter(void **state)
{
	char name[32];

	(void)state;
	start();
	snprintf(name, sizeof(name), "outside%u", number);
	make(name);
	make(in_root("inside"));
	settle();
	assert_int_equal(cgroups_count(world.tree), 2);
	unmake(name);
	unmake(in_root("inside"));
	settle();
	assert_int_equal(cgroups_count(world.tree), 1);
}

/* The v2 hierarchy has no rename so far; should a kernel come that has one, its event is followed. */
static void a_rename_is_refused_or_seen(void **state)
{
	(void)state;
	make(in_root("a"));
	make(in_root("a/b"));
	start();
	if (rename(below(in_root("a")), below(in_root("z"))) < 0) {
		assert_int_equal(errno, EPERM);
		return;
	}
	settle();
	assert_int_equal(world.renamed, 1);
	assert_non_null(cgroup_by_path(world.tree, "/z/b"));
}

/* Leaves room for so many more descriptors; give_back() undoes it. */
static struct {
	struct rlimit before;
	int fd[512];
	unsigned int n;
} taken;

static void take_descriptors(unsigned int leave)
{
	struct rlimit low;
	int fd;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &taken.before), 0);
	low = taken.before;
	low.rlim_cur = ARRAY_SIZE(taken.fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	for (taken.n = 0; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
		taken.fd[taken.n++] = fd;
	while (leave--)
		close(taken.fd[--taken.n]);
}

static void give_back(void)
{
	while (taken.n)
		close(taken.fd[--taken.n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &taken.before), 0);
}

/* What cannot be looked at is not gone. */
static void a_scan_without_descriptors_removes_nothing(void **state)
{
	unsigned int leave;
	double scans;

	(void)state;
	make(in_root("a"));
	make(in_root("a/b"));
	make(in_root("a/b/c"));
	start();
	for (leave = 0; leave < 4; leave++) {
		take_descriptors(leave);
		watch_rescan(world.watch);
		give_back();
		assert_int_equal(world.removed, 0);
		assert_int_equal(cgroups_count(world.tree), 4);
	}
	/* It looks again by itself. */
	scans = rescans();
	while (rescans() == scans && !world.late)
		uv_run(&world.loop, UV_RUN_ONCE);
	assert_false(world.late);
	assert_true(equals_kernel());
}

static void a_rescan_of_nothing_new_tells_nothing(void **state)
{
	unsigned int i;

	(void)state;
	make(in_root("a"));
	start();
	for (i = 0; i < 20; i++)
		watch_rescan(world.watch);
	assert_int_equal(world.added, 2);
	assert_int_equal(world.removed, 0);
	assert_true(rescans() == 20.0);
}

#define BY_BPF(f) {#f " (bpf)", f, set_up_bpf, tear_down, NULL}
#define BY_INOTIFY(f) {#f " (inotify)", f, set_up_inotify, tear_down, NULL}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		BY_BPF(what_is_there_is_seen),
		BY_BPF(what_happens_is_seen),
		BY_BPF(what_is_gone_already_leaves_nothing),
		BY_BPF(nested_bursts),
		BY_BPF(nothing_is_lost_while_it_starts),
		BY_BPF(an_overflow_is_counted_and_repaired),
		BY_BPF(unknown_parents_are_found),
		BY_BPF(what_is_elsewhere_does_not_matter),
		BY_BPF(a_rename_is_refused_or_seen),
		BY_BPF(a_scan_without_descriptors_removes_nothing),
		BY_BPF(a_rescan_of_nothing_new_tells_nothing),
		BY_INOTIFY(what_is_there_is_seen),
		BY_INOTIFY(what_happens_is_seen),
		BY_INOTIFY(what_is_gone_already_leaves_nothing),
		BY_INOTIFY(nested_bursts),
		BY_INOTIFY(nothing_is_lost_while_it_starts),
		BY_INOTIFY(what_is_elsewhere_does_not_matter),
		BY_INOTIFY(a_scan_without_descriptors_removes_nothing),
		BY_INOTIFY(a_rescan_of_nothing_new_tells_nothing),
	};

	return cmocka_run_group_tests_name("cgroup_watch", tests, NULL, NULL);
}

int main(void)
{
	return name_cgroups() ? run_guarded(run_all, remove_cgroups) : TEST_SKIPPED;
}
