/* SPDX-License-Identifier: Apache-2.0 */
/* Module files: any bytes, through what reads the ELF note before a module's code runs. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "host/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As the host has it: memory of its own that ends where the file ends, and that libelf may write to. */
	uint8_t *image = malloc(size ? size : 1);
	struct prism_note note;
	struct error e = {};
	int r;

	if (!image)
		return 0;
	if (size)
		memcpy(image, data, size);
	memset(&note, 0xa5, sizeof(note));
	r = note_read(image, size, &note, &e);
	/* Refused with a reason, or usable as a C string, a file name and a line of text. */
	if (r ? r != -e.code || !e.text[0]
	      : e.code || !note_name_valid(note.name) || !memchr(note.version, 0, sizeof(note.version)))
		abort();
	free(image);
	return 0;
}
