/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold before a module's code runs. The file is opened once, without following a link, and judged by that
 * inode: regular, root's, writable by root alone, in a configured module directory that is root's too, at most 64 MiB.
 *
 * Then its bytes are copied into a memfd that is sealed against change. The sha256, the note, the test-load and the
 * dlopen() all use that copy, so neither a file swapped after the check nor one overwritten in place while it is loaded
 * (cp over a .so kills every process that has it mapped) can change the code that runs. The price is the file's size
 * in memory, charged to prismd, and that debuggers and perf see /proc/self/fd/N where a path would be.
 */
#ifndef HOST_FILE_H
#define HOST_FILE_H

#include <limits.h>
#include <stdint.h>

#include "config/settings.h"
#include "host/note.h"

#define MODULE_FILE_MAX (64u << 20)
#define MODULE_DIGEST_SIZE 32

/* Enough to see that a file is another one than last time without reading it. */
struct module_stamp {
	uint64_t device, inode, size;
	int64_t mtime_ns, ctime_ns;
};

struct module_file {
	int fd; /* the sealed copy; -1: none */
	uint64_t size;
	char path[PATH_MAX];
	struct module_stamp stamp;
	uint8_t digest[MODULE_DIGEST_SIZE]; /* sha256 of the copy */
	struct prism_note note;
};

/* Checks and copies. e->where is the YAML place, e->text begins with module and path. *ret is untouched on failure. */
int module_file_open(const struct module_setting *setting, const char *const *dirs, struct module_file *ret,
		     struct error *e);
void module_file_close(struct module_file *file);

/* The stamp of the file that the setting means now; negative when there is none (module_file_open() says why). */
int module_file_stamp(const struct module_setting *setting, const char *const *dirs, struct module_stamp *ret);

/* Puts the YAML place and `module NAME: path: ` around an error; returns -e->code. path may be NULL. */
int module_error_at(struct error *e, const struct module_setting *setting, const char *path);

#endif
