/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leg: a module's BPF object on the bus. Takes a libbpf skeleton from open to attached, so that a module
 *
 *   - reads the host's bus and never a private empty one: the maps prism_identity and prism_meta get the host's fds;
 *   - knows its facet: `const volatile __u32 prism_facet_mask` of <prism/bus.bpf.h> is set before load;
 *   - keeps its state: maps declared with LIBBPF_PIN_BY_NAME live in the module's pin directory and are adopted; one
 *     whose shape changed is made anew, and the log says that its content is lost;
 *   - outlives prismd: links are pinned there too, and the next start replaces the program behind them without a gap;
 *   - explains itself: the end of the verifier's log goes into the failure.
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
 * nothing is counted twice (for instance by a mark in pinned task storage).
 */
int prism_leg_attach(struct prism_leg *leg, struct bpf_program *prog);

/* Removes a pinned link that an earlier build left and this one does not use; no error if there is none. */
int prism_leg_detach(struct prism_leg *leg, const char *program);

/* Frees the leg. PRISM_STOP_REMOVE detaches links and removes every pin of the module; otherwise both stay. NULL is
 * fine. */
void prism_leg_close(struct prism_leg *leg, enum prism_stop why);

#ifdef __cplusplus
}
#endif
#endif
