/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF note that a module file carries, so that the host knows name, version and ABI before any of its code runs.
 *
 *   section .note.prism.module, owner "Prism", type PRISM_NOTE_MODULE, descriptor struct prism_note
 *
 * PRISM_MODULE_NOTE() in the module's own source puts it there; prism_add_module() checks that it is there.
 */
#ifndef PRISM_NOTE_H
#define PRISM_NOTE_H

#include <stdint.h>

#define PRISM_NOTE_SECTION ".note.prism.module"
#define PRISM_NOTE_OWNER "Prism"
#define PRISM_NOTE_MODULE 1

#define PRISM_NAME_MAX 32    /* bytes of a module's name with its NUL: [a-z][a-z0-9_-]* */
#define PRISM_VERSION_MAX 32 /* bytes of a module's version with its NUL */

struct prism_note {
	uint16_t abi_major;
	uint16_t abi_minor;
	char name[PRISM_NAME_MAX];
	char version[PRISM_VERSION_MAX];
};

/* The whole note as it lies in the file: Elf64_Nhdr, owner padded to 4, descriptor. */
struct prism_note_section {
	uint32_t owner_size;
	uint32_t desc_size;
	uint32_t type;
	char owner[8];
	struct prism_note desc;
};

#define PRISM_MODULE_NOTE(name_, version_, major_, minor_)                                                             \
	__attribute__((section(PRISM_NOTE_SECTION), used,                                                              \
		       aligned(4))) static const struct prism_note_section prism_module_note = {                       \
		sizeof(PRISM_NOTE_OWNER),                                                                              \
		sizeof(struct prism_note),                                                                             \
		PRISM_NOTE_MODULE,                                                                                     \
		PRISM_NOTE_OWNER,                                                                                      \
		{(major_), (minor_), name_, version_}}

#endif
