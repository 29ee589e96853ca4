/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of `prismctl doctor`: each looks, reports one line with ok, warn or fail, and says what to do. None
 * changes anything beyond a test load that is closed at once. All work without prismd.
 */
#ifndef CTL_DOCTOR_H
#define CTL_DOCTOR_H

#include "ctl/ctl.h"
#include "ctl/offline.h"

enum verdict {
	VERDICT_OK,
	VERDICT_WARN, /* works, but not all of it, or not for long */
	VERDICT_FAIL,
};

struct doctor {
	struct ctl *ctl;
	json_t *checks;         /* [{name, result, text, remedy}] */
	json_t *status;         /* /v1/status, NULL when prismd does not answer */
	struct offline *pinned; /* NULL when no bus is pinned */
	struct error no_bus;
	unsigned int warnings, failures;
};

/* One finding. remedy: what to do, NULL when there is nothing to be done. */
__attribute__((format(printf, 5, 6))) void doctor_report(struct doctor *d, const char *name, enum verdict verdict,
							 const char *remedy, const char *format, ...);

void doctor_machine(struct doctor *d); /* rights, kernel, BTF, mounts */
void doctor_legs(struct doctor *d);    /* what each leg needs of BPF, by loading it */
void doctor_node(struct doctor *d);    /* configuration, modules, state directory, disk, clock, prismd itself */
void doctor_bus(struct doctor *d);     /* heartbeat, entries, second maps, pins */
void doctor_hooks(struct doctor *d);   /* whose programs sit on the hooks that prism uses */

/* The first line of a small file, without its newline; "" when it cannot be read. Returns buf. */
const char *doctor_read_line(const char *path, char *buf, size_t size);

#endif
