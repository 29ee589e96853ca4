// SPDX-License-Identifier: Apache-2.0
#include "rows.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256u /* keys a system call; grows when one bucket of the hash holds more */
#define BATCH_MAX 65536u

int rows_read(const struct rows *rows, uint32_t identity, struct sched_row *ret_row)
{
	struct sched_row row;
	uint32_t index;
	int r = bpf_map_lookup_elem(rows->index_fd, &identity, &index);

	if (r == 0)
		r = bpf_map_lookup_elem(rows->rows_fd, &index, &row);
	if (r < 0)
		return r;
	/* Given out, but not written yet. */
	if (row.identity != identity)
		return -ENOENT;
	*ret_row = row;
	return 0;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

struct batch {
	uint32_t room;
	uint32_t *keys;
	uint32_t *indices;
};

static int grow(struct batch *batch, uint32_t room)
{
	uint32_t *keys = reallocarray(batch->keys, room, sizeof(*keys));
	uint32_t *indices;

	if (!keys)
		return -ENOMEM;
	batch->keys = keys;
	indices = reallocarray(batch->indices, room, sizeof(*indices));
	if (!indices)
		return -ENOMEM;
	batch->indices = indices;
	batch->room = room;
	return 0;
}

static void tell_batch(const struct rows *rows, const uint32_t *keys, uint32_t n, rows_fn fn, void *arg)
{
	struct sched_row row;

	for (uint32_t i = 0; i < n; i++) {
		if (rows_read(rows, keys[i], &row) == 0)
			fn(arg, &row);
	}
}

static int walk(const struct rows *rows, struct batch *batch, rows_fn fn, void *arg)
{
	uint32_t position = 0, next = 0;
	void *from = NULL;
	int r;

	do {
		uint32_t n = batch->room;

		r = bpf_map_lookup_batch(rows->index_fd, from, &next, batch->keys, batch->indices, &n, NULL);
		if (r == -ENOSPC && batch->room < BATCH_MAX) {
			r = grow(batch, batch->room * 2); /* nothing was handed out: the same place again */
			continue;
		}
		if (r < 0 && r != -ENOENT)
			return r;
		tell_batch(rows, batch->keys, n, fn, arg);
		position = next;
		from = &position;
	} while (r == 0);
	return r == -ENOENT ? 0 : r;
}

int rows_each(const struct rows *rows, rows_fn fn, void *arg)
{
	struct batch batch = {0};
	int r = grow(&batch, BATCH);

	if (r == 0)
		r = walk(rows, &batch, fn, arg);
	free(batch.keys);
	free(batch.indices);
	return r;
}

/* ---- whose they are ---------------------------------------------------------------------------------------------- */

/* The key first: from then on no task finds the row, and it can be given out again. */
static int forget(const struct rows *rows, uint32_t identity)
{
	static const struct sched_row empty;
	uint32_t index;
	int r = bpf_map_lookup_elem(rows->index_fd, &identity, &index);

	if (r == 0)
		r = bpf_map_delete_elem(rows->index_fd, &identity);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = bpf_map_update_elem(rows->rows_fd, &index, &empty, BPF_ANY);
	if (r == 0)
		r = bpf_map_update_elem(rows->free_fd, NULL, &index, BPF_ANY);
	return r;
}

static void drop(const struct rows *rows, uint32_t identity)
{
	int r = forget(rows, identity);

	if (r < 0)
		prism_log(rows->host, PRISM_LOG_ERROR, "the counters of identity %" PRIu32 " could not be removed: %s",
			  identity, strerror(-r));
}

struct orphans {
	const struct rows *rows;
	uint32_t *ids;
	size_t n;
	bool short_of_memory;
};

static void ignore_workload(void *arg, const struct prism_workload *workload)
{
	(void)arg;
	(void)workload;
}

static void note_orphan(void *arg, const struct sched_row *row)
{
	struct orphans *orphans = arg;
	uint32_t *ids;

	if (row->identity < PRISM_ID_FIRST ||
	    prism_identity_get(orphans->rows->host, row->identity, ignore_workload, NULL) != -ENOENT)
		return;
	ids = reallocarray(orphans->ids, orphans->n + 1, sizeof(*ids));
	if (!ids) {
		orphans->short_of_memory = true;
		return;
	}
	orphans->ids = ids;
	orphans->ids[orphans->n++] = row->identity;
}

/* Numbers whose hold-back ended while no prismd ran: nobody will say RELEASED for them. */
static void drop_orphans(const struct rows *rows)
{
	struct orphans orphans = {.rows = rows};
	int r = rows_each(rows, note_orphan, &orphans);

	if (r == 0 && orphans.short_of_memory)
		r = -ENOMEM;
	if (r < 0)
		prism_log(rows->host, PRISM_LOG_WARNING, "looking for counters without an owner: %s", strerror(-r));
	for (size_t i = 0; i < orphans.n; i++)
		drop(rows, orphans.ids[i]);
	free(orphans.ids);
}

/* The number had another owner when its row was made. */
static void drop_earlier_owner(const struct rows *rows, const struct prism_workload *workload)
{
	struct sched_row row;

	if (rows_read(rows, workload->identity, &row) == 0 && row.label_hash != workload->label_hash)
		drop(rows, workload->identity);
}

void rows_identity(const struct rows *rows, enum prism_change change, const struct prism_workload *workload)
{
	switch (change) {
	case PRISM_IDENTITY_ADDED:
		drop_earlier_owner(rows, workload);
		break;
	case PRISM_IDENTITY_RELEASED:
		drop(rows, workload->identity);
		break;
	case PRISM_IDENTITY_SYNCED:
		drop_orphans(rows);
		break;
	case PRISM_IDENTITY_CHANGED:
	case PRISM_IDENTITY_REMOVED: /* the number is held back, and so are its counters */
		break;
	}
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

static void add_waits(struct sched_waits *sum, const struct sched_waits *waits)
{
	for (int i = 0; i < SCHED_BUCKETS; i++)
		sum->bucket[i] += waits->bucket[i];
	sum->total_ns += waits->total_ns;
	sum->violations += waits->violations;
	if (waits->longest_ns > sum->longest_ns)
		sum->longest_ns = waits->longest_ns;
}

static void add_stats(struct sched_stats *sum, const struct sched_stats *stats)
{
	for (int i = 0; i < SCHED_RANKS; i++) {
		struct sched_class_stats *to = &sum->class[i];
		const struct sched_class_stats *from = &stats->class[i];

		to->run_ns += from->run_ns;
		to->preempted += from->preempted;
		to->preemptions += from->preemptions;
		to->overtakes += from->overtakes;
		to->grants += from->grants;
		add_waits(&to->waits, &from->waits);
	}
	sum->direct += stats->direct;
	sum->unplaced += stats->unplaced;
	sum->reenqueued += stats->reenqueued;
	sum->stolen += stats->stolen;
}

int rows_read_stats(const struct rows *rows, struct sched_stats *ret_stats)
{
	int cpus = libbpf_num_possible_cpus(), r;
	struct sched_stats *values, sum = {0};
	uint32_t zero = 0;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(rows->stats_fd, &zero, values);
	for (int i = 0; r == 0 && i < cpus; i++)
		add_stats(&sum, &values[i]);
	free(values);
	if (r == 0)
		*ret_stats = sum;
	return r;
}
