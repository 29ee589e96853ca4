/* SPDX-License-Identifier: Apache-2.0 */
/* Waits until every BPF program that runs now has returned, so that nobody uses what has been taken out of use. */
#ifndef LSM_GRACE_H
#define LSM_GRACE_H

/*
 * An array of maps: the kernel lets an update of one return only after an RCU grace period, on any number of CPUs
 * (maybe_wait_bpf_programs() in kernel/bpf/syscall.c). membarrier(2) does so on more than one CPU alone.
 */
struct grace {
	int outer_fd;
	int inner_fd;
};

/* -errno; *ret_grace untouched then. */
int grace_init(struct grace *ret_grace);
void grace_done(struct grace *grace);
/* Some 10 ms. Not for sleepable programs. -errno. */
int grace_wait(const struct grace *grace);

#endif
