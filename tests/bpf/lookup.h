/* SPDX-License-Identifier: Apache-2.0 */
/* What lookup.bpf.c and socket.bpf.c answer, for the test to read. */
#ifndef TESTS_BPF_LOOKUP_H
#define TESTS_BPF_LOOKUP_H

enum {
	STATE_UNKNOWN = 0,
	STATE_KNOWN = 1,
	STATE_STALE = 2,
};

struct answer {
	unsigned int state, identity, flags, padding;
	unsigned long long label_hash, cgroup_id;
};

enum answer_slot {
	BY_SKB_INGRESS,
	BY_SKB_EGRESS,
	BY_SK_INGRESS,
	BY_SK_EGRESS,
	BY_CONNECT,
	BY_CONNECT_HELPER,
	ANSWERS,
};

#endif
