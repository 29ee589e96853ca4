/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 100,000 workloads arrive and leave through the whole path: cgroup tree, rules, canonical form, number, real bus map,
 * announcements. Only the kernel's mkdir is left out (ids are made up): it costs more than all of this together and
 * would be what is measured. Anchor: the same number of bare map updates and deletes, batched, in the same round.
 */
#include <err.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "agent/pipeline.h"
#include "bench.h"
#include "pipeline_world.h"

#define WORKLOADS 100000u
#define BURST 64u

static struct agent agent;

static void check(int r, const char *what)
{
	if (r < 0)
		errx(1, "%s: %s", what, strerror(-r));
}

static double arrive_and_leave(struct cgroup *parent)
{
	struct cgroup **cg = calloc(WORKLOADS, sizeof(*cg));
	uint64_t start = bench_now_ns();
	char name[32];
	uint32_t i;

	for (i = 0; i < WORKLOADS; i++) {
		snprintf(name, sizeof(name), "app-%u", i);
		check(cgroup_add(agent.cgroups, parent, 1000 + i, name, &cg[i]), "tree");
		pipeline_cgroup_added(agent.pipeline, cg[i], start);
		if (i % BURST == BURST - 1)
			pipeline_flush(agent.pipeline);
	}
	pipeline_flush(agent.pipeline);
	for (i = 0; i < WORKLOADS; i++) {
		pipeline_cgroup_removed(agent.pipeline, cg[i]);
		cgroup_remove(agent.cgroups, cg[i]);
		if (i % BURST == BURST - 1)
			pipeline_flush(agent.pipeline);
	}
	pipeline_flush(agent.pipeline);
	start = bench_now_ns() - start;
	free(cg);
	identity_expire(agent.identities, UINT64_MAX, NULL, NULL);
	return 2.0 * WORKLOADS / ((double)start / 1e9);
}

/* The same number of changes of the bare map, in the same bursts. */
static double bare_map(int fd)
{
	uint64_t keys[BURST], start = bench_now_ns();
	struct prism_identity values[BURST] = {0};
	uint32_t i, k, n;

	for (i = 0; i < WORKLOADS; i += BURST) {
		for (k = 0; k < BURST; k++)
			keys[k] = 1u << 24 | (i + k);
		n = BURST;
		check(bpf_map_update_batch(fd, keys, values, &n, NULL), "batch update");
	}
	for (i = 0; i < WORKLOADS; i += BURST) {
		for (k = 0; k < BURST; k++)
			keys[k] = 1u << 24 | (i + k);
		n = BURST;
		check(bpf_map_delete_batch(fd, keys, &n, NULL), "batch delete");
	}
	return 2.0 * WORKLOADS / ((double)(bench_now_ns() - start) / 1e9);
}

int main(void)
{
	struct samples path = {0}, bare = {0}, memory = {0};
	struct cgroup *parent;
	size_t before, i;

	pipeline_world_init(&agent, "[{match: 'bench/{app}', namespace: bench, class: normal}]", 1u << 18);
	check(cgroup_add(agent.cgroups, cgroups_root(agent.cgroups), 2, "bench", &parent), "tree");
	arrive_and_leave(parent); /* the first one pays for every page */
	malloc_trim(0);
	before = mallinfo2().uordblks;
	for (i = 0; i < BENCH_ROUNDS; i++) {
		samples_add(&path, arrive_and_leave(parent));
		samples_add(&bare, bare_map(bus_fd(agent.bus)));
		samples_add(&memory, (double)mallinfo2().uordblks - (double)before);
	}
	bench_header();
	bench_row("100,000 workloads arriving and leaving", ">= 50,000 changes/s, memory back",
		  "%.0f changes/s, %+.0f bytes after %u rounds | %.0f %% | bare batched map: %.0f changes/s",
		  samples_median(&path), samples_quantile(&memory, 1), BENCH_ROUNDS, 100 * samples_spread(&path),
		  samples_median(&bare));
	samples_done(&path);
	samples_done(&bare);
	samples_done(&memory);
	pipeline_world_done(&agent);
	return 0;
}
