/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leg: a module's BPF object on the bus. Takes a libbpf skeleton from open to attached, so that a module
 *
 *   - reads the host's bus and never a private empty one: the maps prism_identity and prism_meta get the host's fds;
 *   - knows its facet: `const volatile __u32 prism_facet_mask` of <prism/bus.bpf.h> is set before load;
 *   - keeps its state: maps declared with LIBBPF_PIN_BY_NAME live in the module's pin directory and are adopted; one
 *     whose shape changed is made anew, and the log says that its content is lost;
 *   - outlives prismd: links are pinned there too, and the next start replaces the program behind them without a gap;
 *   - explains itself: the end of the verifier's log goes into the failure;
 *   - shows what it costs: the host is told of each program with prism_program() until the leg is closed.
 *
 *     LIBBPF_OPTS(bpf_object_open_opts, opts);
 *     struct net_bpf *skel = net_bpf__open_opts(prism_leg_open_opts(host, &opts));
 *     struct prism_leg *leg;
 *     r = prism_leg_load(host, skel->skeleton, &leg);
 *     r = prism_leg_attach_cgroup(leg, skel->progs.ingress, BPF_CGROUP_INET_INGRESS);
 *
 * Linked statically into each module (libprism_sdk.a); libbpf itself is shared with the host. prismd's thread only.
 * Errors: negative errno, with prism_fail() already called.
 */
#ifndef PRISM_LEG_H
#define PRISM_LEG_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <prism/host.h>

#ifdef __cplusplus
extern "C" {
#endif

struct prism_leg;

/* Fills opts (pin directory, log buffer) for NAME__open_opts(); returns opts. */
struct bpf_object_open_opts *prism_leg_open_opts(struct prism_host *host, struct bpf_object_open_opts *opts);

/*
 * Loads an opened skeleton. A NULL skeleton (its open failed, errno is set) is an error with its reason. The skeleton
 * stays the caller's: NAME__destroy() after prism_leg_close(). *ret_leg is untouched on failure.
 */
int prism_leg_load(struct prism_host *host, struct bpf_object_skeleton *skeleton, struct prism_leg **ret_leg);

/*
 * Attach prog to the root of the cgroup v2 hierarchy (BPF_F_ALLOW_MULTI semantics: beside others, never instead) and
 * pin the link as `link_<program>`. A pinned link of an earlier start is updated in place: no packet without its leg.
 */
int prism_leg_attach_cgroup(struct prism_leg *leg, struct bpf_program *prog, enum bpf_attach_type type);

/*
 * Attach a tp_btf, raw_tp, tracepoint, fentry or lsm program and pin its link. Such links cannot be updated: the new
 * program is attached first, then the old one let go, so both run for a moment. The program itself makes sure that
 * nothing is counted twice (for instance by a mark in pinned task storage). An event that was under way before the new
 * one was attached passes by the old one alone: who tells the old one to be silent waits first (<prism/grace.h>).
 */
int prism_leg_attach(struct prism_leg *leg, struct bpf_program *prog);

/*
 * Takes away the pinned link of this program (or struct_ops map) for good: one that an earlier build left and this one
 * does not use, or the struct_ops of another build before this one's is attached; see prism_leg_unpin(), also for
 * -EBUSY, which is returned without prism_fail(). No error if there is none.
 */
int prism_leg_detach(struct prism_leg *leg, const char *name);

/*
 * Removes the pin `name` from an open directory of bpffs. A link whose kind the kernel can detach (cgroup links since
 * 5.8, struct_ops since 6.11) has no effect any more when this returns; any other goes with its last reference, which
 * the kernel drops some milliseconds later. Maps and programs are only unpinned. No host is needed.
 *
 * -EISDIR or -EPERM for a directory, -ENOENT if there is none. -EBUSY, and nothing is changed: it is the link of a
 * sched_ext scheduler that was ejected, somebody else's runs now, and many kernels disable whichever runs when any such
 * link goes. Try again when the other one is gone; so let go of an ejected scheduler's link as soon as you hear of it.
 */
int prism_leg_unpin(int dir_fd, const char *name);

/* ---- what an earlier start left ---------------------------------------------------------------------------------- */

/*
 * What is pinned under the name of an opened object's map, which need not be loaded: a descriptor, the caller's.
 * -EINVAL: it is not what this map wants to be; any_size: another max_entries will do. -ENOENT: nothing is. Says
 * nothing to the operator.
 */
int prism_leg_open_map(struct prism_host *host, const struct bpf_map *map, bool any_size);

/*
 * The first value of the pinned BPF_MAP_TYPE_ARRAY `name`, which a build before this one may have made: -EINVAL, if its
 * values are not `size` bytes long. Other errors as above; ret_value is untouched then.
 */
int prism_leg_read_map(struct prism_host *host, const char *name, void *ret_value, size_t size);

/* What is pinned as `link_<name>` in the module's directory. */
struct prism_leg_link {
	__u32 type; /* BPF_LINK_TYPE_* */
	__u32 id;
	__u32 prog_id; /* 0: struct_ops */
	__u32 map_id;  /* of a struct_ops link; 0: it is detached */
};

/* 1: there is one, *ret_link says what; 0: there is none; -errno. ret_link may be NULL. Says nothing to the operator.
 */
int prism_leg_pinned(struct prism_host *host, const char *name, struct prism_leg_link *ret_link);

/* ---- struct_ops: a scheduler, a congestion control --------------------------------------------------------------- */

/*
 * A struct_ops map is what its subsystem runs as a whole: sched_ext has room for one, and refuses bpf_link_update(), so
 * that neither "new beside old" nor "in place" works. What is pinned goes on without prismd, and the next start has two
 * ways: the pinned one is this very build - adopt it, nothing is loaded and nothing stops -, or it is not - load, then
 * prism_leg_detach() and prism_leg_attach_struct_ops(), with a gap in between that the module measures and states.
 *
 *     skel = sched_bpf__open_opts(prism_leg_open_opts(host, &opts));
 *     ... .rodata, map sizes ...
 *     r = prism_leg_adopt(host, skel->skeleton, skel->maps.prism_ops, &leg);
 *     if (r < 0)
 *             return r;
 *     if (!r) {
 *             r = prism_leg_load(host, skel->skeleton, &leg);
 *             r = r ?: prism_leg_detach(leg, "prism_ops");
 *             r = r ?: prism_leg_attach_struct_ops(leg, skel->maps.prism_ops);
 *     }
 *
 * Kernel side: SEC(".struct_ops.link"). Every map that user space reads or writes later is declared with
 * LIBBPF_PIN_BY_NAME: an adopted object has its pinned maps and nothing else, bpf_map__fd() of any other map, the
 * skeleton's pointers into .bss and all bpf_program__fd() are not to be had. Options that change while it runs belong
 * into a pinned map; .rodata is part of the build.
 */

/*
 * Takes over what an earlier start left instead of loading an opened skeleton. 1: the pinned link of the struct_ops map
 * `ops` is attached, was made by the same ELF file with the same .rodata on the host's present bus, and every pinned
 * map has the shape that this build wants; then the skeleton's pinned maps are open and *ret_leg is set. 0: not so, why
 * is in the log (nothing, if there is no pin); the skeleton can be loaded. -errno with prism_fail() called.
 *
 * That the link is attached does not tell that the subsystem still runs it: sched_ext leaves the link of a scheduler
 * that it ejected in place. Ask /sys/kernel/sched_ext, or the object's own record of its exit.
 */
int prism_leg_adopt(struct prism_host *host, struct bpf_object_skeleton *skeleton, struct bpf_map *ops,
		    struct prism_leg **ret_leg);

/*
 * Attach a loaded struct_ops map and pin its link as `link_<map>`, with the build beside it for prism_leg_adopt(). A
 * link that is pinned there already is not touched and is an error (-EEXIST): detach it first. -EBUSY is returned
 * without prism_fail(): the subsystem runs another one, name that one to the operator.
 */
int prism_leg_attach_struct_ops(struct prism_leg *leg, struct bpf_map *map);

/*
 * Before load: members of object's struct_ops map that this kernel's structure may lack (a NULL-terminated list) are
 * set to zero where it does; libbpf refuses a member that is not zero and that the kernel does not know. The number of
 * those, or -errno with prism_fail() called. A callback that is dropped takes its program with it.
 */
int prism_leg_optional_members(struct prism_host *host, struct bpf_object *object, struct bpf_map *map,
			       const char *const *members);

/* Frees the leg. PRISM_STOP_REMOVE detaches links and removes every pin of the module; otherwise both stay. NULL is
 * fine. */
void prism_leg_close(struct prism_leg *leg, enum prism_stop why);

#ifdef __cplusplus
}
#endif
#endif
