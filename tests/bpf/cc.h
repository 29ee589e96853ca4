/* SPDX-License-Identifier: Apache-2.0 */
/* The congestion control of leg_cc.bpf.c, under a name of this process's own: tests run side by side. */
#ifndef TESTS_BPF_CC_H
#define TESTS_BPF_CC_H

#include <stdbool.h>

struct leg_cc_bpf;

/* Names an opened object that is not loaded. */
void cc_name(struct leg_cc_bpf *skel);
/* Is it one that sockets can choose? */
bool cc_available(void);

#endif
