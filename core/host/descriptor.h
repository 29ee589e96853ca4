/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded module's descriptor: is it whole, is it the note's, are its tables sound? */
#ifndef HOST_DESCRIPTOR_H
#define HOST_DESCRIPTOR_H

#include <stdbool.h>

#include <prism/module.h>

#include "base/error.h"

#define DESCRIPTOR_MAX_ELEMENTS 256 /* options, metrics or events of one module */

/*
 * Checks the descriptor and copies it to *ret: a module of an older minor has a shorter one, the members that it lacks
 * are zero in the copy. The tables stay the module's. e->text says what is wrong, without naming the file.
 */
int descriptor_read(const struct prism_module *module, const struct prism_note *note, struct prism_module *ret,
		    struct error *e);

struct prism_metric descriptor_metric(const struct prism_module *module, uint32_t i);
struct prism_event_type descriptor_event(const struct prism_module *module, uint32_t i);

/* False also if it names one that has no name here: what cannot be told is as good as not said. */
bool descriptor_says_capabilities(const struct prism_module *module);

#define CAPABILITY_NAME_MAX 32

/* As <linux/capability.h> has it: "CAP_BPF". Returns buf. */
const char *capability_name(unsigned int number, char buf[static CAPABILITY_NAME_MAX]);

#endif
