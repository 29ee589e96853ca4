/* SPDX-License-Identifier: GPL-2.0-only */
/* cgroup mkdir, rmdir and rename, as they happen, in the order they happen. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "cgroup/watch_event.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct kernfs_node {
	const char *name;
	__u64 id;
};

struct cgroup_root {
	int hierarchy_id;
};

struct cgroup {
	struct kernfs_node *kn;
	struct cgroup_root *root;
	int level;
};
#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024); /* some 1,800 events; more at once make a rescan */
} events SEC(".maps");

/* Records that found no room; each makes prismd compare the whole tree. */
__u64 lost;

static __always_inline __u64 parent_id(struct cgroup *cg)
{
	/* ancestors[] came with 6.1; the parent's id is all that is needed and is in the parent's kernfs node. */
	struct cgroup_subsys_state___p {
		struct cgroup_subsys_state___p *parent;
	} __attribute__((preserve_access_index));
	struct cgroup___self {
		struct cgroup_subsys_state___p self;
	} __attribute__((preserve_access_index));
	void *parent = BPF_CORE_READ((struct cgroup___self *)cg, self.parent);

	/* self is the first member of struct cgroup, so the parent's css is the parent. */
	return parent ? BPF_CORE_READ((struct cgroup *)parent, kn, id) : 0;
}

static __always_inline int report(struct cgroup *cg, unsigned int kind)
{
	struct watch_event *e;

	if (BPF_CORE_READ(cg, root, hierarchy_id) != 0)
		return 0; /* a v1 hierarchy */
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	e->kind = kind;
	e->time_ns = bpf_ktime_get_ns();
	e->id = BPF_CORE_READ(cg, kn, id);
	e->parent = parent_id(cg);
	if (bpf_probe_read_kernel_str(e->name, sizeof(e->name), BPF_CORE_READ(cg, kn, name)) < 0)
		e->name[0] = '\0';
	bpf_ringbuf_submit(e, 0);
	return 0;
}

SEC("raw_tp/cgroup_mkdir")
int BPF_PROG(on_mkdir, struct cgroup *cg)
{
	return report(cg, WATCH_MKDIR);
}

SEC("raw_tp/cgroup_rmdir")
int BPF_PROG(on_rmdir, struct cgroup *cg)
{
	return report(cg, WATCH_RMDIR);
}

SEC("raw_tp/cgroup_rename")
int BPF_PROG(on_rename, struct cgroup *cg)
{
	return report(cg, WATCH_RENAME);
}

char _license[] SEC("license") = "GPL";
