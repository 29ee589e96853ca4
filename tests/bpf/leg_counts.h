/* SPDX-License-Identifier: Apache-2.0 */
/* Slots of the `counts` map that leg.bpf.c and leg_next.bpf.c share. */
#ifndef TESTS_BPF_LEG_COUNTS_H
#define TESTS_BPF_LEG_COUNTS_H

enum count_slot {
	COUNT_TP_BTF,
	COUNT_RAW_TP,
	COUNT_TRACEPOINT,
	COUNT_INGRESS,
	COUNT_IDENTITY, /* last identity that on_raw saw for the watched process */
	COUNT_FACET,
	COUNT_SLOTS,
};

#endif
