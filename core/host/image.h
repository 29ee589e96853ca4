/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module file in this process: its sealed copy, and the descriptor once it is loaded. An image is never unmapped
 * (RTLD_NODELETE: threads, TLS destructors and handles of a module may outlive it) and its fd is never closed once
 * loaded: glibc knows a loaded object by its name first, and "/proc/self/fd/N" must not come to mean another file. A
 * module that goes back to bytes it had before gets its earlier image again, static variables and all.
 */
#ifndef HOST_IMAGE_H
#define HOST_IMAGE_H

#include "host/descriptor.h"
#include "host/file.h"

struct image {
	struct image *next;
	struct module_file file;
	struct prism_module desc; /* zero-tailed copy; zero until loaded */
	bool loaded;
	bool probed;          /* the test-load went well */
	bool fresh;           /* test-loaded ahead: the next load takes that result */
	struct error failure; /* why it cannot be loaded; code 0: nothing known against it */
};

/* dlopen() and the descriptor check. Runs the module's constructors. e->text begins with what is wrong. */
int image_load(struct image *image, struct error *e);

/* The same on a bare fd, for the test-load child; stage(arg) is told when the constructors are over. */
int image_load_fd(int fd, const struct prism_note *note, struct prism_module *ret, void (*stage)(void *arg), void *arg,
		  struct error *e);

/* Frees one that was not loaded; a loaded one stays mapped, only the bookkeeping goes. */
void image_free(struct image *image);

#endif
