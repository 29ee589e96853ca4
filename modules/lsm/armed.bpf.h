/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whom the rules are for: a task of an identity that has a rule set, once it is armed. A container's runtime prepares
 * it with processes that it moves in from outside; those are let be until they exec.
 */
#ifndef LSM_ARMED_BPF_H
#define LSM_ARMED_BPF_H

#include "types.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__uint(max_entries, 1);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct lsm_config);
} lsm_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__uint(max_entries, 65536);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, __u32);
	__type(value, struct lsm_binding);
} lsm_bindings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, int);
	__type(value, struct lsm_mark);
} lsm_marks SEC(".maps");

/* What one call of a hook is judged by. */
struct lsm_call {
	const struct lsm_config *config;
	const struct lsm_binding *binding;
	struct lsm_mark *mark; /* NULL: there should be one, the call is an error */
	__u32 *turn;           /* the site's in the mark */
	struct prism_lookup who;
	enum lsm_hook hook;
};

static const __u32 zero = 0;

/* What belongs to no workload, and what nobody can tell of while the bus is not kept, goes by one rule set. */
static __always_inline __u32 identity_of(const struct prism_lookup *who)
{
	return who->identity == PRISM_ID_UNKNOWN ? PRISM_ID_UNMANAGED : who->identity;
}

/* Of an identity that has a rule set, by its facet, and found no room in lsm_bindings: a set that no rule is in. */
static const struct lsm_binding unbound = {.set = ~0u, .hooks = ~0u, .ruled = ~0u};

static __always_inline const struct lsm_binding *binding_of(struct prism_lookup *who)
{
	const struct lsm_binding *binding;

	*who = prism_lookup_current_cached();
	who->identity = identity_of(who);
	binding = bpf_map_lookup_elem(&lsm_bindings, &who->identity);
	if (binding)
		return binding;
	return who->identity >= PRISM_ID_FIRST && who->flags & prism_facet_mask ? &unbound : NULL;
}

/* Not yet a program of its own: a kernel thread, or what it has just made to run one (modprobe, core dumps). */
static __always_inline _Bool of_the_kernel(struct task_struct *task)
{
	return ((struct task_struct___lsm *)task)->flags & (PF_KTHREAD | PF_FORKNOEXEC);
}

/*
 * The cgroup of the exec still, or now, belongs to the workload that the task is in: it has been moved there from
 * within, whatever the workload has been called. One probe: a cgroup that the bus does not have tells nothing.
 */
static __always_inline _Bool moved_within(const struct lsm_mark *mark, const struct prism_lookup *who)
{
	return who->identity >= PRISM_ID_FIRST && prism_lookup_id(mark->cgroup_id).identity == who->identity;
}

/*
 * Only a workload's cgroup and identity are followed: of the unmanaged ones, one may become a workload's own any time,
 * with a runtime's process in it that has not exec'ed there.
 */
static __always_inline _Bool armed(struct lsm_mark *mark, const struct prism_lookup *who)
{
	_Bool same_cgroup = mark->cgroup_id == who->cgroup_id, same_identity = mark->identity == who->identity;

	if (same_cgroup && same_identity)
		return 1;
	if (!same_cgroup && !same_identity && !moved_within(mark, who))
		return 0;
	if (who->identity >= PRISM_ID_FIRST) {
		mark->cgroup_id = who->cgroup_id;
		mark->identity = who->identity;
	}
	return 1;
}

/* Whether this call is to be judged at all. The way out of most calls: no set looks at any of these hooks. */
static __always_inline _Bool policed_any(struct lsm_call *call, __u32 hooks, const enum lsm_site site)
{
	struct task_struct *task;

	call->config = bpf_map_lookup_elem(&lsm_config, &zero);
	if (!call->config || !(call->config->hooks & hooks))
		return 0;
	call->binding = binding_of(&call->who);
	if (!call->binding || !(call->binding->hooks & hooks))
		return 0;
	task = bpf_get_current_task_btf();
	call->mark = bpf_task_storage_get(&lsm_marks, task, NULL, 0);
	if (!call->mark)
		return !of_the_kernel(task);
	call->turn = &call->mark->turn[site];
	return armed(call->mark, &call->who);
}

static __always_inline _Bool policed(struct lsm_call *call, const enum lsm_hook hook, const enum lsm_site site)
{
	call->hook = hook;
	return policed_any(call, LSM_HOOK_BIT(hook), site);
}

/* An open. Most read, and most rules are about writing. */
static __always_inline _Bool policed_open(struct lsm_call *call, _Bool write, const enum lsm_site site)
{
	call->hook = LSM_OPEN;
	return policed_any(call, write ? LSM_HOOK_BIT(LSM_OPEN) : LSM_READ_BIT, site);
}

#endif
