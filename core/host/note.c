/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <string.h>

#include <prism/module.h>
#include <prism/names.h>

#include "base/util.h"
#include "host/note.h"

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#elif defined(__riscv)
#define NATIVE_MACHINE EM_RISCV
#else
#error "which e_machine do shared objects of this machine carry?"
#endif

static void end_elf(Elf **elf)
{
	if (*elf)
		elf_end(*elf);
}

bool note_name_valid(const char *name)
{
	return prism_name_valid(name);
}

static bool version_valid(const char *version)
{
	size_t n = strspn(version, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-~_");

	return n && !version[n];
}

static int check_header(Elf *elf, size_t size, GElf_Ehdr *ret, struct error *e)
{
	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, ret))
		return error_set(e, ENOEXEC, NULL, "is not an ELF file: build the module as a shared object");
	if (ret->e_ident[EI_CLASS] != ELFCLASS64 || ret->e_ident[EI_DATA] != ELFDATA2LSB ||
	    ret->e_machine != NATIVE_MACHINE)
		return error_set(
			e, ENOEXEC, NULL,
			"is built for another machine (class %u, byte order %u, machine %u; this one is %u, %u, "
			"%u): build it for this one",
			ret->e_ident[EI_CLASS], ret->e_ident[EI_DATA], ret->e_machine, ELFCLASS64, ELFDATA2LSB,
			NATIVE_MACHINE);
	if (ret->e_type != ET_DYN)
		return error_set(e, ENOEXEC, NULL, "is not a shared object (ELF type %u): link it with -shared",
				 ret->e_type);
	if (ret->e_shoff > size || (uint64_t)ret->e_shnum * ret->e_shentsize > size - ret->e_shoff)
		return error_set(e, ENOEXEC, NULL,
				 "is cut off: its section table ends at byte %llu of %zu; install it again",
				 (unsigned long long)ret->e_shoff + (unsigned long long)ret->e_shnum * ret->e_shentsize,
				 size);
	return 0;
}

/* A segment beyond the file's end is a SIGBUS for whoever maps it, so it is named here. */
static int check_segments(Elf *elf, size_t size, struct error *e)
{
	size_t n;

	if (elf_getphdrnum(elf, &n) || !n)
		return error_set(e, ENOEXEC, NULL, "has no program headers: install it again");
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr segment;

		if (!gelf_getphdr(elf, (int)i, &segment))
			return error_set(e, ENOEXEC, NULL, "has an unreadable program header %zu: install it again", i);
		if (segment.p_type == PT_LOAD &&
		    (segment.p_offset > size || segment.p_filesz > size - segment.p_offset))
			return error_set(e, ENOEXEC, NULL,
					 "is cut off: segment %zu needs %llu bytes from %llu on, the file has %zu; "
					 "install it again",
					 i, (unsigned long long)segment.p_filesz, (unsigned long long)segment.p_offset,
					 size);
	}
	return 0;
}

/* The section's bytes straight from the image: nothing is converted, and nothing is trusted. */
static int find_section(Elf *elf, size_t size, GElf_Shdr *ret, struct error *e)
{
	size_t strings;
	Elf_Scn *section = NULL;

	if (elf_getshdrstrndx(elf, &strings))
		return error_set(e, ENOEXEC, NULL, "has no section names: do not strip the section table off a module");
	while ((section = elf_nextscn(elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, ret))
			continue;
		name = elf_strptr(elf, strings, ret->sh_name);
		if (!name || strcmp(name, PRISM_NOTE_SECTION) != 0)
			continue;
		if (ret->sh_type != SHT_NOTE || ret->sh_offset > size || ret->sh_size > size - ret->sh_offset)
			return error_set(
				e, ENOEXEC, NULL,
				"has a module note that is no note (type %u) or lies outside the file (%llu bytes "
				"from %llu on, the file has %zu)",
				ret->sh_type, (unsigned long long)ret->sh_size, (unsigned long long)ret->sh_offset,
				size);
		return 0;
	}
	return error_set(
		e, ENOEXEC, NULL,
		"carries no module note (%s): it is not a Prism module, or its source lacks PRISM_MODULE_NOTE()",
		PRISM_NOTE_SECTION);
}

static int parse_note(const unsigned char *bytes, size_t len, struct prism_note *ret, struct error *e)
{
	struct prism_note_section note;
	size_t head = offsetof(struct prism_note_section, desc);

	if (len < sizeof(note))
		return error_set(e, ENOEXEC, NULL, "has a module note of %zu bytes where ABI %u.0 has %zu", len,
				 PRISM_ABI_MAJOR, sizeof(note));
	memcpy(&note, bytes, sizeof(note));
	if (note.owner_size != sizeof(PRISM_NOTE_OWNER) || note.type != PRISM_NOTE_MODULE ||
	    memcmp(note.owner, PRISM_NOTE_OWNER, sizeof(PRISM_NOTE_OWNER)) != 0)
		return error_set(e, ENOEXEC, NULL,
				 "has a module note of another owner or type (owner of %u bytes, type %u)",
				 note.owner_size, note.type);
	if (note.desc_size < sizeof(note.desc) || note.desc_size > len - head)
		return error_set(e, ENOEXEC, NULL,
				 "has a module note whose content claims %u bytes; %zu are there and ABI %u.0 has %zu",
				 note.desc_size, len - head, PRISM_ABI_MAJOR, sizeof(note.desc));
	if (!memchr(note.desc.name, 0, sizeof(note.desc.name)) || !note_name_valid(note.desc.name))
		return error_set(e, ENOEXEC, NULL,
				 "has a module note with an unusable name: [a-z][a-z0-9_-]*, at most %d bytes",
				 PRISM_NAME_MAX - 1);
	if (!memchr(note.desc.version, 0, sizeof(note.desc.version)) || !version_valid(note.desc.version))
		return error_set(
			e, ENOEXEC, NULL,
			"has a module note with an unusable version: letters, digits and .+-~_, at most %d bytes",
			PRISM_VERSION_MAX - 1);
	*ret = note.desc;
	return 0;
}

int note_read(const void *image, size_t size, struct prism_note *ret, struct error *e)
{
	_cleanup_(end_elf) Elf *elf = NULL;
	GElf_Ehdr header;
	GElf_Shdr section;
	int r;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return error_set(e, ENOSYS, NULL, "cannot be read: libelf is older than its headers");
	elf = size ? elf_memory((char *)image, size) : NULL;
	if (!elf)
		return error_set(e, ENOEXEC, NULL, "is not an ELF file: build the module as a shared object");
	r = check_header(elf, size, &header, e);
	if (!r)
		r = check_segments(elf, size, e);
	if (!r)
		r = find_section(elf, size, &section, e);
	if (r)
		return r;
	return parse_note((const unsigned char *)image + section.sh_offset, section.sh_size, ret, e);
}

int note_check_abi(const struct prism_note *note, struct error *e)
{
	if (note->abi_major != PRISM_ABI_MAJOR)
		return error_set(
			e, ENOTSUP, NULL,
			"is built for module ABI %u.%u, this prismd has %u.%u: install the build of the module "
			"that goes with it",
			note->abi_major, note->abi_minor, PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
	if (note->abi_minor > PRISM_ABI_MINOR)
		return error_set(
			e, ENOTSUP, NULL,
			"is built for module ABI %u.%u, newer than this prismd's %u.%u: upgrade prismd, or build "
			"the module with the SDK of this one",
			note->abi_major, note->abi_minor, PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
	return 0;
}
