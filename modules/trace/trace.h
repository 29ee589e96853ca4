/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the trace leg's programs and its user side share: records in the ring, rows and counters in pinned maps. */
#ifndef TRACE_H
#define TRACE_H

#include <linux/types.h>

#define TRACE_COMM 16
#define TRACE_PATH_MAX 1024 /* bytes of a filename with its NUL */
#define TRACE_ARGS_MAX 8192 /* upper bound of the option max_arg_bytes */

enum trace_type {
	TRACE_EXEC = 0,
	TRACE_EXIT = 1,
	TRACE_TYPES = 2,
};

/* trace_head.bits */
#define TRACE_ARGS_CUT (1u << 0)    /* exec: there were more argument bytes than were taken */
#define TRACE_ARGS_UNREAD (1u << 1) /* exec: the arguments were not in memory and could not be read */
#define TRACE_FORK_ONLY (1u << 2)   /* exit: the process never called exec */
#define TRACE_EXEC_SEEN (1u << 3)   /* exit: exec_ns and exec_identity are those of its last exec */

/* How each record begins. */
struct trace_head {
	__u32 type; /* enum trace_type */
	__u32 bits;
	__u64 seq; /* 1, 2, ... over all records, in no strict order across CPUs */
	__u64 ktime_ns;
	__u64 start_ns; /* CLOCK_MONOTONIC when the process was forked */
	__u32 identity;
	__u32 flags; /* of its entry on the bus */
	__u32 pid;   /* of the process, in the initial pid namespace */
	__u32 ppid;
	__u32 uid; /* in the initial user namespace */
	__u32 reserved;
	char comm[TRACE_COMM];
};

/* An exec; then path_size bytes of the filename with its NUL, then args_size bytes of NUL-terminated arguments. */
struct trace_exec {
	struct trace_head head;
	char parent_comm[TRACE_COMM];
	__u32 path_size;
	__u32 args_size;
	__u64 args_total; /* bytes of all arguments, taken or not */
};

struct trace_exit {
	struct trace_head head;
	__u64 exec_ns;
	__u32 exec_identity;
	__u32 code; /* as wait(2) gives it: status << 8, or signal and core bit */
};

/* What is kept of a process, in the task storage of its thread group's leader. */
struct trace_mark {
	__u64 exec_id; /* task_struct.self_exec_id of the last exec that was reported */
	__u64 exec_ns;
	__u32 exec_identity;
	__u32 exited;
};

/* One identity. tat_ns: when the bucket would be full again (GCRA); the rest are sums. */
struct trace_row {
	__u64 tat_ns;
	__u64 seen[TRACE_TYPES];
	__u64 limited;
};

/* Per CPU: what became of each event. seen = emitted + dropped + limited. */
struct trace_counts {
	__u64 seen;
	__u64 emitted; /* put into the ring */
	__u64 dropped; /* the ring was full */
	__u64 limited; /* its identity was above its rate */
	__u64 unrated; /* among emitted and dropped: no room for the identity's row, so no rate was applied */
};

enum trace_loss {
	TRACE_LOST_RING = 0,    /* trace_counts.dropped */
	TRACE_LOST_RATE = 1,    /* trace_counts.limited */
	TRACE_LOST_SKIPPED = 2, /* the kernel did not run the program (recursion_misses) */
	TRACE_LOSSES = 3,
};

/*
 * The reader's side, in memory that it maps and that outlives it, so that a killed reader loses no count. It stores
 * next, upto, delivered in this order, and only then moves the ring's consumer position: a record below upto has been
 * delivered although the ring still holds it, and next is then what delivered should say.
 */
struct trace_reader {
	__u64 ring_id; /* of the map that upto is a position in */
	__u64 upto;
	__u64 next;
	__u64 delivered;
	__u64 seq;                /* the programs' own: the last number given out */
	__u64 told[TRACE_LOSSES]; /* losses that a trace.lost event has named */
	__u64 skipped;            /* TRACE_LOST_SKIPPED of programs that have been replaced */
	__u64 generation;         /* of the programs that report; earlier ones that are still attached do not */
	__u32 asleep;             /* the reader waits for a wake-up; the program that gives it sets 0 */
	__u32 reserved;
};

#endif
