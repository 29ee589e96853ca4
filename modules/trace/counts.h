/* SPDX-License-Identifier: Apache-2.0 */
/* What became of all events, as the kernel side counts it. */
#ifndef TRACE_COUNTS_H
#define TRACE_COUNTS_H

#include "trace.h"

/* The sum over the CPUs. -errno, *ret_counts untouched then. */
int trace_counts_read(int fd, struct trace_counts *ret_counts);

#endif
