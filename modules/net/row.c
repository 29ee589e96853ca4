// SPDX-License-Identifier: Apache-2.0
#include "row.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

static void add_row(struct net_row *total, const struct net_row *row)
{
	for (int d = 0; d < NET_DIRECTIONS; d++) {
		for (int f = 0; f < NET_FAMILIES; f++) {
			total->count[d][f].packets += row->count[d][f].packets;
			total->count[d][f].bytes += row->count[d][f].bytes;
		}
	}
}

struct net_row net_row_sum(const struct net_row *cpu_rows, unsigned int cpus)
{
	struct net_row total = {0};

	for (unsigned int i = 0; i < cpus; i++)
		add_row(&total, &cpu_rows[i]);
	return total;
}

int net_row_read(int map_fd, uint32_t key, unsigned int cpus, struct net_row *ret_total)
{
	struct net_row *values = calloc(cpus, sizeof(*values));
	int r;

	if (!values)
		return -ENOMEM;
	r = bpf_map_lookup_elem(map_fd, &key, values);
	if (r == 0)
		*ret_total = net_row_sum(values, cpus);
	free(values);
	return r;
}
