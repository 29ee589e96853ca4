/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF note of a module file, read from its bytes before any of its code runs. The bytes are hostile: every size in
 * them is checked against the file's before it is used.
 */
#ifndef HOST_NOTE_H
#define HOST_NOTE_H

#include <stdbool.h>
#include <stddef.h>

#include <prism/note.h>

#include "base/error.h"

/*
 * Reads the note of the shared object at image. Refuses what is no ELF, another class, byte order or machine, not a
 * shared object, cut off, without a note, or with a note that this host does not understand; e->text says which and
 * what to do, without naming the file. The ABI is reported, not judged: note_check_abi().
 */
int note_read(const void *image, size_t size, struct prism_note *ret, struct error *e);

/* Major equal, minor not above the host's; -ENOTSUP names both versions. */
int note_check_abi(const struct prism_note *note, struct error *e);

/* prism_name_valid() of <prism/names.h>: the names of modules and facets, safe as file names. */
bool note_name_valid(const char *name);

#endif
