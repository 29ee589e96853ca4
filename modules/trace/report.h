/* SPDX-License-Identifier: Apache-2.0 */
/* From a record of the ring to an event of the stream. */
#ifndef TRACE_REPORT_H
#define TRACE_REPORT_H

#include <prism/host.h>

#include "args.h"
#include "trace.h"

/* Indices into the module's events. */
enum report_type {
	REPORT_EXEC = TRACE_EXEC,
	REPORT_EXIT = TRACE_EXIT,
	REPORT_LOST,
};

struct report {
	struct prism_host *host;
	struct redact redact;
	size_t max_args;
};

/* 0, or -EPROTO when this is no record of this build, -ENOMEM; whether the stream took it is the host's to count. */
int report_record(const struct report *report, const void *record, size_t size);

/* So many events more were lost for this reason; total of them so far. */
void report_lost(const struct report *report, const char *reason, uint64_t count, uint64_t total);

#endif
