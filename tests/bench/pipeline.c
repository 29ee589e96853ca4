/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 100,000 workloads arrive and leave through the whole path: cgroup tree, rules, canonical form, number, real bus map,
 * announcements. Only the kernel's mkdir is left out (ids are made up): it costs more than all of this together and
 * would be what is measured. Anchor: the same number of bare map updates and deletes, batched, in the same round.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <sodium.h>
#include <uv.h>

#include "agent/pipeline.h"
#include "base/util.h"
#include "bench.h"
#include "config/settings.h"
#include "source/rules.h"

#define WORKLOADS 100000u
#define BURST 64u
#define HOLD_BACK_NS 1 /* numbers are free again at the next expiry */

static const char yaml[] = "sources: {cgroup: {rules: [{match: 'bench/{app}', namespace: bench, class: normal}]}}\n"
			   "modules: []\n";

static struct agent agent;

static void check(int r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "bench_pipeline: %s: %s\n", what, strerror(-r));
		exit(1);
	}
}

static void reconsider(void *arg, struct cgroup *cg)
{
	pipeline_reconsider(((struct agent *)arg)->pipeline, cg);
}

static void nobody(void *arg, prism_workload_fn fn, void *fn_arg)
{
	(void)arg;
	(void)fn;
	(void)fn_arg;
}

static int no_identity(void *arg, uint32_t number, prism_workload_fn fn, void *fn_arg)
{
	(void)arg;
	(void)number;
	(void)fn;
	(void)fn_arg;
	return -ENOENT;
}

static void no_facets(void *arg, uint32_t number)
{
	(void)arg;
	(void)number;
}

static void setup(const char *dir, const char *state, const char *config)
{
	struct settings_source source = {.path = config};
	struct bus_options bus = {.dir = dir, .capacity = 1u << 18, .stale_after_ns = 10 * NS_PER_SEC};
	struct host_env env = {.identities = nobody,
			       .identity = no_identity,
			       .facets_changed = no_facets,
			       .self_exe = "/proc/self/exe",
			       .state_dir = state,
			       .cgroup_fd = -1,
			       .cgroup_path = "/"};
	struct source_env source_env = {.reconsider = reconsider, .arg = &agent};
	struct problems p = {0};
	struct error e = {0};
	char pins[256];

	check(sodium_init(), "libsodium");
	agent.loop = uv_default_loop();
	if (settings_load(&source, &agent.settings, &p) < 0)
		check(-EINVAL, p.n ? p.list[0].text : "settings");
	agent.metrics = metrics_new();
	agent.stream = stream_new(4096);
	agent.identities = identity_table_new(HOLD_BACK_NS);
	check(label_filter_default(&agent.label_filter), "filter");
	bus.metrics = agent.metrics;
	if (bus_open(&bus, &agent.bus, &e) < 0)
		check(-e.code, e.text);
	snprintf(pins, sizeof(pins), "%s/modules", dir);
	env.loop = agent.loop;
	env.stream = agent.stream;
	env.metrics = agent.metrics;
	env.pin_root = pins;
	env.bus_fd = bus_fd(agent.bus);
	env.meta_fd = bus_meta_fd(agent.bus);
	if (host_new(&env, &agent.host, &e) < 0)
		check(-e.code, e.text);
	agent.cgroups = cgroups_new(1);
	check(rules_source_new(&source_env, &agent.source[0]), "rules");
	agent.n_sources = 1;
	if (agent.source[0]->ops->configure(agent.source[0], agent.settings, &p) < 0)
		check(-EINVAL, p.n ? p.list[0].text : "rules");
	check(pipeline_new(&agent, &agent.pipeline), "pipeline");
	agent.synced = agent.modules_rested = true;
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
	char dir[64], state[] = "/tmp/prism-bench.XXXXXX", config[64], command[128];
	struct samples path = {0}, bare = {0}, memory = {0};
	struct cgroup *parent;
	size_t before, i;
	FILE *f;

	snprintf(dir, sizeof(dir), "/sys/fs/bpf/prism-bench-%d", getpid());
	if (!mkdtemp(state))
		return 1;
	snprintf(config, sizeof(config), "%s/prismd.yaml", state);
	f = fopen(config, "w");
	if (!f || fputs(yaml, f) < 0 || fclose(f) < 0)
		return 1;
	setup(dir, state, config);
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

	pipeline_free(agent.pipeline);
	agent.source[0]->ops->free(agent.source[0]);
	host_free(agent.host);
	bus_close(agent.bus, true);
	cgroups_free(agent.cgroups);
	label_filter_free(agent.label_filter);
	identity_table_free(agent.identities);
	stream_free(agent.stream);
	metrics_free(agent.metrics);
	settings_free(agent.settings);
	snprintf(command, sizeof(command), "rm -rf %s", state);
	return system(command) == 0 ? 0 : 1;
}
