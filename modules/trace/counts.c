// SPDX-License-Identifier: Apache-2.0
#include "counts.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

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
