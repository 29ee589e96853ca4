/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits until every BPF program that runs now has returned, so that nobody uses what has been taken out of use, or has
 * missed what was put into use. Linked into the module with libprism_sdk.a; any thread.
 */
#ifndef PRISM_GRACE_H
#define PRISM_GRACE_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * An array of maps: the kernel lets an update of one return only after an RCU grace period, on any number of CPUs and
 * with any of them in nohz_full (maybe_wait_bpf_programs() in kernel/bpf/syscall.c); membarrier(2) does neither.
 */
struct prism_grace {
	int outer_fd;
	int inner_fd;
};

/* -errno; *ret_grace untouched then. */
int prism_grace_init(struct prism_grace *ret_grace);
void prism_grace_done(struct prism_grace *grace);
/* Some 10 ms. Not for sleepable programs. -errno. */
int prism_grace_wait(const struct prism_grace *grace);

#ifdef __cplusplus
}
#endif
#endif
