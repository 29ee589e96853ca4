/* SPDX-License-Identifier: Apache-2.0 */
/* What the CPUs counted in one row, added up. */
#ifndef NET_ROW_H
#define NET_ROW_H

#include <stdint.h>

#include "net.h"

struct net_row net_row_sum(const struct net_row *cpu_rows, unsigned int cpus);

/* Of an element of a per-CPU map. -ENOENT without one, -ENOMEM; ret_total is untouched on failure. */
int net_row_read(int map_fd, uint32_t key, unsigned int cpus, struct net_row *ret_total);

#endif
