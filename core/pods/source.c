/* SPDX-License-Identifier: Apache-2.0 */
#include "pods/source.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "pods/room.h"

/* ---- cgroups ---- */

/* Below a pod that has said who it is everything is its own, whatever it may call itself. */
static bool is_nested(const struct pods_source *s, const char *path)
{
	struct pod_path above;
	size_t len = strlen(path);

	for (;;) {
		const struct pod *pod;

		while (len && path[len - 1] != '/')
			len--;
		if (len <= 1)
			return false;
		len--;
		if (!pod_path_parse(path, len, &above))
			continue;
		pod = pod_find(&s->index, above.uid);
		if (pod && pod->facts)
			return true;
	}
}

static void adopt(struct pods_source *s, struct pod *pod, const struct cgroup *cg)
{
	struct workload_spec spec;

	if (!s->source.env.adopted || !s->source.env.adopted(s->source.env.arg, cg, &spec))
		return;
	if (pod_set_adopted(pod, &spec) >= 0)
		pod_set_state(&s->index, pod, POD_ADOPTED);
}

static bool claim(struct source *source, struct cgroup *cg, const char *path, struct workload_spec *ret)
{
	struct pods_source *s = container_of(source, struct pods_source, source);
	struct pod_cgroup *c;
	struct pod_path parsed;
	struct pod *pod;

	if (!pod_path_likely(cg->name) || !pod_path_parse(path, strlen(path), &parsed) || is_nested(s, path))
		return false;
	pod = pod_find(&s->index, parsed.uid);
	if (!pod)
		pod = pod_add(&s->index, parsed.uid);
	c = pod ? pod_cgroup_add(pod, cg) : NULL;
	if (!c) {
		log_error("kubernetes", "out of memory: no identity for %s", path);
		return false;
	}
	if (!s->active)
		return false;
	if (!pod->facts)
		adopt(s, pod, cg);
	if (!pod_spec(&s->index, pod, ret))
		return false;
	if (!c->counted)
		pod_unwritten_add(&s->index, pod);
	c->bound = true;
	return true;
}

static void gone(struct source *source, struct cgroup *cg)
{
	struct pods_source *s = container_of(source, struct pods_source, source);
	struct pod_path parsed;
	struct pod *pod;
	char path[PATH_MAX];

	if (!pod_path_likely(cg->name) || cgroup_path(cg, path, sizeof(path)) < 0 ||
	    !pod_path_parse(path, strlen(path), &parsed))
		return;
	pod = pod_find(&s->index, parsed.uid);
	if (!pod)
		return;
	pod_cgroup_remove(pod, cg);
	if (!pod->n_cgroups && pod->state != POD_KNOWN)
		pod_remove(&s->index, pod);
}

/* From the making of its cgroup to its entry, for each pod whose cgroup was made before our eyes. */
static void take_window(struct pods_source *s, struct pod_cgroup *c, uint64_t now_ns)
{
	if (!c->bound || c->counted)
		return;
	c->counted = true;
	if (!c->cgroup->made_ns)
		return;
	c->window_ns = now_ns > c->cgroup->made_ns ? now_ns - c->cgroup->made_ns : 1;
	metric_observe(s->source.env.metrics, METRIC_POD_WINDOW, (double)c->window_ns / 1e9);
}

static void flushed(struct source *source)
{
	struct pods_source *s = container_of(source, struct pods_source, source);
	uint64_t now = monotonic_ns();
	struct pod *pod;
	unsigned int i;

	while ((pod = s->index.unwritten)) {
		for (i = 0; i < pod->n_cgroups; i++)
			take_window(s, &pod->cgroups[i], now);
		pod_unwritten_remove(pod);
	}
	pods_count(s);
}

void pods_count(struct pods_source *s)
{
	struct metrics *m = s->source.env.metrics;

	metric_set(m, METRIC_PODS, "known", s->index.n[POD_KNOWN]);
	metric_set(m, METRIC_PODS, "waiting", s->index.n[POD_WAITING]);
	metric_set(m, METRIC_PODS, "left", s->index.n[POD_LEFT] + s->index.n[POD_ADOPTED]);
}

/* ---- settings ---- */

static void config_done(struct pods_config *c)
{
	free(c->kubeconfig);
	free(c->context);
	free(c->node);
	*c = (struct pods_config){0};
}

static int config_take(const struct settings *settings, struct pods_config *ret)
{
	const struct kubernetes_setting *k = &settings->kubernetes;

	*ret = (struct pods_config){
		.kubeconfig = k->kubeconfig ? strdup(k->kubeconfig) : NULL,
		.context = k->context ? strdup(k->context) : NULL,
		.node = strdup(k->node_name),
		.sync_timeout_ms = k->sync_timeout_ms,
		.idle_ms = k->idle_limit_ms,
		.retry_max_ms = k->retry_max_ms,
		.max_object = k->max_object,
		.by_node_label = settings->by_node_label,
	};
	if (ret->node && !ret->kubeconfig == !k->kubeconfig && !ret->context == !k->context)
		return 0;
	config_done(ret);
	return -ENOMEM;
}

static bool differ(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") != 0;
}

static bool config_same(const struct pods_config *a, const struct pods_config *b)
{
	return !differ(a->kubeconfig, b->kubeconfig) && !differ(a->context, b->context) && !differ(a->node, b->node) &&
	       a->idle_ms == b->idle_ms && a->retry_max_ms == b->retry_max_ms && a->max_object == b->max_object &&
	       a->by_node_label == b->by_node_label;
}

static void stop(struct pods_source *s)
{
	reflector_free(TAKE_PTR(s->reflector));
	reflector_free(TAKE_PTR(s->node));
}

static int watch(struct pods_source *s, struct reflector_options *options, const char *selector,
		 struct reflector_callbacks callbacks, struct reflector **ret, struct error *e)
{
	char field[300];

	snprintf(field, sizeof(field), "%s=%s", selector, s->config.node);
	options->field_selector = field;
	callbacks.arg = s;
	return reflector_new(options, &callbacks, ret, e);
}

static int start(struct pods_source *s, struct error *e)
{
	struct reflector_options options = {
		.loop = s->source.env.loop,
		.metrics = s->source.env.metrics,
		.name = "pods",
		.path = "/api/v1/pods",
		.want = pod_want,
		.access = {.kubeconfig = s->config.kubeconfig, .context = s->config.context},
		.max_object = s->config.max_object,
		.idle_ms = s->config.idle_ms,
		.retry_max_ms = s->config.retry_max_ms,
	};
	int r;

	s->started_ns = monotonic_ns();
	r = watch(s, &options, "spec.nodeName", pods_callbacks, &s->reflector, e);
	if (r < 0 || !s->config.by_node_label)
		return r;
	options.name = "node";
	options.path = "/api/v1/nodes";
	options.want = node_want;
	return watch(s, &options, "metadata.name", node_callbacks, &s->node, e);
}

static bool wanted(const struct kubernetes_setting *k)
{
	return k->enabled == KUBERNETES_ON ||
	       (k->enabled == KUBERNETES_AUTO && (k->kubeconfig || kube_in_cluster(NULL)));
}

static int configure(struct source *source, const struct settings *settings, struct problems *p)
{
	struct pods_source *s = container_of(source, struct pods_source, source);
	bool active = wanted(&settings->kubernetes), same;
	struct pods_config config;
	struct error e = {0};
	int r = config_take(settings, &config);

	if (r < 0)
		return problems_add(p, ENOMEM, "sources.kubernetes", "out of memory");
	same = active == s->active && config_same(&s->config, &config);
	if (same) {
		s->config.sync_timeout_ms = config.sync_timeout_ms;
		config_done(&config);
		return 0;
	}
	stop(s);
	/* Another node's pods are none of ours; what another server says of this node's is for it to say. */
	if (s->active && (!active || differ(s->config.node, config.node))) {
		s->active = false;
		pods_forget(s);
	}
	config_done(&s->config);
	s->config = config;
	s->active = active;
	r = active ? start(s, &e) : 0;
	if (r < 0) {
		stop(s);
		return problems_add(p, e.code, e.where, "%s", e.text);
	}
	if (active)
		log_info("kubernetes", "pods of node %s, by %s", s->config.node,
			 s->config.kubeconfig ? s->config.kubeconfig : "the service account of this pod");
	return 0;
}

/* ---- life ---- */

static void pods_source_free(struct source *source)
{
	struct pods_source *s = container_of(source, struct pods_source, source);

	stop(s);
	pod_index_done(&s->index);
	config_done(&s->config);
	free(s);
}

static const struct source_ops ops = {
	.name = "kubernetes",
	.claim = claim,
	.gone = gone,
	.configure = configure,
	.explain = pods_explain,
	.synced = pods_synced,
	.summary = pods_summary,
	.flushed = flushed,
	.conditions = pods_conditions,
	.free = pods_source_free,
};

int pods_source_new(const struct source_env *env, struct source **ret)
{
	struct pods_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->source.ops = &ops;
	s->source.env = *env;
	*ret = &s->source;
	return 0;
}
