/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "host/image.h"

/* dlerror() begins with the path that was given, which means nothing to the reader. */
static const char *load_error(const char *path)
{
	const char *text = dlerror();
	size_t n = strlen(path);

	if (!text)
		return "unknown error";
	return !strncmp(text, path, n) && !strncmp(text + n, ": ", 2) ? text + n + 2 : text;
}

static int refuse_load(const char *path, struct error *e)
{
	const char *text = load_error(path);

	if (strstr(text, "map segment"))
		return error_set(
			e, EPERM, NULL,
			"cannot be mapped executable from sealed memory: %s: let prismd do so (SELinux execmem, a "
			"seccomp filter, the sysctl vm.memfd_noexec)",
			text);
	return error_set(
		e, ENOEXEC, NULL,
		"cannot be loaded: %s: link it against what it uses (-Wl,-z,defs finds this when it is built) and "
		"install its libraries",
		text);
}

int image_load_fd(int fd, const struct prism_note *note, struct prism_module *ret, void (*stage)(void *arg), void *arg,
		  struct error *e)
{
	const struct prism_module *module;
	char path[32];
	void *handle;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!handle)
		return refuse_load(path, e);
	if (stage)
		stage(arg);
	module = dlsym(handle, PRISM_MODULE_SYMBOL);
	if (!module)
		return error_set(
			e, ENOEXEC, NULL,
			"exports no symbol `%s`: define `const struct prism_module %s` in its source, with default "
			"visibility",
			PRISM_MODULE_SYMBOL, PRISM_MODULE_SYMBOL);
	return descriptor_read(module, note, ret, e);
}

int image_load(struct image *image, struct error *e)
{
	int r;

	if (image->loaded)
		return 0;
	r = image_load_fd(image->file.fd, &image->file.note, &image->desc, NULL, NULL, e);
	if (!r)
		image->loaded = true;
	return r;
}

void image_free(struct image *image)
{
	if (!image)
		return;
	/* A load that failed after dlopen() left the object mapped under its fd's name, so that fd stays too. */
	if (!image->loaded && !image->probed)
		module_file_close(&image->file);
	free(image);
}
