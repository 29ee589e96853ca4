/* SPDX-License-Identifier: Apache-2.0 */
/* What lookup.c and lookup.bpf.c share. */
#ifndef BENCH_LOOKUP_SLOTS_H
#define BENCH_LOOKUP_SLOTS_H

#define LOOKUPS_A_RUN 100000

#endif
