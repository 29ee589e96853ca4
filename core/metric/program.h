/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BPF programs whose runs the kernel counts: prism_bpf_program_*{module,program}. A program is told by those who loaded
 * it, because to find one by its id takes CAP_SYS_ADMIN.
 */
#ifndef METRIC_PROGRAM_H
#define METRIC_PROGRAM_H

#include <bpf/libbpf.h>

#include "metric/metric.h"

/* As `module` of the core's own programs: what events call their source. */
#define PROGRAMS_OF_CORE "prism"

#define PROGRAMS_MAX 256 /* of one module */
#define PROGRAM_NAME_MAX 128

/*
 * A duplicate of fd is kept until the program of this module and name is another, is dropped, or the metrics go.
 * -EINVAL: fd is no BPF program, or the name is empty, too long or not printable. -ENOSPC: the module has too many.
 * -EMFILE: descriptors are short.
 */
int program_add(struct metrics *m, const char *module, const char *name, int fd);
/* name NULL: all of the module. Nothing happens when there is none. */
void program_drop(struct metrics *m, const char *module, const char *name);

/* Every program of a loaded object; those that were not loaded are left out. */
void programs_add(struct metrics *m, const char *module, const struct bpf_object *object);
/* Sets the families of programs to what the kernel has counted by now. */
void programs_refresh(struct metrics *m);

#endif
