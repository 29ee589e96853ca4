/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup mkdir -> entry visible on the bus, against a running prismd: bench_arrival BUS_DIR CGROUP_DIR. CGROUP_DIR
 * belongs to a workload; children are made in it and looked up in the pinned map until they are there. Anchor: the
 * mkdir call itself, and one map look-up from user space, both timed in the same round.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <prism/bus.h>

#include "bench.h"
#include "cgroup/mount.h"

#define STARTS 2000
#define GIVE_UP_NS 2000000000ull

/* From the return of mkdir to the first look-up that finds it; NAN-free: -1 when it never came. */
static double arrival(int map, const char *path, double *ret_mkdir)
{
	struct prism_identity entry;
	uint64_t id, made, now, start = bench_now_ns();

	if (mkdir(path, 0755) < 0 || cgroup_id_of(AT_FDCWD, path, &id) < 0)
		return -1;
	made = bench_now_ns();
	*ret_mkdir = (double)(made - start);
	do {
		now = bench_now_ns();
		if (bpf_map_lookup_elem(map, &id, &entry) == 0)
			return (double)(now - start);
	} while (now - made < GIVE_UP_NS);
	return -1;
}

int main(int argc, char **argv)
{
	struct samples arrived = {0}, made = {0};
	struct timespec pause = {.tv_nsec = 1000000};
	char path[512];
	double took, mkdir_ns = 0;
	unsigned int i, lost = 0;
	int map;

	if (argc != 3) {
		fprintf(stderr, "Usage: bench_arrival BUS_DIR CGROUP_DIR\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/" PRISM_BUS_MAP, argv[1]);
	map = bpf_obj_get(path);
	if (map < 0) {
		fprintf(stderr, "bench_arrival: %s: %s\n", path, strerror(errno));
		return 1;
	}
	for (i = 0; i < STARTS; i++) {
		snprintf(path, sizeof(path), "%s/c%u", argv[2], i);
		took = arrival(map, path, &mkdir_ns);
		if (took < 0)
			lost++;
		else
			samples_add(&arrived, took / 1e3);
		samples_add(&made, mkdir_ns / 1e3);
		rmdir(path);
		nanosleep(&pause, NULL); /* each arrival finds prismd asleep, as on a quiet node */
	}
	bench_header();
	bench_row("cgroup mkdir -> entry on the bus", "p50 <= 100 us, p99 <= 1 ms",
		  "p50 %.0f us, p99 %.0f us, %u of %u never came | %.0f %% | mkdir itself: p50 %.0f us, p99 %.0f us",
		  samples_median(&arrived), samples_quantile(&arrived, 0.99), lost, STARTS,
		  100 * samples_spread(&arrived), samples_median(&made), samples_quantile(&made, 0.99));
	samples_done(&arrived);
	samples_done(&made);
	return lost ? 1 : 0;
}
