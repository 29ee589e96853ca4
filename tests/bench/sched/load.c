// SPDX-License-Identifier: Apache-2.0
/*
 * One window of load in cgroups that somebody else has made, for tests in which prismd says whose they are:
 *
 *   sched_load [-s SECONDS] [-p CGROUP -w WORK_US -g GAP_US] CGROUP=N...
 *
 * N tasks in each CGROUP that only compute; and a probe, whose PROBE_THREADS threads each get a request of WORK_US
 * every GAP_US on average, by the timer. A line of JSON says how long the requests took, and for each cgroup how much
 * its hogs computed and how long one of them was without a CPU at the longest. The figures mean something where time is
 * the count of instructions (tests/vm/run --timing).
 */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "hogs.h"
#include "probe.h"
#include "spin.h"

#define WARM_UP_NS 300000000ull
#define GRACE_NS 20000000 /* after the window, for requests that came at its end */
#define GROUPS_MAX 8

struct group {
	struct sandbox_cgroup cgroup;
	int first, n; /* its hogs */
};

static struct load {
	double seconds;
	struct sandbox_cgroup probed; /* path "": no probe */
	struct probe_load probe;
	struct group groups[GROUPS_MAX];
	int n_groups;
	struct hogs hogs;
} load = {.seconds = 2, .probe = {.name = "load", .work_us = 100, .gap_us = 10000}};

static void set_path(struct sandbox_cgroup *cgroup, const char *path, size_t size)
{
	if (size >= sizeof(cgroup->path))
		errx(1, "%s: the path is too long", path);
	memcpy(cgroup->path, path, size);
	cgroup->path[size] = '\0';
}

static void add_group(const char *text)
{
	struct group *group = &load.groups[load.n_groups];
	const char *number = strrchr(text, '=');

	if (!number || load.n_groups == GROUPS_MAX)
		errx(1, "%s: not CGROUP=N, or more than %d of them", text, GROUPS_MAX);
	set_path(&group->cgroup, text, (size_t)(number - text));
	group->n = atoi(number + 1);
	load.n_groups++;
}

static void options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "s:p:w:g:")) >= 0) {
		switch (option) {
		case 's':
			load.seconds = atof(optarg);
			break;
		case 'p':
			set_path(&load.probed, optarg, strlen(optarg));
			break;
		case 'w':
			load.probe.work_us = strtoull(optarg, NULL, 10);
			break;
		case 'g':
			load.probe.gap_us = strtoull(optarg, NULL, 10);
			break;
		default:
			errx(1, "usage: sched_load [-s seconds] [-p cgroup -w work_us -g gap_us] cgroup=n...");
		}
	}
	while (optind < argc)
		add_group(argv[optind++]);
}

static void start_hogs(uint64_t turns_a_us, uint64_t from_ns)
{
	hogs_init(&load.hogs);
	for (int i = 0; i < load.n_groups; i++) {
		load.groups[i].first = load.hogs.n;
		hogs_add(&load.hogs, &load.groups[i].cgroup, load.groups[i].n, turns_a_us, from_ns);
	}
}

static void print_hogs(uint64_t end_ns)
{
	for (int i = 0; i < load.n_groups; i++) {
		const struct group *group = &load.groups[i];
		double work = (double)hogs_work(&load.hogs, group->first, group->n) * HOG_STEP_US;

		printf("%s{\"cpus\": %.4f, \"longest_ms\": %.2f}", i ? ", " : "", work / 1e6 / load.seconds,
		       (double)hogs_longest_ns(&load.hogs, group->first, group->n, end_ns) / 1e6);
	}
}

static void print_probe(struct probe *probe)
{
	struct probe_result result = {0};

	probe_end(probe, bench_now_ns(), &result);
	if (!result.response_us.n)
		errx(1, "the probe had no requests");
	printf(", \"requests\": %u, \"undone\": %u, \"response_p50\": %.1f, \"response_p99\": %.1f", result.requests,
	       result.undone, samples_quantile(&result.response_us, 0.5), samples_quantile(&result.response_us, 0.99));
	if (result.wake_us.n)
		printf(", \"wake_p99\": %.1f", samples_quantile(&result.wake_us, 0.99));
	probe_result_done(&result);
}

int main(int argc, char **argv)
{
	const struct sched_param first = {.sched_priority = 50};
	uint64_t turns_a_us = spin_turns_a_us(), start, end;
	struct probe *probe = NULL;

	options(argc, argv);
	/* Ahead of what it looks at; its children start as everybody does. */
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) < 0)
		err(1, "real-time priority");
	start = bench_now_ns() + WARM_UP_NS;
	end = start + (uint64_t)(load.seconds * 1e9);
	start_hogs(turns_a_us, start);
	if (*load.probed.path)
		probe = probe_start(&load.probed, PROBE_TIMER, &load.probe, turns_a_us, 1, start, end);
	bench_sleep_until(start);
	hogs_mark(&load.hogs);
	bench_sleep_until(end);
	printf("{\"hogs\": [");
	print_hogs(end);
	printf("]");
	bench_sleep_until(end + GRACE_NS);
	if (probe)
		print_probe(probe);
	printf("}\n");
	hogs_end(&load.hogs);
	return 0;
}
