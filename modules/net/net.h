/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the net leg's program and its user side share: the shape of a counter row. */
#ifndef NET_H
#define NET_H

#include <linux/types.h>

enum net_direction {
	NET_INGRESS = 0,
	NET_EGRESS = 1,
	NET_DIRECTIONS = 2,
};

enum net_family {
	NET_IPV4 = 0,
	NET_IPV6 = 1,
	NET_FAMILIES = 2,
};

struct net_count {
	__u64 packets;
	__u64 bytes;
};

/* Everything about one identity: 64 bytes, one cache line a CPU and one hash probe a packet. */
struct net_row {
	struct net_count count[NET_DIRECTIONS][NET_FAMILIES];
};

#endif
