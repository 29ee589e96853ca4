/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/util.h"
#include "metric/metric.h"
#include "metric/openmetrics.h"

#define MAX_LABELS 16

struct sink_family {
	struct prism_metric m;
	bool valid;
	struct text body; /* finished lines */
};

/* A combination of family and labels that has been written: the format forbids a second one. */
struct seen {
	UT_hash_handle hh;
	char key[];
};

struct prism_sink {
	const struct sink_names *names;
	struct sink_family *families;
	uint32_t n_families;
	struct seen *seen;
	size_t n_samples;
	uint64_t dropped;
	struct text labels; /* scratch: "<family>\t" and then the labels */
};

/* A module built against an older minor has shorter elements; what it does not have is zero. */
static void read_declaration(const struct prism_module *module, uint32_t i, struct prism_metric *ret)
{
	const char *base = (const char *)module->metrics;
	size_t size = module->metric_size < sizeof(*ret) ? module->metric_size : sizeof(*ret);

	memset(ret, 0, sizeof(*ret));
	memcpy(ret, base + (size_t)i * module->metric_size, size);
}

static size_t count_labels(const struct prism_metric *m)
{
	size_t n = 0;

	while (m->labels && m->labels[n])
		n++;
	return n;
}

struct prism_sink *sink_new(const struct prism_module *module, const struct sink_names *names)
{
	struct prism_sink *sink = calloc(1, sizeof(*sink));
	uint32_t i;

	if (!sink)
		return NULL;
	sink->names = names;
	sink->families = calloc(module->n_metrics ? module->n_metrics : 1, sizeof(*sink->families));
	if (!sink->families) {
		free(sink);
		return NULL;
	}
	sink->n_families = module->metrics ? module->n_metrics : 0;
	for (i = 0; i < sink->n_families; i++) {
		struct sink_family *f = &sink->families[i];

		read_declaration(module, i, &f->m);
		f->valid = openmetrics_valid(&f->m) && count_labels(&f->m) <= MAX_LABELS;
	}
	return sink;
}

void sink_free(struct prism_sink *sink)
{
	struct seen *seen, *next;
	uint32_t i;

	if (!sink)
		return;
	HASH_ITER (hh, sink->seen, seen, next) {
		HASH_DEL(sink->seen, seen);
		free(seen);
	}
	for (i = 0; i < sink->n_families; i++)
		text_done(&sink->families[i].body);
	text_done(&sink->labels);
	free(sink->families);
	free(sink);
}

static void append_identity(const struct prism_sink *sink, uint32_t identity, struct text *out, bool *first)
{
	const char *namespace_name = NULL, *workload = NULL;
	char number[16];

	snprintf(number, sizeof(number), "%u", identity);
	if (sink->names && sink->names->name_of)
		sink->names->name_of(sink->names->arg, identity, &namespace_name, &workload);
	openmetrics_label(out, "identity", number, first);
	openmetrics_label(out, "namespace", namespace_name, first);
	openmetrics_label(out, "workload", workload, first);
}

/* Remembers key; false when it was there already, or memory ran out. */
static bool remember(struct prism_sink *sink, const struct text *key)
{
	struct seen *seen;

	HASH_FIND(hh, sink->seen, key->data, key->len, seen);
	if (seen)
		return false;
	seen = malloc(sizeof(*seen) + key->len);
	if (!seen)
		return false;
	memcpy(seen->key, key->data, key->len);
	HASH_ADD_KEYPTR(hh, sink->seen, seen->key, key->len, seen);
	if (!seen->hh.tbl) {
		free(seen);
		return false;
	}
	return true;
}

/* The labels of a sample that fits; NULL (and counted) when it cannot be taken. Valid until the next call. */
static const char *take_labels(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels)
{
	const struct prism_metric *m = &sink->families[metric].m;
	struct text *out = &sink->labels;
	bool first = true;
	size_t start, i;

	if (m->labels && m->labels[0] && !labels)
		return NULL;
	text_clear(out);
	text_appendf(out, "%u\t", metric);
	start = out->len;
	if (m->flags & PRISM_METRIC_BY_IDENTITY)
		append_identity(sink, identity, out, &first);
	for (i = 0; m->labels && m->labels[i]; i++)
		openmetrics_label(out, m->labels[i], labels[i], &first);
	if (out->failed || !remember(sink, out))
		return NULL;
	return out->data + start;
}

static bool accepts(const struct prism_sink *sink, uint32_t metric, bool histogram)
{
	if (metric >= sink->n_families || !sink->families[metric].valid || sink->n_samples >= METRIC_MAX_SAMPLES)
		return false;
	return (sink->families[metric].m.kind == PRISM_METRIC_HISTOGRAM) == histogram;
}

void sink_sample(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels, double value)
{
	const char *text = NULL;

	if (accepts(sink, metric, false) &&
	    (sink->families[metric].m.kind != PRISM_METRIC_COUNTER || (value >= 0 && isfinite(value))))
		text = take_labels(sink, metric, identity, labels);
	if (!text) {
		sink->dropped++;
		return;
	}
	sink->n_samples++;
	openmetrics_sample(&sink->families[metric].m, text, value, &sink->families[metric].body);
}

void sink_histogram(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
		    const uint64_t *counts, double sum)
{
	const char *text = NULL;

	if (accepts(sink, metric, true) && counts && isfinite(sum))
		text = take_labels(sink, metric, identity, labels);
	if (!text) {
		sink->dropped++;
		return;
	}
	/* Each bucket is a line of the page. */
	sink->n_samples += sink->families[metric].m.n_buckets + 3;
	openmetrics_histogram(&sink->families[metric].m, text, counts, sum, &sink->families[metric].body);
}

uint64_t sink_dropped(const struct prism_sink *sink)
{
	return sink->dropped;
}

/* Is there a family of this name in the text? Its TYPE line begins the text or follows a newline. */
static bool has_family(const struct text *out, const char *head)
{
	size_t n = strcspn(head + strlen("# TYPE "), " ") + strlen("# TYPE ") + 1;
	const char *at = out->data, *end = out->data + out->len;

	while (at && (at = memmem(at, (size_t)(end - at), head, n))) {
		if (at == out->data || at[-1] == '\n')
			return true;
		at++;
	}
	return false;
}

void sink_write(const struct prism_sink *sink, struct text *out)
{
	_cleanup_(text_done) struct text head = {0};
	uint32_t i;

	for (i = 0; i < sink->n_families; i++) {
		const struct sink_family *f = &sink->families[i];

		if (!f->valid || f->body.failed)
			continue;
		text_clear(&head);
		openmetrics_head(&f->m, &head);
		if (head.failed || has_family(out, head.data))
			continue;
		text_append_n(out, head.data, head.len);
		if (f->body.len)
			text_append_n(out, f->body.data, f->body.len);
	}
}
