/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The few kernel types that a lookup walks, for BPF programs that have no vmlinux.h.
 *
 * CO-RE relocates each access to the running kernel. The names carry the flavour ___prism, which libbpf ignores when it
 * looks for the kernel's type: so they stand beside a vmlinux.h or a program's own declarations of the same structures.
 * Cast a kernel pointer to the flavour; the verifier goes by the pointer, not by the C type.
 */
#ifndef PRISM_KERNEL_BPF_H
#define PRISM_KERNEL_BPF_H

#if !defined(__VMLINUX_H__)
#include <linux/bpf.h>
#include <linux/types.h>
#endif

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct task_struct;
struct cgroup;

#define PRISM_CORE __attribute__((preserve_access_index))

struct cgroup___prism;

struct kernfs_node___prism {
	__u64 id; /* of a directory of the cgroup v2 hierarchy: the cgroup id */
} PRISM_CORE;

struct cgroup_subsys_state___prism {
	struct cgroup___prism *cgroup;
	struct cgroup_subsys_state___prism *parent; /* NULL at the root */
} PRISM_CORE;

struct cgroup___prism {
	struct cgroup_subsys_state___prism self; /* its cgroup is this one, its parent is the parent's self */
	int level;                               /* 0 at the root */
	struct kernfs_node___prism *kn;
} PRISM_CORE;

struct css_set___prism {
	struct cgroup___prism *dfl_cgrp; /* in the v2 ("default") hierarchy */
} PRISM_CORE;

struct task_struct___prism {
	struct css_set___prism *cgroups;
} PRISM_CORE;

#endif
