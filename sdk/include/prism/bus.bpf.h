/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Who is this? The consumer's side of the bus, in BPF:
 *
 *     #include <prism/bus.bpf.h>
 *     ...
 *     struct prism_lookup who = prism_lookup_current();
 *     if (who.state == PRISM_KNOWN && prism_has_facets(who.flags, PRISM_FACET_BIT(PRISM_FACET_NET)))
 *             count(who.identity);
 *
 * Which lookup for which hook:
 *
 *   prism_lookup_current()
 *       The task that runs now: tracing, struct_ops, LSM, cgroup hooks of system calls.
 *   prism_lookup_current_helper()
 *       The same through helpers: dearer, for program types that may not read a task.
 *   prism_lookup_task(task)
 *       Any task by a pointer that the verifier knows (tp_btf, fentry, struct_ops, kfuncs).
 *   prism_lookup_task_raw(task)
 *       Any task by an address that it does not know (raw_tp, kprobe).
 *   prism_lookup_cgroup(cgroup), prism_lookup_cgroup_raw(cgroup)
 *       A cgroup by a pointer that the verifier knows; by an address that it does not know.
 *   prism_lookup_skb(skb)
 *       Whose socket this packet belongs to: cgroup_skb and tc. Packets are never attributed by the current task:
 *       in softirq that is whoever was interrupted.
 *   prism_lookup_sk(sk)
 *       Whose socket this is: a full bpf_sock in cgroup_skb programs.
 *   prism_lookup_id(id)
 *       One probe with a cgroup id that you have; no walk.
 *   prism_lookup_task_cached(task), prism_lookup_current_cached()
 *       With PRISM_BUS_CACHE defined before the include: answers are kept in task storage.
 *
 * Each gives a struct prism_lookup by value; all are inlined, what you do not use costs nothing. A sleepable program
 * brackets a lookup with bpf_rcu_read_lock() and bpf_rcu_read_unlock(). The program's licence must be GPL-compatible.
 *
 * Cost: one hash probe of the task's (packet's) own cgroup; it has an entry when it belongs to a workload. Only on a
 * miss the levels above that carry workloads at all (prism_meta.root_levels) are probed, nearest first, so that a
 * cgroup just made below a workload is right before prismd has published it.
 *
 * Bound of the walk: PRISM_WALK_MAX levels up from the own cgroup; by helper (skb, sk, current_helper) levels 0..63 of
 * the hierarchy. A cgroup beyond that is known once it has its own entry.
 *
 * The maps. In a module, <prism/leg.h> hands the host's maps over. With bpftool:
 *
 *     bpftool prog loadall x.bpf.o /sys/fs/bpf/x \
 *             map name prism_identity pinned /sys/fs/bpf/prism/prism_identity \
 *             map name prism_meta pinned /sys/fs/bpf/prism/prism_meta
 *
 * A libbpf program of its own calls bpf_map__reuse_fd() on both before load; or it defines PRISM_BUS_PIN_BY_NAME before
 * the include and opens the object with `.pin_root_path = PRISM_BUS_DIR`: then libbpf finds the maps by name, but wants
 * the bus of the default shape (define PRISM_BUS_CAPACITY when yours has another `bus.capacity`), and makes empty ones
 * where there is no bus yet. Handing them over takes any shape and fails where there is none: prefer it.
 */
#ifndef PRISM_BUS_BPF_H
#define PRISM_BUS_BPF_H

#include <prism/kernel.bpf.h>
#include <prism/bus.h>

#ifndef PRISM_BUS_CAPACITY
#define PRISM_BUS_CAPACITY PRISM_BUS_DEFAULT_CAPACITY
#endif

/* How far above a cgroup its workload may be while the cgroup itself is not yet published. */
#define PRISM_WALK_MAX 64

/* ---- the maps: a program can read them, the verifier refuses one that writes ------------------------------------- */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PRISM_BUS_CAPACITY);
	__uint(map_flags, BPF_F_RDONLY_PROG | BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct prism_identity);
#ifdef PRISM_BUS_PIN_BY_NAME
	__uint(pinning, LIBBPF_PIN_BY_NAME);
#endif
} prism_identity SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, __u32);
	__type(value, struct prism_meta);
#ifdef PRISM_BUS_PIN_BY_NAME
	__uint(pinning, LIBBPF_PIN_BY_NAME);
#endif
} prism_meta SEC(".maps");

/* The bit of the module's own facet, set by the leg loader before load; 0 outside a module. */
const volatile __u32 prism_facet_mask __attribute__((weak)) = 0;

/* ---- the answer -------------------------------------------------------------------------------------------------- */

enum prism_state {
	PRISM_UNKNOWN = 0, /* the bus is kept and has no entry: identity is PRISM_ID_UNMANAGED; PRISM_ID_UNKNOWN when
			    * there was no cgroup to ask for, such as for a packet without a socket */
	PRISM_KNOWN = 1,   /* identity, flags and label_hash are those of the workload */
	PRISM_STALE = 2,   /* nobody keeps the bus: its last known entry, or PRISM_ID_UNKNOWN when it has none */
};

struct prism_lookup {
	__u32 state; /* enum prism_state */
	__u32 identity;
	__u32 flags;      /* PRISM_F_*, facets, class, weight; 0 without an entry */
	__u64 label_hash; /* 0 without an entry */
	__u64 cgroup_id;  /* the own cgroup that was asked for, not the ancestor that answered; 0: none */
};

/* Every facet of mask is on this workload. */
static __always_inline _Bool prism_has_facets(__u32 flags, __u32 mask)
{
	return (flags & mask) == mask;
}

/* enum prism_latency_class. */
static __always_inline __u32 prism_class(__u32 flags)
{
	return PRISM_FLAGS_CLASS(flags);
}

/* 1..127, 64 = 1x; a weight that is not set is 1x. */
static __always_inline __u32 prism_weight(__u32 flags)
{
	__u32 weight = PRISM_FLAGS_WEIGHT(flags);

	return weight ? weight : PRISM_WEIGHT_ONE;
}

/* ---- is anybody keeping the bus? --------------------------------------------------------------------------------- */

/* Never NULL once loaded; the verifier wants the check all the same. */
static __always_inline const struct prism_meta *prism_bus_meta(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&prism_meta, &zero);
}

/* By the kernel's jiffies: costs two loads. What every lookup goes by. False when the writer does not state it. */
static __always_inline _Bool prism_bus_stale(const struct prism_meta *meta)
{
	if (!(meta->feature_flags & PRISM_FEATURE_STALE_JIFFIES))
		return 0;
	return bpf_jiffies64() > *(const volatile __u64 *)&meta->stale_jiffies;
}

/* By the heartbeat and the clock: as dear as a lookup, for a bus without PRISM_FEATURE_STALE_JIFFIES. */
static __always_inline _Bool prism_bus_stale_by_clock(const struct prism_meta *meta)
{
	__u64 heartbeat = *(const volatile __u64 *)&meta->heartbeat_ns;
	__u64 now = bpf_ktime_get_ns();

	return now > heartbeat && now - heartbeat > meta->stale_after_ns;
}

/* ---- parts of a lookup; not for consumers ------------------------------------------------------------------------ */

static __always_inline const struct prism_identity *prism__probe(__u64 cgroup_id)
{
	return bpf_map_lookup_elem(&prism_identity, &cgroup_id);
}

/* identity and flags as the one word that they are in the map: a pair that belongs together. */
static __always_inline __u64 prism__pair(const struct prism_identity *entry)
{
	return *(const volatile __u64 *)entry;
}

static __always_inline struct prism_lookup prism__answer(const struct prism_meta *meta, __u64 cgroup_id, __u64 pair,
							 __u64 label_hash)
{
	struct prism_lookup who = {.cgroup_id = cgroup_id};
	_Bool stale = prism_bus_stale(meta);

	if ((__u32)pair) {
		who.state = stale ? PRISM_STALE : PRISM_KNOWN;
		who.identity = (__u32)pair;
		who.flags = pair >> 32;
		who.label_hash = label_hash;
	} else {
		who.state = stale ? PRISM_STALE : PRISM_UNKNOWN;
		who.identity = stale || !cgroup_id ? PRISM_ID_UNKNOWN : PRISM_ID_UNMANAGED;
	}
	return who;
}

static __always_inline struct prism_lookup prism__answer_entry(const struct prism_meta *meta, __u64 cgroup_id,
							       const struct prism_identity *entry)
{
	if (!entry)
		return prism__answer(meta, cgroup_id, 0, 0);
	return prism__answer(meta, cgroup_id, prism__pair(entry), entry->label_hash);
}

/* Bits of the levels that may carry a workload; levels >= 63 share bit 63. */
static __always_inline __u64 prism__root_levels(const struct prism_meta *meta)
{
	if (!(meta->feature_flags & PRISM_FEATURE_ROOT_LEVELS))
		return ~0ull;
	return *(const volatile __u64 *)&meta->root_levels;
}

/* Those above a cgroup at this level, the parent's in bit 63, the grandparent's in bit 62 and so on. */
static __always_inline __u64 prism__levels_above(__u64 levels, __u32 level)
{
	if (level >= 64)
		return (__s64)levels >> (level - 64 > 63 ? 63 : level - 64);
	return level ? levels << (64 - level) : 0;
}

/* raw is a constant: a pointer that the verifier knows is read by plain loads, an address by helper. */
static __always_inline __u64 prism__cgroup_id(const struct cgroup___prism *cgroup, const _Bool raw)
{
	return raw ? BPF_CORE_READ(cgroup, kn, id) : cgroup->kn->id;
}

/* From the parent upwards. parent->cgroup, because the verifier allows no variable index into cgroup->ancestors[]. */
static __always_inline const struct prism_identity *prism__walk(const struct cgroup___prism *cgroup, const _Bool raw,
								__u64 levels)
{
	const struct cgroup_subsys_state___prism *parent =
		raw ? BPF_CORE_READ(cgroup, self.parent) : cgroup->self.parent;
	__u64 above = prism__levels_above(levels, raw ? BPF_CORE_READ(cgroup, level) : cgroup->level);
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < PRISM_WALK_MAX && above; i++) {
		if ((__s64)above < 0) {
			const struct cgroup___prism *ancestor = raw ? BPF_CORE_READ(parent, cgroup) : parent->cgroup;
			const struct prism_identity *entry = prism__probe(prism__cgroup_id(ancestor, raw));

			if (entry)
				return entry;
		}
		parent = raw ? BPF_CORE_READ(parent, parent) : parent->parent;
		above <<= 1;
	}
	return NULL;
}

static __always_inline struct prism_lookup prism__lookup_cgroup(const struct cgroup___prism *cgroup, const _Bool raw)
{
	const struct prism_meta *meta = prism_bus_meta();
	const struct prism_identity *entry;
	struct prism_lookup none = {};
	__u64 id;

	if (!meta)
		return none;
	id = prism__cgroup_id(cgroup, raw);
	entry = prism__probe(id);
	if (!entry)
		entry = prism__walk(cgroup, raw, prism__root_levels(meta));
	return prism__answer_entry(meta, id, entry);
}

/* Where only helpers lead to the cgroup: how they give the id of its ancestor at a level. Folded by the compiler. */
enum prism__by {
	PRISM__BY_CURRENT,
	PRISM__BY_SKB,
	PRISM__BY_SK,
};

/* 0 if the cgroup is not that deep. */
static __always_inline __u64 prism__ancestor(void *context, const enum prism__by by, __u32 level)
{
	switch (by) {
	case PRISM__BY_CURRENT:
		return bpf_get_current_ancestor_cgroup_id(level);
	case PRISM__BY_SKB:
		return bpf_skb_ancestor_cgroup_id(context, level);
	case PRISM__BY_SK:
		return bpf_sk_ancestor_cgroup_id(context, level);
	}
	return 0;
}

/* Of v != 0. Without branches, to keep the verifier's work small; clang before 15 has no __builtin_clzll() for BPF. */
static __always_inline __u32 prism__highest_bit(__u64 v)
{
	v |= v >> 1;
	v |= v >> 2;
	v |= v >> 4;
	v |= v >> 8;
	v |= v >> 16;
	v |= v >> 32;
	v -= v >> 1 & 0x5555555555555555ull;
	v = (v & 0x3333333333333333ull) + (v >> 2 & 0x3333333333333333ull);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (v * 0x0101010101010101ull >> 56) - 1;
}

static __always_inline const struct prism_identity *prism__walk_by(void *context, const enum prism__by by, __u64 own_id,
								   __u64 levels)
{
	int i;

#pragma clang loop unroll(disable)
	for (i = 0; i < PRISM_WALK_MAX && levels; i++) {
		__u32 level = prism__highest_bit(levels);
		const struct prism_identity *entry;
		__u64 id;

		levels &= ~(1ull << level);
		id = prism__ancestor(context, by, level);
		if (!id || id == own_id)
			continue;
		entry = prism__probe(id);
		if (entry)
			return entry;
	}
	return NULL;
}

static __always_inline struct prism_lookup prism__lookup_by(void *context, const enum prism__by by, __u64 own_id)
{
	const struct prism_meta *meta = prism_bus_meta();
	const struct prism_identity *entry;
	struct prism_lookup none = {};

	if (!meta)
		return none;
	if (!own_id)
		return prism__answer(meta, 0, 0, 0);
	entry = prism__probe(own_id);
	if (!entry)
		entry = prism__walk_by(context, by, own_id, prism__root_levels(meta));
	return prism__answer_entry(meta, own_id, entry);
}

/* ---- lookups ----------------------------------------------------------------------------------------------------- */

/* One probe, no walk: a cgroup that is not yet published is unknown. */
static __always_inline struct prism_lookup prism_lookup_id(__u64 cgroup_id)
{
	const struct prism_meta *meta = prism_bus_meta();
	struct prism_lookup none = {};

	if (!meta)
		return none;
	return prism__answer_entry(meta, cgroup_id, prism__probe(cgroup_id));
}

static __always_inline struct prism_lookup prism_lookup_cgroup(const struct cgroup *cgroup)
{
	return prism__lookup_cgroup((const void *)cgroup, 0);
}

static __always_inline struct prism_lookup prism_lookup_cgroup_raw(const void *cgroup)
{
	return prism__lookup_cgroup(cgroup, 1);
}

static __always_inline struct prism_lookup prism_lookup_task(const struct task_struct *task)
{
	return prism__lookup_cgroup(((const struct task_struct___prism *)task)->cgroups->dfl_cgrp, 0);
}

static __always_inline struct prism_lookup prism_lookup_task_raw(const void *task)
{
	const struct task_struct___prism *t = task;

	return prism__lookup_cgroup(BPF_CORE_READ(t, cgroups, dfl_cgrp), 1);
}

static __always_inline struct prism_lookup prism_lookup_current(void)
{
	return prism_lookup_task(bpf_get_current_task_btf());
}

static __always_inline struct prism_lookup prism_lookup_current_helper(void)
{
	return prism__lookup_by(NULL, PRISM__BY_CURRENT, bpf_get_current_cgroup_id());
}

static __always_inline struct prism_lookup prism_lookup_skb(struct __sk_buff *skb)
{
	return prism__lookup_by(skb, PRISM__BY_SKB, bpf_skb_cgroup_id(skb));
}

/* sk: a full socket (bpf_sk_fullsock()), checked for NULL. */
static __always_inline struct prism_lookup prism_lookup_sk(struct bpf_sock *sk)
{
	return prism__lookup_by(sk, PRISM__BY_SK, bpf_sk_cgroup_id(sk));
}

/* ---- cached lookups ---------------------------------------------------------------------------------------------- */

#ifdef PRISM_BUS_CACHE

/*
 * One answer a task. It holds while the task is in the same cgroup and prism_meta.generation has not moved: a relabel,
 * a move and a new prismd are all seen at the next use; so is a bus that goes stale. A child starts with none.
 */
struct prism_cached {
	__u64 cgroup_id;
	__u64 generation;
	__u64 pair; /* identity and flags; 0: the bus has no entry */
	__u64 label_hash;
	__u64 seal; /* over the rest: two programs may write the answer of one task at once */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct prism_cached);
} prism_cache SEC(".maps");

static __always_inline __u64 prism__seal(__u64 cgroup_id, __u64 generation, __u64 pair, __u64 label_hash)
{
	__u64 place = (cgroup_id << 32 | cgroup_id >> 32) + generation;

	return (place * 0x9e3779b97f4a7c15ull ^ pair) + label_hash;
}

/* task: NULL never; for bpf_task_storage_get() it must be a pointer that the verifier trusts. */
static __always_inline struct prism_lookup prism_lookup_task_cached(struct task_struct *task)
{
	const struct cgroup___prism *cgroup = ((const struct task_struct___prism *)task)->cgroups->dfl_cgrp;
	const struct prism_meta *meta = prism_bus_meta();
	const struct prism_identity *entry;
	struct prism_lookup none = {};
	__u64 id, generation, pair = 0, label_hash = 0;
	volatile struct prism_cached *cached;

	if (!meta)
		return none;
	/* Before the walk: an answer found while the generation moves is kept under the old one and never used. */
	generation = *(const volatile __u64 *)&meta->generation;
	id = cgroup->kn->id;
	cached = bpf_task_storage_get(&prism_cache, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (cached && cached->cgroup_id == id && cached->generation == generation) {
		pair = cached->pair;
		label_hash = cached->label_hash;
		if (cached->seal == prism__seal(id, generation, pair, label_hash))
			return prism__answer(meta, id, pair, label_hash);
	}
	entry = prism__probe(id);
	if (!entry)
		entry = prism__walk(cgroup, 0, prism__root_levels(meta));
	pair = entry ? prism__pair(entry) : 0;
	label_hash = entry ? entry->label_hash : 0;
	if (cached) {
		cached->cgroup_id = id;
		cached->generation = generation;
		cached->pair = pair;
		cached->label_hash = label_hash;
		cached->seal = prism__seal(id, generation, pair, label_hash);
	}
	return prism__answer(meta, id, pair, label_hash);
}

static __always_inline struct prism_lookup prism_lookup_current_cached(void)
{
	return prism_lookup_task_cached(bpf_get_current_task_btf());
}

#endif /* PRISM_BUS_CACHE */

#endif
