// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include <prism/names.h>

#include "fake.h"

#define DESCRIPTOR "descriptor"

static struct prism_metric metric_at(const struct prism_module *m, uint32_t i)
{
	struct prism_metric metric;

	fake_element(&metric, sizeof(metric), m->metrics, m->metric_size, i);
	return metric;
}

static struct prism_event_type event_at(const struct prism_module *m, uint32_t i)
{
	struct prism_event_type type;

	fake_element(&type, sizeof(type), m->events, m->event_size, i);
	return type;
}

static int check_labels(struct prism_host *host, const struct prism_metric *metric, uint32_t i)
{
	for (uint32_t l = 0; metric->labels && metric->labels[l]; l++)
		if (l == PRISM_METRIC_LABELS_MAX || !prism_label_name_valid(metric->labels[l]))
			return prism_fail(host, EINVAL, DESCRIPTOR, "metric %u (%s): label %u is %s", i, metric->name,
					  l, l == PRISM_METRIC_LABELS_MAX ? "one too many (8)" : "not a name");
	return 0;
}

static int check_buckets(struct prism_host *host, const struct prism_metric *metric, uint32_t i)
{
	if (!metric->buckets || !metric->n_buckets || metric->n_buckets > 64)
		return prism_fail(host, EINVAL, DESCRIPTOR, "metric %u (%s) is a histogram with %u buckets: 1 to 64", i,
				  metric->name, metric->n_buckets);
	for (uint32_t b = 0; b < metric->n_buckets; b++)
		if (!isfinite(metric->buckets[b]) || (b && metric->buckets[b] <= metric->buckets[b - 1]))
			return prism_fail(host, EINVAL, DESCRIPTOR, "metric %u (%s): bucket %u does not ascend", i,
					  metric->name, b);
	return 0;
}

static int check_metric(struct prism_host *host, const struct prism_module *m, uint32_t i)
{
	struct prism_metric metric = metric_at(m, i);
	int r;

	if (!metric.name || !prism_metric_name_valid(metric.name))
		return prism_fail(host, EINVAL, DESCRIPTOR,
				  "metric %u is called \"%.128s\": a metric's name " PRISM_METRIC_NAME_RULE, i,
				  metric.name ? metric.name : "");
	for (uint32_t j = 0; j < i; j++)
		if (!strcmp(metric_at(m, j).name, metric.name))
			return prism_fail(host, EINVAL, DESCRIPTOR, "metrics %u and %u are both called %s", j, i,
					  metric.name);
	if (metric.kind < PRISM_METRIC_COUNTER || metric.kind > PRISM_METRIC_HISTOGRAM)
		return prism_fail(host, EINVAL, DESCRIPTOR, "metric %u (%s) is of unknown kind %u", i, metric.name,
				  metric.kind);
	if (metric.kind == PRISM_METRIC_COUNTER && !prism_counter_name_valid(metric.name))
		return prism_fail(host, EINVAL, DESCRIPTOR,
				  "metric %u (%s) is a counter: its name has to end in _total", i, metric.name);
	if (!metric.help)
		return prism_fail(host, EINVAL, DESCRIPTOR, "metric %u (%s) has no help text", i, metric.name);
	r = check_labels(host, &metric, i);
	return r || metric.kind != PRISM_METRIC_HISTOGRAM ? r : check_buckets(host, &metric, i);
}

static int check_event(struct prism_host *host, const struct prism_module *m, uint32_t i)
{
	struct prism_event_type type = event_at(m, i);

	if (!type.name || !prism_name_valid(type.name))
		return prism_fail(host, EINVAL, DESCRIPTOR,
				  "event %u is called \"%.64s\": an event's name " PRISM_NAME_RULE, i,
				  type.name ? type.name : "");
	for (uint32_t j = 0; j < i; j++)
		if (!strcmp(event_at(m, j).name, type.name))
			return prism_fail(host, EINVAL, DESCRIPTOR, "events %u and %u are both called %s", j, i,
					  type.name);
	return 0;
}

static int check_names(struct prism_host *host, const struct prism_module *m)
{
	if (!m->name || !m->version || !m->summary)
		return prism_fail(host, EINVAL, DESCRIPTOR, "name, version and summary are required");
	if (!prism_name_valid(m->name))
		return prism_fail(host, EINVAL, DESCRIPTOR, "calls itself \"%.64s\": a module's name " PRISM_NAME_RULE,
				  m->name);
	if (m->facet && !prism_name_valid(m->facet))
		return prism_fail(host, EINVAL, DESCRIPTOR,
				  "claims a facet called \"%.64s\": a facet's name " PRISM_NAME_RULE, m->facet);
	return 0;
}

static int check_tables(struct prism_host *host, const struct prism_module *m)
{
	if (m->n_options && !m->options)
		return prism_fail(host, EINVAL, DESCRIPTOR, "declares %u options without a table of them",
				  m->n_options);
	if (m->n_metrics && !m->metrics)
		return prism_fail(host, EINVAL, DESCRIPTOR, "declares %u metrics without a table of them",
				  m->n_metrics);
	if (m->n_events && !m->events)
		return prism_fail(host, EINVAL, DESCRIPTOR, "declares %u events without a table of them", m->n_events);
	return 0;
}

int fake_descriptor_check(struct prism_fake_host *fake)
{
	const struct prism_module *m = fake->module;
	int r;

	if (m->size < offsetof(struct prism_module, probe) || m->abi_major != PRISM_ABI_MAJOR ||
	    m->abi_minor > PRISM_ABI_MINOR)
		return prism_fail(&fake->host, EPROTO, DESCRIPTOR, "module ABI %u.%u, host ABI %u.%u", m->abi_major,
				  m->abi_minor, PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
	r = check_names(&fake->host, m);
	if (!r)
		r = check_tables(&fake->host, m);
	for (uint32_t i = 0; !r && i < m->n_metrics; i++)
		r = check_metric(&fake->host, m, i);
	for (uint32_t i = 0; !r && i < m->n_events; i++)
		r = check_event(&fake->host, m, i);
	return r;
}
