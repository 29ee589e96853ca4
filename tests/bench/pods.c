/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods from the wire to the bus: bytes as an API server sends them (a pod of a real node, some 10 KB), through the
 * filter, jansson, the index, the pipeline and a real map. From the last byte in hand to the entry written; and the
 * first list of 500 pods with 2,000 cgroups, in CPU time. The network, TLS and the kernel's mkdir are left out.
 * Anchor: jansson alone over the same bytes.
 */
#include <err.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "agent/pipeline.h"
#include "base/file.h"
#include "bench.h"
#include "kube/filter.h"
#include "pipeline_world.h"
#include "pods/room.h"

#define EVENTS 1000u
#define PODS 500u
#define PIECE 16384u /* as a TLS record */

static const struct json_want stream_want[] = {{.key = "type"}, {.key = "object", .below = pod_want}, {}};

static struct agent agent;
static struct pods_source *pods;
static struct source *rules;
static char *template;
static size_t template_len;

static void reconsider(void *arg, struct cgroup *cg)
{
	(void)arg;
	pipeline_reconsider(agent.pipeline, cg);
}

static void flush(void *arg)
{
	(void)arg;
	pipeline_flush(agent.pipeline);
}

static int take(void *arg, enum json_part part, char *data, size_t len)
{
	struct error e;
	json_t *doc = json_loadb(data, len, 0, NULL);

	(void)arg;
	if (part != JSON_ITEM || !doc ||
	    pods_callbacks.object(pods, KUBE_MODIFIED, json_object_get(doc, "object"), &e) < 0)
		errx(1, "no pod: %.100s", data);
	json_decref(doc);
	return 0;
}

/* The first event of the recording, cut where its uid and one label stand, so that each pod and change is another. */
static void load_template(const char *path)
{
	struct error e;
	char *data, *line;
	size_t len;

	if (file_read(path, 16u << 20, &data, &len, &e) < 0)
		errx(1, "%s: %s", e.where, e.text);
	/* One of the size that the row speaks of. */
	for (line = data; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		len = strcspn(line, "\n") + 1;
		if (len > template_len && len <= 11264 && strncmp(line, "{\"type\":\"MODIFIED\"", 18) == 0) {
			free(template);
			template = strndup(line, len);
			template_len = len;
		}
	}
	free(data);
	if (!template)
		errx(1, "%s: no event of a fitting size", path);
}

/* The template with these in the places of its uid and resourceVersion; labels follow the version in a new member. */
static size_t write_event(char *out, unsigned int pod, unsigned int version)
{
	static const char uid[] = "\"uid\":\"", labels[] = "\"labels\":{";
	const char *u = strstr(template, uid), *l;
	size_t n;

	n = (size_t)sprintf(out, "%.*s%s11111111-2222-3333-4444-%012u", (int)(u - template), template, uid, pod);
	u += sizeof(uid) - 1 + 36;
	l = strstr(u, labels);
	n += (size_t)sprintf(out + n, "%.*s%s\"version\":\"v%u\",%s", (int)(l - u), u, labels, version,
			     l + sizeof(labels) - 1);
	return n;
}

static void feed(struct json_filter *f, const char *data, size_t len)
{
	struct error e;

	pods_callbacks.arrived(pods);
	if (json_filter_feed(f, data, len, &e))
		errx(1, "filter: %s", e.text);
	pods_callbacks.settled(pods);
}

static void add_cgroups(void)
{
	struct cgroup *root, *above, *pod, *container;
	uint64_t id = 100;
	char name[64];
	unsigned int i, k;

	if (cgroup_add(agent.cgroups, cgroups_root(agent.cgroups), 2, "kubepods", &root) < 0 ||
	    cgroup_add(agent.cgroups, root, 3, "burstable", &above) < 0)
		errx(1, "tree");
	for (i = 0; i < PODS; i++) {
		snprintf(name, sizeof(name), "pod11111111-2222-3333-4444-%012u", i);
		if (cgroup_add(agent.cgroups, above, id++, name, &pod) < 0)
			errx(1, "tree");
		pipeline_cgroup_added(agent.pipeline, pod, 1);
		for (k = 0; k < 3; k++) {
			snprintf(name, sizeof(name), "container-%u", k);
			if (cgroup_add(agent.cgroups, pod, id++, name, &container) < 0)
				errx(1, "tree");
			pipeline_cgroup_added(agent.pipeline, container, 1);
		}
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void setup(void)
{
	struct source_env env = {.loop = uv_default_loop(), .reconsider = reconsider, .flush = flush};
	struct source *source;

	pipeline_world_init(&agent, "[]", 8192);
	env.metrics = agent.metrics;
	if (pods_source_new(&env, &source) < 0)
		errx(1, "out of memory");
	pods = container_of(source, struct pods_source, source);
	pods->active = true;
	pods->config.node = strdup("node-a");
	rules = agent.source[0];
	agent.source[0] = source;
	agent.source[1] = rules;
	agent.n_sources = 2;
}

static void done(void)
{
	pods->source.ops->free(&pods->source);
	agent.source[0] = rules;
	agent.n_sources = 1;
	pipeline_world_done(&agent);
}

/* All of them, in pieces as they would come; in ms. */
static double first_sync(struct json_filter *f, char *buf)
{
	size_t len = 0, at = 0;
	unsigned int i;
	uint64_t start;

	for (i = 0; i < PODS; i++)
		len += write_event(buf + len, i, 0);
	start = cpu_ns();
	add_cgroups();
	pods_callbacks.list_begins(pods);
	for (at = 0; at < len; at += PIECE)
		feed(f, buf + at, len - at < PIECE ? len - at : PIECE);
	pods_callbacks.list_ends(pods, true);
	pipeline_flush(agent.pipeline);
	return (double)(cpu_ns() - start) / 1e6;
}

int main(int argc, char **argv)
{
	char *buf = malloc(PODS * 16384);
	struct samples event = {0}, bare = {0}, sync = {0};
	struct json_filter *f;
	unsigned int i;

	/* As prismd's loop runs; without the right to it the spread is that of the machine. */
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) < 0)
		warn("real-time scheduling");
	load_template(argc > 1 ? argv[1] : PRISM_RECORDING);
	for (i = 0; i < BENCH_ROUNDS; i++) {
		setup();
		f = json_filter_new(stream_want, true, 4 << 20, take, NULL);
		samples_add(&sync, first_sync(f, buf));
		for (unsigned int k = 0; k < EVENTS; k++) {
			size_t len = write_event(buf, k % PODS, k + 1);
			uint64_t start = bench_now_ns();

			feed(f, buf, len);
			samples_add(&event, (double)(bench_now_ns() - start) / 1e3);
			start = bench_now_ns();
			json_decref(json_loadb(buf, len, 0, NULL));
			samples_add(&bare, (double)(bench_now_ns() - start) / 1e3);
		}
		json_filter_free(f);
		done();
	}
	bench_header();
	bench_row("last byte of a 10 KB pod event -> bus", "p99 <= 200 us",
		  "p99 %.0f us, median %.0f us (%zu bytes) | %.0f %% | jansson alone: median %.0f us",
		  samples_quantile(&event, 0.99), samples_median(&event), template_len, 100 * samples_spread(&event),
		  samples_median(&bare));
	bench_row("first sync of 500 pods, 2,000 cgroups", "<= 150 ms CPU", "%.1f ms CPU | %.0f %% | -",
		  samples_median(&sync), 100 * samples_spread(&sync));
	samples_done(&event);
	samples_done(&bare);
	samples_done(&sync);
	free(template);
	free(buf);
	return 0;
}
