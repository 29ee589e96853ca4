// SPDX-License-Identifier: Apache-2.0
#include "counts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

/* Every counter at once: the programs add some meanwhile, so the map is not walked key by key. */
struct table {
	struct lsm_count_key *keys;
	struct lsm_count *values; /* cpus of each */
	uint32_t n;
	uint32_t cpus;
};

static void table_done(struct table *table)
{
	free(table->keys);
	free(table->values);
}

static int grow(struct table *table, uint32_t room)
{
	struct lsm_count_key *keys = reallocarray(table->keys, room, sizeof(*keys));
	struct lsm_count *values;

	if (!keys)
		return -ENOMEM;
	table->keys = keys;
	values = reallocarray(table->values, (size_t)room * table->cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	table->values = values;
	return 0;
}

static int fill(int fd, struct table *table)
{
	uint32_t room = 256, position = 0, next = 0;
	void *from = NULL;
	int r = grow(table, room);

	while (r == 0) {
		uint32_t n = room - table->n;

		r = bpf_map_lookup_batch(fd, from, &next, table->keys + table->n,
					 table->values + (size_t)table->n * table->cpus, &n, NULL);
		if (r == 0 || r == -ENOENT)
			table->n += n;
		if (r == -ENOENT)
			return 0;
		if (r < 0 && r != -ENOSPC)
			return r;
		if (r == 0) {
			position = next;
			from = &position;
		}
		/* -ENOSPC: one bucket holds more than there is room; nothing of it was handed out. */
		room *= 2;
		r = grow(table, room);
	}
	return r;
}

static int table_read(int fd, struct table *ret_table)
{
	struct table table = {0};
	int r, cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	table.cpus = (uint32_t)cpus;
	r = fill(fd, &table);
	if (r < 0) {
		table_done(&table);
		return r;
	}
	*ret_table = table;
	return 0;
}

static struct lsm_count sum(const struct table *table, uint32_t i)
{
	const struct lsm_count *values = table->values + (size_t)i * table->cpus;
	struct lsm_count total = {0};

	for (uint32_t cpu = 0; cpu < table->cpus; cpu++) {
		total.matched += values[cpu].matched;
		total.blocked += values[cpu].blocked;
	}
	return total;
}

int counts_each(int fd, counts_fn fn, void *arg)
{
	struct table table;
	int r = table_read(fd, &table);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < table.n; i++) {
		struct lsm_count count = sum(&table, i);

		fn(arg, &table.keys[i], &count);
	}
	table_done(&table);
	return 0;
}

int counts_drop(int fd, bool (*keep)(void *arg, const struct lsm_count_key *key), void *arg)
{
	struct table table;
	int r = table_read(fd, &table);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < table.n; i++) {
		if (!keep(arg, &table.keys[i]))
			bpf_map_delete_elem(fd, &table.keys[i]);
	}
	table_done(&table);
	return 0;
}

int rate_drop(int fd, uint32_t identity)
{
	int r = bpf_map_delete_elem(fd, &identity);

	return r == -ENOENT ? 0 : r;
}

int stats_read(int fd, struct lsm_stats *ret_stats)
{
	int r, cpus = libbpf_num_possible_cpus();
	struct lsm_stats *values, total = {0};
	uint32_t zero = 0;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(fd, &zero, values);
	for (int cpu = 0; r == 0 && cpu < cpus; cpu++) {
		total.seen += values[cpu].seen;
		total.emitted += values[cpu].emitted;
		total.dropped += values[cpu].dropped;
		total.limited += values[cpu].limited;
		total.unrated += values[cpu].unrated;
		total.uncounted += values[cpu].uncounted;
		total.armed += values[cpu].armed;
		total.errors_blocked += values[cpu].errors_blocked;
		for (int i = 0; i < LSM_ERRORS; i++)
			total.errors[i] += values[cpu].errors[i];
	}
	free(values);
	if (r == 0)
		*ret_stats = total;
	return r;
}
