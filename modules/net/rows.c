// SPDX-License-Identifier: Apache-2.0
#include "rows.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#define BATCH 64u /* rows a system call; grows when one bucket of the hash holds more */
#define BATCH_MAX 65536u

static void add_row(struct net_row *total, const struct net_row *row)
{
	for (int d = 0; d < NET_DIRECTIONS; d++) {
		for (int f = 0; f < NET_FAMILIES; f++) {
			total->count[d][f].packets += row->count[d][f].packets;
			total->count[d][f].bytes += row->count[d][f].bytes;
		}
	}
}

static struct net_row sum_row(const struct net_row *cpu_rows, unsigned int cpus)
{
	struct net_row total = {0};

	for (unsigned int i = 0; i < cpus; i++)
		add_row(&total, &cpu_rows[i]);
	return total;
}

int net_rows_init(struct net_rows *rows, int rows_fd, int owners_fd)
{
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	*rows = (struct net_rows){.rows_fd = rows_fd, .owners_fd = owners_fd, .cpus = (unsigned int)cpus};
	return 0;
}

static int make_row(const struct net_rows *rows, uint32_t identity)
{
	struct net_row *empty = calloc(rows->cpus, sizeof(*empty));
	int r;

	if (!empty)
		return -ENOMEM;
	r = bpf_map_update_elem(rows->rows_fd, &identity, empty, BPF_NOEXIST);
	free(empty);
	return r == -EEXIST ? 0 : r;
}

int net_rows_claim(struct net_rows *rows, uint32_t identity, uint64_t label_hash)
{
	uint64_t owner;
	int r;

	/* No owner yet: the row, if there is one, was made by a packet of this very workload. */
	r = bpf_map_lookup_elem(rows->owners_fd, &identity, &owner);
	if (r == 0 && owner != label_hash)
		r = net_rows_drop(rows, identity);
	if (r < 0 && r != -ENOENT)
		return r;
	r = make_row(rows, identity);
	if (r < 0)
		return r;
	return bpf_map_update_elem(rows->owners_fd, &identity, &label_hash, BPF_ANY);
}

int net_rows_drop(struct net_rows *rows, uint32_t identity)
{
	int row = bpf_map_delete_elem(rows->rows_fd, &identity);
	int owner = bpf_map_delete_elem(rows->owners_fd, &identity);

	if (row < 0 && row != -ENOENT)
		return row;
	return owner == -ENOENT ? 0 : owner;
}

int net_row_read(int map_fd, uint32_t key, unsigned int cpus, struct net_row *ret_total)
{
	struct net_row *values = calloc(cpus, sizeof(*values));
	int r;

	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(map_fd, &key, values);
	if (r == 0)
		*ret_total = sum_row(values, cpus);
	free(values);
	return r;
}

int net_rows_read(const struct net_rows *rows, uint32_t identity, struct net_row *ret_total)
{
	return net_row_read(rows->rows_fd, identity, rows->cpus, ret_total);
}

/* One walk with room for `room` rows a call. -ENOSPC: a bucket holds more than that, nothing of it was handed out. */
struct walk {
	uint32_t position; /* in the kernel's order of buckets */
	int started;
	unsigned int room;
	uint32_t *keys;
	struct net_row *values;
};

static int walk_room(struct walk *walk, const struct net_rows *rows, unsigned int room)
{
	uint32_t *keys = reallocarray(walk->keys, room, sizeof(*keys));
	struct net_row *values;

	if (!keys)
		return -ENOMEM;
	walk->keys = keys;
	values = reallocarray(walk->values, (size_t)room * rows->cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	walk->values = values;
	walk->room = room;
	return 0;
}

/* The next batch into walk; *ret_n of them. -ENOENT: that was the last. */
static int walk_next(struct walk *walk, const struct net_rows *rows, unsigned int *ret_n)
{
	int r;

	for (;;) {
		uint32_t next, n = walk->room;

		r = bpf_map_lookup_batch(rows->rows_fd, walk->started ? &walk->position : NULL, &next, walk->keys,
					 walk->values, &n, NULL);
		if (r == -ENOSPC && walk->room < BATCH_MAX) {
			r = walk_room(walk, rows, walk->room * 2);
			if (r < 0)
				return r;
			continue;
		}
		if (r < 0 && r != -ENOENT)
			return r;
		walk->position = next;
		walk->started = 1;
		*ret_n = n;
		return r;
	}
}

int net_rows_each(const struct net_rows *rows, net_rows_fn fn, void *arg)
{
	struct walk walk = {0};
	unsigned int n;
	int r = walk_room(&walk, rows, BATCH);

	while (r == 0) {
		n = 0;
		r = walk_next(&walk, rows, &n);
		for (unsigned int i = 0; i < n; i++) {
			struct net_row total = sum_row(&walk.values[(size_t)i * rows->cpus], rows->cpus);

			fn(arg, walk.keys[i], &total);
		}
	}
	free(walk.keys);
	free(walk.values);
	return r == -ENOENT ? 0 : r;
}
