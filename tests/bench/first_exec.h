/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef FIRST_EXEC_H
#define FIRST_EXEC_H

enum first_exec_counter {
	FIRST_EXEC_TOTAL,  /* execs seen */
	FIRST_EXEC_LOOKUP, /* the SDK's look-up gave the right identity */
	FIRST_EXEC_LEAF,   /* one bare probe of the leaf gave it: the published consumers' way */
	FIRST_EXEC_COUNTERS,
};

#endif
