/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

struct mapping {
	unsigned long start, end;
	bool candidate; /* of a file, private, not writable */
	bool pure;      /* no page of it was ever changed, as those of relocated tables were */
};

/* The line that begins a mapping; the others leave it as it is. */
static void take_line(const char *line, struct mapping *m)
{
	unsigned long start, end, inode;
	char rights[5];

	if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &start, &end, rights, &inode) != 4)
		return;
	*m = (struct mapping){.start = start, .end = end, .candidate = inode && rights[1] != 'w' && rights[3] == 'p'};
}

static void let_go(const struct mapping *m)
{
	/* What was changed would be lost: only the kernel's word that nothing was allows it. */
	if (m->candidate && m->pure)
		madvise((void *)m->start, m->end - m->start, MADV_DONTNEED);
}

void memory_trim(void)
{
	struct mapping m = {0};
	char *line = NULL;
	size_t capacity = 0;
	FILE *f;

	malloc_trim(0);
	f = fopen("/proc/self/smaps", "re");
	if (!f)
		return;
	while (getline(&line, &capacity, f) > 0) {
		if (strncmp(line, "Anonymous:", 10) == 0)
			m.pure = strtoul(line + 10, NULL, 10) == 0;
		else if (strncmp(line, "VmFlags:", 8) == 0)
			let_go(&m);
		else
			take_line(line, &m);
	}
	free(line);
	fclose(f);
}
