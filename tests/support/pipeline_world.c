/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline_world.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>
#include <uv.h>

#include "agent/pipeline.h"
#include "base/util.h"
#include "config/settings.h"
#include "source/rules.h"

#define HOLD_BACK_NS 1 /* numbers are free again at the next expiry */

static char state_dir[] = "/tmp/prism-pipeline.XXXXXX";

static void check(int r, const char *what)
{
	if (r < 0)
		errx(1, "%s: %s", what, strerror(-r));
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

static void load_settings(struct agent *agent, const char *rules)
{
	char path[64];
	struct settings_source source = {.path = path};
	struct problems p = {0};
	FILE *f;

	snprintf(path, sizeof(path), "%s/prismd.yaml", state_dir);
	f = fopen(path, "we");
	if (!f || fprintf(f, "sources: {cgroup: {rules: %s}}\nmodules: []\n", rules) < 0 || fclose(f))
		err(1, "%s", path);
	if (settings_load(&source, &agent->settings, &p) < 0)
		errx(1, "%s: %s", p.list[0].where, p.list[0].text);
}

static void open_bus(struct agent *agent, const char *dir, uint32_t capacity)
{
	struct bus_options options = {.dir = dir,
				      .capacity = capacity,
				      .stale_after_ns = 10 * NS_PER_SEC,
				      .metrics = agent->metrics};
	struct error e = {0};

	if (bus_open(&options, &agent->bus, &e) < 0)
		errx(1, "%s: %s", e.where, e.text);
}

static void open_host(struct agent *agent, const char *dir)
{
	char pins[96];
	struct host_env env = {.loop = agent->loop,
			       .stream = agent->stream,
			       .metrics = agent->metrics,
			       .self_exe = "/proc/self/exe",
			       .state_dir = state_dir,
			       .pin_root = pins,
			       .bus_fd = bus_fd(agent->bus),
			       .meta_fd = bus_meta_fd(agent->bus),
			       .cgroup_fd = -1,
			       .cgroup_path = "/",
			       .identities = nobody,
			       .identity = no_identity,
			       .facets_changed = no_facets};
	struct error e = {0};

	snprintf(pins, sizeof(pins), "%s/modules", dir);
	if (host_new(&env, &agent->host, &e) < 0)
		errx(1, "%s: %s", e.where, e.text);
}

static void open_rules(struct agent *agent)
{
	struct source_env env = {.reconsider = reconsider, .arg = agent};
	struct problems p = {0};

	check(rules_source_new(&env, &agent->source[0]), "rules");
	agent->n_sources = 1;
	if (agent->source[0]->ops->configure(agent->source[0], agent->settings, &p) < 0)
		errx(1, "%s: %s", p.list[0].where, p.list[0].text);
}

void pipeline_world_init(struct agent *agent, const char *rules, uint32_t capacity)
{
	char dir[64];

	*agent = (struct agent){.loop = uv_default_loop(), .cgroup_fd = -1};
	check(sodium_init(), "libsodium");
	if (!mkdtemp(state_dir))
		err(1, "%s", state_dir);
	load_settings(agent, rules);
	agent->metrics = metrics_new();
	agent->stream = stream_new(4096);
	agent->identities = identity_table_new(HOLD_BACK_NS);
	agent->cgroups = cgroups_new(1);
	check(label_filter_default(&agent->label_filter), "filter");
	snprintf(dir, sizeof(dir), "/sys/fs/bpf/prism-pipeline-%d", getpid());
	open_bus(agent, dir, capacity);
	open_host(agent, dir);
	open_rules(agent);
	check(pipeline_new(agent, &agent->pipeline), "pipeline");
	agent->synced = agent->modules_rested = true;
}

static void remove_state(void)
{
	static const char *const names[] = {"prismd.yaml", "host.state", "facets"};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", state_dir, names[i]);
		unlink(path);
	}
	if (rmdir(state_dir) < 0)
		warn("%s", state_dir);
	memcpy(state_dir + strlen(state_dir) - 6, "XXXXXX", 6);
}

void pipeline_world_done(struct agent *agent)
{
	pipeline_free(agent->pipeline);
	agent->source[0]->ops->free(agent->source[0]);
	host_free(agent->host);
	bus_close(agent->bus, true);
	cgroups_free(agent->cgroups);
	label_filter_free(agent->label_filter);
	identity_table_free(agent->identities);
	stream_free(agent->stream);
	metrics_free(agent->metrics);
	settings_free(agent->settings);
	remove_state();
}
