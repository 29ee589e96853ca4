/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/metric.h"

#include <math.h>
#include <string.h>
/* Running out of memory loses one cell, not the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/util.h"
#include "metric/family.h"
#include "metric/openmetrics.h"
#include "metric/values.h"

/* One combination of label values. */
struct cell {
	double value;
	UT_hash_handle hh; /* uthash keeps the order of addition, which is the order of output */
	char label[];
};

static bool is_labelled(enum core_metric id)
{
	return core_families[id].m.labels != NULL;
}

static struct cell *find_cell(const struct metrics *m, enum core_metric id, const char *label)
{
	struct cell *cell;

	HASH_FIND_STR(m->cells[id], label, cell);
	return cell;
}

static struct cell *make_cell(struct metrics *m, enum core_metric id, const char *label)
{
	struct cell *cell = find_cell(m, id, label);
	size_t len = strlen(label);

	if (cell)
		return cell;
	cell = calloc(1, sizeof(*cell) + len + 1);
	if (!cell)
		return NULL;
	memcpy(cell->label, label, len + 1);
	HASH_ADD_KEYPTR(hh, m->cells[id], cell->label, len, cell);
	if (!cell->hh.tbl) {
		free(cell);
		return NULL;
	}
	return cell;
}

static int init_family(struct metrics *m, enum core_metric id)
{
	const struct family *f = &core_families[id];
	size_t i;

	if (f->m.kind == PRISM_METRIC_HISTOGRAM) {
		m->histogram[id].counts = calloc(f->m.n_buckets + 1, sizeof(uint64_t));
		return m->histogram[id].counts ? 0 : -1;
	}
	for (i = 0; f->preset && f->preset[i]; i++)
		if (!make_cell(m, id, f->preset[i]))
			return -1;
	return 0;
}

struct metrics *metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof(*m));
	unsigned int id;

	for (id = 0; m && id < METRIC_COUNT; id++) {
		if (init_family(m, id) < 0) {
			metrics_free(m);
			return NULL;
		}
	}
	if (m)
		metric_set(m, METRIC_BUILD_INFO, PRISM_VERSION, 1);
	return m;
}

void metric_reset(struct metrics *m, enum core_metric id)
{
	struct cell *cell, *next;

	HASH_ITER (hh, m->cells[id], cell, next) {
		HASH_DEL(m->cells[id], cell);
		free(cell);
	}
	m->plain[id] = 0;
}

void metrics_free(struct metrics *m)
{
	unsigned int id;

	if (!m)
		return;
	for (id = 0; id < METRIC_COUNT; id++) {
		metric_reset(m, id);
		free(m->histogram[id].counts);
	}
	programs_done(m);
	free(m);
}

static double *value_of(struct metrics *m, enum core_metric id, const char *label)
{
	struct cell *cell;

	if (!is_labelled(id))
		return &m->plain[id];
	cell = make_cell(m, id, label ? label : "");
	return cell ? &cell->value : NULL;
}

void metric_add(struct metrics *m, enum core_metric id, const char *label, double by)
{
	double *value = value_of(m, id, label);

	if (value)
		*value += by;
}

void metric_set(struct metrics *m, enum core_metric id, const char *label, double value)
{
	double *at = value_of(m, id, label);

	if (at)
		*at = value;
}

double metric_get(const struct metrics *m, enum core_metric id, const char *label)
{
	struct cell *cell;

	if (core_families[id].m.kind == PRISM_METRIC_HISTOGRAM)
		return (double)m->histogram[id].n;
	if (!is_labelled(id))
		return m->plain[id];
	cell = find_cell(m, id, label ? label : "");
	return cell ? cell->value : 0;
}

void metric_observe(struct metrics *m, enum core_metric id, double value)
{
	const struct prism_metric *f = &core_families[id].m;
	struct histogram *h = &m->histogram[id];
	uint32_t i = 0;

	if (!h->counts || !isfinite(value))
		return;
	while (i < f->n_buckets && value > f->buckets[i])
		i++;
	h->counts[i]++;
	h->sum += value;
	h->n++;
}

double metric_quantile(const struct metrics *m, enum core_metric id, double q)
{
	const struct prism_metric *f = &core_families[id].m;
	const struct histogram *h = &m->histogram[id];
	double rank = q * (double)h->n, below = 0, low, part;
	uint32_t i;

	if (!h->counts || !h->n || !(q >= 0 && q <= 1))
		return NAN;
	for (i = 0; i < f->n_buckets; i++) {
		if (h->counts[i] && below + (double)h->counts[i] >= rank)
			break;
		below += (double)h->counts[i];
	}
	/* Beyond the last bound nothing is known but that it is beyond. */
	if (i == f->n_buckets)
		return f->buckets[i - 1];
	low = i ? f->buckets[i - 1] : 0;
	part = (rank - below) / (double)h->counts[i];
	return low + (f->buckets[i] - low) * (part > 0 ? part : 0);
}

/* The values that a cell's key joins by tabs, each under its name. */
static void append_labels(const struct prism_metric *f, const char *joined, struct text *out)
{
	bool first = true;
	size_t i;

	for (i = 0; f->labels[i]; i++) {
		size_t n = f->labels[i + 1] ? strcspn(joined, "\t") : strlen(joined);
		_cleanup_free_ char *value = strndup(joined, n);

		openmetrics_label(out, f->labels[i], value, &first);
		joined += n + (joined[n] == '\t');
	}
}

static void write_family(const struct metrics *m, enum core_metric id, struct text *labels, struct text *out)
{
	const struct prism_metric *f = &core_families[id].m;
	struct cell *cell;

	openmetrics_head(f, out);
	if (f->kind == PRISM_METRIC_HISTOGRAM)
		openmetrics_histogram(f, "", m->histogram[id].counts, m->histogram[id].sum, out);
	else if (!f->labels)
		openmetrics_sample(f, "", m->plain[id], out);
	for (cell = m->cells[id]; cell; cell = cell->hh.next) {
		text_clear(labels);
		append_labels(f, cell->label, labels);
		if (!labels->failed)
			openmetrics_sample(f, labels->data, cell->value, out);
	}
}

void metrics_write(const struct metrics *m, struct text *out)
{
	_cleanup_(text_done) struct text labels = {0};
	unsigned int id;

	for (id = 0; id < METRIC_COUNT; id++)
		write_family(m, id, &labels, out);
}
