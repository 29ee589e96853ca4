// SPDX-License-Identifier: Apache-2.0
/*
 * What a lookup costs beside one raw hash probe of the same map, hot: 1,000 entries, this task in a cgroup of its own.
 * Each round runs every program once, in turn; each figure has that of an empty loop taken off.
 */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <prism/bus.h>

#include "bench.h"
#include "lookup.skel.h"
#include "lookup_slots.h"

#define ROUNDS 31
#define ENTRIES 1000
#define WEB 300

static struct lookup_bpf *skel;
static char v2[1024], dir[1100];

struct row {
	const char *name, *target;
	struct bpf_program *prog;
	uint64_t cgroup, root_levels;
	uint32_t expected; /* identity that each lookup must find */
	struct samples ns;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_lookup: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(const char *cgroup)
{
	char path[1200];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die(path);
	close(fd);
}

static void leave(void)
{
	if (!dir[0])
		return;
	enter(v2);
	rmdir(dir);
}

static uint64_t make_cgroup(void)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	struct stat st;

	while (f && !v2[0] && (m = getmntent(f)))
		if (!strcmp(m->mnt_type, "cgroup2"))
			snprintf(v2, sizeof(v2), "%s", m->mnt_dir);
	if (f)
		endmntent(f);
	if (!v2[0]) {
		errno = ENOENT;
		die("cgroup v2 mount");
	}
	snprintf(dir, sizeof(dir), "%s/prism-bench-%d", v2, (int)getpid());
	if (mkdir(dir, 0755) < 0 || stat(dir, &st) < 0)
		die(dir);
	atexit(leave);
	enter(dir);
	return st.st_ino;
}

static void publish(uint64_t cgroup, uint32_t identity)
{
	struct prism_identity entry = {identity, 0, identity, 1};

	if (bpf_map_update_elem(bpf_map__fd(skel->maps.prism_identity), &cgroup, &entry, BPF_ANY) < 0)
		die("bus");
}

static void set_meta(uint64_t generation, uint64_t root_levels)
{
	struct prism_meta meta = {
		.abi_version = PRISM_BUS_ABI,
		.value_size = sizeof(struct prism_identity),
		.feature_flags = PRISM_FEATURE_ROOT_LEVELS | PRISM_FEATURE_STALE_JIFFIES,
		.generation = generation,
		.stale_jiffies = ~0ull,
		.root_levels = root_levels,
	};
	__u32 zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(skel->maps.prism_meta), &zero, &meta, BPF_ANY) < 0)
		die("meta");
}

/* ns of one iteration. */
static double run(struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts) < 0)
		die(bpf_program__name(prog));
	return (double)skel->bss->elapsed_ns / LOOKUPS_A_RUN;
}

/* The cgroup has its entry, or none. Each change is a new generation. */
static void arrange(const struct row *row, uint64_t own)
{
	static uint64_t generation = 1;

	if (row->cgroup == own)
		publish(own, WEB);
	else
		bpf_map_delete_elem(bpf_map__fd(skel->maps.prism_identity), &own);
	skel->bss->cgroup_id = own;
	set_meta(++generation, row->root_levels);
}

static void measure(struct row *row, uint64_t own)
{
	double floor;

	arrange(row, own);
	run(row->prog);
	floor = run(skel->progs.empty);
	samples_add(&row->ns, run(row->prog) - floor);
	if (skel->bss->sum != (uint64_t)row->expected * LOOKUPS_A_RUN) {
		fprintf(stderr, "bench_lookup: %s: did not find identity %u each time\n", row->name, row->expected);
		exit(1);
	}
}

static void report(struct row *rows, size_t n)
{
	double probe = samples_median(&rows[0].ns);
	size_t i;

	bench_header();
	for (i = 0; i < n; i++) {
		double median = samples_median(&rows[i].ns);

		bench_row(rows[i].name, rows[i].target, "%.2fx (%.1f ns) | %.0f %% | raw probe %.1f ns", median / probe,
			  median, samples_spread(&rows[i].ns) * 100, probe);
		samples_done(&rows[i].ns);
	}
}

int main(void)
{
	uint64_t own;
	size_t i, round;

	skel = lookup_bpf__open_and_load();
	if (!skel)
		die("load");
	own = make_cgroup();
	for (i = 0; i < ENTRIES; i++)
		publish(0x100000000ull + i * 37, 1000 + i);

	/* This cgroup is at level 1; bit 0 is above it, bit 3 is not. */
	struct row rows[] = {
		{"raw probe, hit", "anchor", skel->progs.probe, own, 8, WEB, {0}},
		{"raw probe, miss", "-", skel->progs.probe, 0, 8, 0, {0}},
		{"bpf_get_current_task_btf() alone", "-", skel->progs.which_task, own, 8, 1, {0}},
		{"lookup leaf, task at hand", "<= 1.2x", skel->progs.task, own, 8, WEB, {0}},
		{"lookup leaf, current task", "<= 1.2x", skel->progs.current, own, 8, WEB, {0}},
		{"lookup cached, task at hand", "<= 1.0x", skel->progs.task_cached, own, 8, WEB, {0}},
		{"lookup cached, current task", "<= 1.0x", skel->progs.cached, own, 8, WEB, {0}},
		{"lookup unmanaged, task at hand", "<= 1.5x", skel->progs.task, 0, 8, PRISM_ID_UNMANAGED, {0}},
		{"lookup unmanaged, current task", "<= 1.5x", skel->progs.current, 0, 8, PRISM_ID_UNMANAGED, {0}},
		{"lookup unmanaged, workloads one level above",
		 "-",
		 skel->progs.current,
		 0,
		 1,
		 PRISM_ID_UNMANAGED,
		 {0}},
		{"lookup unmanaged, cached", "-", skel->progs.cached, 0, 8, PRISM_ID_UNMANAGED, {0}},
		{"lookup leaf by helper", "-", skel->progs.helper, own, 8, WEB, {0}},
	};
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			measure(&rows[i], own);
	report(rows, sizeof(rows) / sizeof(rows[0]));
	lookup_bpf__destroy(skel);
	return 0;
}
