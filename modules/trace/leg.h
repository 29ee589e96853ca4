/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel side of trace, loaded: programs, maps, and the reader of its ring. */
#ifndef TRACE_LEG_H
#define TRACE_LEG_H

#include <prism/grace.h>
#include <prism/leg.h>
#include <prism/rows.h>

#include "reader.h"

struct trace_bpf;

/* What the programs are loaded with; a change of it loads them anew. */
struct trace_leg_config {
	bool exec;
	bool exit;
	bool fork_exits;
	uint32_t max_arg_bytes;
	uint32_t ring_size;
	uint32_t max_identities;
	uint32_t rate; /* events a second of one identity; 0: no limit */
	uint32_t burst;
};

struct trace_leg {
	struct trace_bpf *skel;
	struct prism_leg *leg;
	struct prism_grace grace;
	struct prism_rows rows; /* of struct trace_row */
	struct reader reader;
};

/*
 * Loads and attaches with this configuration, in place of the programs that are attached already; every event in
 * between is reported once. What an earlier ring of another size still holds goes to record() first. The caller starts
 * the reader. Errors: negative errno, with prism_fail() called; *ret_leg is zero then. The reader is bound to the place
 * of *ret_leg: do not copy it.
 */
int trace_leg_up(struct prism_host *host, const struct trace_leg_config *config, reader_record_fn record, void *arg,
		 struct trace_leg *ret_leg);
/* Silences the programs and gives record() what the ring still holds: from here on nothing comes any more. */
int trace_leg_finish(struct trace_leg *leg);
void trace_leg_down(struct trace_leg *leg, enum prism_stop why);

int trace_leg_counts_fd(const struct trace_leg *leg);

/* Events that the kernel did not run a program for, since the first start. */
uint64_t trace_leg_skipped(const struct trace_leg *leg);

#endif
