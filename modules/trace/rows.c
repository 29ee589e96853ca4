// SPDX-License-Identifier: Apache-2.0
#include "rows.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#define BATCH 1024u /* rows a system call; grows when one bucket of the hash holds more */
#define BATCH_MAX 65536u

int trace_rows_claim(int fd, uint32_t identity)
{
	static const struct trace_row empty;
	int r = bpf_map_update_elem(fd, &identity, &empty, BPF_NOEXIST);

	return r == -EEXIST ? 0 : r;
}

int trace_rows_drop(int fd, uint32_t identity)
{
	int r = bpf_map_delete_elem(fd, &identity);

	return r == -ENOENT ? 0 : r;
}

int trace_rows_read(int fd, uint32_t identity, struct trace_row *ret_row)
{
	struct trace_row row;
	int r = bpf_map_lookup_elem(fd, &identity, &row);

	if (r == 0)
		*ret_row = row;
	return r;
}

struct batch {
	uint32_t room;
	uint32_t *keys;
	struct trace_row *rows;
};

static int grow(struct batch *batch, uint32_t room)
{
	uint32_t *keys = reallocarray(batch->keys, room, sizeof(*keys));
	struct trace_row *rows;

	if (!keys)
		return -ENOMEM;
	batch->keys = keys;
	rows = reallocarray(batch->rows, room, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	batch->rows = rows;
	batch->room = room;
	return 0;
}

static int walk(int fd, struct batch *batch, trace_rows_fn fn, void *arg)
{
	uint32_t position = 0, next = 0;
	void *from = NULL;
	int r;

	do {
		uint32_t n = batch->room;

		r = bpf_map_lookup_batch(fd, from, &next, batch->keys, batch->rows, &n, NULL);
		if (r == -ENOSPC && batch->room < BATCH_MAX) {
			r = grow(batch, batch->room * 2); /* nothing was handed out: the same place again */
			continue;
		}
		if (r < 0 && r != -ENOENT)
			return r;
		for (uint32_t i = 0; i < n; i++)
			fn(arg, batch->keys[i], &batch->rows[i]);
		position = next;
		from = &position;
	} while (r == 0);
	return r == -ENOENT ? 0 : r;
}

int trace_rows_each(int fd, trace_rows_fn fn, void *arg)
{
	struct batch batch = {0};
	int r = grow(&batch, BATCH);

	if (r == 0)
		r = walk(fd, &batch, fn, arg);
	free(batch.keys);
	free(batch.rows);
	return r;
}

int trace_counts_read(int fd, struct trace_counts *ret_counts)
{
	int cpus = libbpf_num_possible_cpus(), r;
	struct trace_counts *values, sum = {0};
	uint32_t zero = 0;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(fd, &zero, values);
	for (int i = 0; r == 0 && i < cpus; i++) {
		sum.seen += values[i].seen;
		sum.emitted += values[i].emitted;
		sum.dropped += values[i].dropped;
		sum.limited += values[i].limited;
		sum.unrated += values[i].unrated;
	}
	free(values);
	if (r == 0)
		*ret_counts = sum;
	return r;
}
