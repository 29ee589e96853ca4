/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The bus: frozen ABI v1, in C, for BPF programs and for user space alike. docs/bus-abi.md explains it.
 *
 * Two maps pinned under PRISM_BUS_DIR (the directory is configurable):
 *
 *   prism_identity   HASH, u64 cgroup v2 id -> struct prism_identity. One entry for the cgroup of each workload and for
 *                    every cgroup below it. BPF_F_RDONLY_PROG: no program can write it, the verifier sees to that.
 *   prism_meta       ARRAY[1] of struct prism_meta: generation, heartbeat, which levels of the tree carry workloads.
 *
 * Everything here is little-endian and append-only: tests/abi freezes every offset, size, bit and name.
 */
#ifndef PRISM_BUS_H
#define PRISM_BUS_H

#if !defined(__VMLINUX_H__) /* has these types already */
#include <linux/types.h>
#endif

#define PRISM_BUS_ABI 1

#define PRISM_BUS_DIR "/sys/fs/bpf/prism"
#define PRISM_BUS_MAP "prism_identity"
#define PRISM_META_MAP "prism_meta"
/* Where the v1-exact shape is pinned a second time, for objects that pin by name under the root of bpffs. */
#define PRISM_BUS_V1_PIN "/sys/fs/bpf/prism_identity"

#define PRISM_BUS_V1_CAPACITY (1u << 20)
#define PRISM_BUS_DEFAULT_CAPACITY 65536u

/* The value of one entry. 24 bytes. */
struct prism_identity {
	__u32 identity;   /* 24-bit number, high byte 0 */
	__u32 flags;      /* PRISM_F_*: facets, latency class, weight, provisional */
	__u64 label_hash; /* of the canonical form; change detection only, never an identity */
	__u64 updated_ns; /* wall clock of the last write, ns since the epoch */
};

/* Identity numbers. Workloads are PRISM_ID_FIRST..PRISM_ID_LAST; what is below is reserved. */
enum prism_reserved_identity {
	PRISM_ID_UNKNOWN = 0,
	PRISM_ID_HOST = 1,
	PRISM_ID_WORLD = 2,
	PRISM_ID_UNMANAGED = 3,
	PRISM_ID_HEALTH = 4,
	PRISM_ID_INIT = 5,
	PRISM_ID_REMOTE_NODE = 6,
	PRISM_ID_KUBE_APISERVER = 7,
	PRISM_ID_INGRESS = 8,
	PRISM_ID_FIRST = 256,
	PRISM_ID_LAST = 16777215,
};

/* flags: facets. A facet says "this module takes care of the workload". */
#define PRISM_FACET_NET 0
#define PRISM_FACET_SCHED 1
#define PRISM_FACET_TRACE 2
#define PRISM_FACET_LSM 3
#define PRISM_FACET_FIRST_FREE 4 /* 4..7 go to third-party modules by name, then 18..30 */
#define PRISM_FACET_BIT(n) (1u << (n))
#define PRISM_FACET_MASK 0x7ffc00ffu /* every bit the registry may ever hand out */

/* flags: policy. */
#define PRISM_CLASS_SHIFT 8
#define PRISM_CLASS_MASK (7u << PRISM_CLASS_SHIFT)
enum prism_latency_class {
	PRISM_CLASS_UNSET = 0,
	PRISM_CLASS_CRITICAL = 1,
	PRISM_CLASS_NORMAL = 2,
	PRISM_CLASS_BATCH = 3,
};
#define PRISM_WEIGHT_SHIFT 11
#define PRISM_WEIGHT_MASK (127u << PRISM_WEIGHT_SHIFT)
#define PRISM_WEIGHT_MAX 127
#define PRISM_WEIGHT_ONE 64 /* 1x; 0 is unset */

/* flags: the number is this node's own choice, the cluster has not confirmed it yet. */
#define PRISM_F_PROVISIONAL (1u << 31)

#define PRISM_FLAGS_CLASS(flags) (((flags) & PRISM_CLASS_MASK) >> PRISM_CLASS_SHIFT)
#define PRISM_FLAGS_WEIGHT(flags) (((flags) & PRISM_WEIGHT_MASK) >> PRISM_WEIGHT_SHIFT)
#define PRISM_FLAGS_POLICY(latency_class, weight)                                                                      \
	((__u32)(latency_class) << PRISM_CLASS_SHIFT | (__u32)(weight) << PRISM_WEIGHT_SHIFT)

/*
 * What a consumer needs to judge an answer. 128 bytes; prismd alone writes it, each u64 is written as one word.
 *
 * generation    Rises after every change or removal of an entry whose old answer a consumer could have cached, and
 * after the arrival of an entry that changes an answer. Entries are written first, the generation after: read the
 * generation before the walk and store that value with what the walk gave. heartbeat_ns  CLOCK_MONOTONIC of the
 * writer's last beat. stale_jiffies The kernel's jiffies64 after which the bus has no live writer (bpf_jiffies64() is
 * inlined to one load, reading a clock costs more than the lookup). 0: not stated, compare heartbeat_ns yourself.
 * root_levels   Bit L is set while the own cgroup of some workload sits at level L of the hierarchy (the root is 0;
 *               levels >= 63 share bit 63). A walk needs to probe no other level above the leaf.
 */
struct prism_meta {
	__u32 abi_version; /* PRISM_BUS_ABI */
	__u32 value_size;  /* sizeof(struct prism_identity) */
	__u64 feature_flags;
	__u64 generation;
	__u32 writer_pid; /* in the initial pid namespace's view of the writer; 0 after a clean stop */
	__u32 capacity;   /* entries the bus can hold */
	__u64 heartbeat_ns;
	__u64 stale_jiffies;
	__u64 root_levels;
	__u64 stale_after_ns; /* heartbeat older than this: stale */
	__u64 writer_epoch;   /* rises with each start of the writer */
	__u64 reserved[7];    /* zero */
};

/* feature_flags */
#define PRISM_FEATURE_ROOT_LEVELS (1ull << 0)   /* root_levels is kept */
#define PRISM_FEATURE_STALE_JIFFIES (1ull << 1) /* stale_jiffies is kept */
#define PRISM_FEATURE_V1_EXACT (1ull << 2)      /* the full, preallocated shape */

#endif
