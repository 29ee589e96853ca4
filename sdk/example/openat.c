// SPDX-License-Identifier: Apache-2.0
/* A whole module: counts openat(2) for each workload that the configuration chooses. */
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <prism/leg.h>

#include "openat.h"
#include "openat.skel.h"

enum { OPTION_NAMESPACE, N_OPTIONS };

static const struct prism_option options[] = {
	[OPTION_NAMESPACE] = {.name = "namespace",
			      .kind = PRISM_OPTION_STRING,
			      .fallback = "",
			      .help = "Count workloads of this namespace only; empty: all of them."},
};

enum { METRIC_OPENAT, METRIC_LOST, N_METRICS };

static const struct prism_metric metrics[] = {
	[METRIC_OPENAT] = {.name = "prism_openat_calls_total",
			   .kind = PRISM_METRIC_COUNTER,
			   .flags = PRISM_METRIC_BY_IDENTITY,
			   .help = "Calls of openat(2)."},
	[METRIC_LOST] = {.name = "prism_openat_lost_total",
			 .kind = PRISM_METRIC_COUNTER,
			 .help = "Calls that were not counted because there are more identities than the map holds."},
};

struct openat {
	struct prism_host *host;
	char namespace_name[256];
	struct openat_bpf *skel;
	struct prism_leg *leg;
	uint64_t *values; /* one for each CPU */
};

static int openat_open(struct prism_host *host, void **ret_self)
{
	struct openat *self = calloc(1, sizeof(*self));
	int cpus = libbpf_num_possible_cpus();

	if (self && cpus > 0)
		self->values = calloc(cpus, sizeof(*self->values));
	if (!self || !self->values) {
		free(self);
		return prism_fail(host, ENOMEM, "open", "out of memory");
	}
	self->host = host;
	*ret_self = self;
	return 0;
}

static bool chosen(const struct openat *self, const struct prism_workload *workload)
{
	return !self->namespace_name[0] || !strcmp(workload->namespace_name, self->namespace_name);
}

static void choose(void *arg, const struct prism_workload *workload)
{
	struct openat *self = arg;

	prism_facet_set(self->host, workload->identity, chosen(self, workload));
}

/* Runs before start and again on each reload: nothing of the old choice stays. */
static int openat_configure(void *arg, const struct prism_config *config)
{
	struct openat *self = arg;
	const char *text = prism_option_text(self->host, config, OPTION_NAMESPACE);

	if (text && strlen(text) >= sizeof(self->namespace_name))
		return prism_node_error(self->host, prism_option_node(self->host, config, OPTION_NAMESPACE),
					"a namespace has at most 253 characters");
	strcpy(self->namespace_name, text ? text : "");
	return self->leg ? prism_identities(self->host, choose, self) : 0;
}

static void unload(struct openat *self, enum prism_stop why)
{
	prism_leg_close(self->leg, why);
	openat_bpf__destroy(self->skel);
	self->leg = NULL;
	self->skel = NULL;
}

static int openat_start(void *arg)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct openat *self = arg;
	int r;

	self->skel = openat_bpf__open_opts(prism_leg_open_opts(self->host, &opts));
	r = prism_leg_load(self->host, self->skel ? self->skel->skeleton : NULL, &self->leg);
	if (!r)
		r = prism_leg_attach(self->leg, self->skel->progs.on_openat);
	if (r < 0)
		unload(self, PRISM_STOP_REMOVE);
	return r;
}

static void openat_identity(void *arg, enum prism_change change, const struct prism_workload *workload)
{
	struct openat *self = arg;

	if (change == PRISM_IDENTITY_ADDED || change == PRISM_IDENTITY_CHANGED)
		choose(self, workload);
	if (change == PRISM_IDENTITY_RELEASED)
		bpf_map__delete_elem(self->skel->maps.openat_count, &workload->identity, sizeof(workload->identity), 0);
}

static int openat_stop(void *arg, enum prism_stop why)
{
	unload(arg, why);
	return 0;
}

static void openat_close(void *arg)
{
	struct openat *self = arg;

	unload(self, PRISM_STOP_SHUTDOWN);
	free(self->values);
	free(self);
}

static double total(struct openat *self, const struct bpf_map *map, const uint32_t *key)
{
	int i, cpus = libbpf_num_possible_cpus();
	double sum = 0;

	if (bpf_map__lookup_elem(map, key, sizeof(*key), self->values, cpus * sizeof(*self->values), 0) < 0)
		return 0;
	for (i = 0; i < cpus; i++)
		sum += (double)self->values[i];
	return sum;
}

static void openat_collect(void *arg, struct prism_sink *sink)
{
	struct openat *self = arg;
	struct bpf_map *map = self->skel->maps.openat_count;
	uint32_t key, *previous = NULL, zero = 0;

	while (bpf_map__get_next_key(map, previous, &key, sizeof(key)) == 0) {
		prism_sample(self->host, sink, METRIC_OPENAT, key, NULL, total(self, map, &key));
		previous = &key;
	}
	prism_sample(self->host, sink, METRIC_LOST, 0, NULL, total(self, self->skel->maps.openat_lost, &zero));
}

static void openat_explain(void *arg, const struct prism_workload *workload, struct prism_text *out)
{
	struct openat *self = arg;

	if (chosen(self, workload))
		prism_explain(self->host, out, "openat(2) is counted: %.0f calls so far",
			      total(self, self->skel->maps.openat_count, &workload->identity));
	else
		prism_explain(self->host, out, "not counted: only namespace %s is", self->namespace_name);
}

const struct prism_module prism_module = {
	PRISM_MODULE_HEADER,
	.name = "openat",
	.version = "1.0",
	.summary = "counts openat(2) by workload",
	.facet = "openat",
	.options = options,
	.n_options = N_OPTIONS,
	.metrics = metrics,
	.n_metrics = N_METRICS,
	.open = openat_open,
	.configure = openat_configure,
	.start = openat_start,
	.identity = openat_identity,
	.stop = openat_stop,
	.close = openat_close,
	.collect = openat_collect,
	.explain = openat_explain,
	.capabilities = PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_PERFMON),
};
PRISM_MODULE_NOTE("openat", "1.0", PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
