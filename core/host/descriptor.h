/* SPDX-License-Identifier: Apache-2.0 */
/* A loaded module's descriptor: is it whole, is it the note's, are its tables sound? */
#ifndef HOST_DESCRIPTOR_H
#define HOST_DESCRIPTOR_H

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

#endif
