/* SPDX-License-Identifier: Apache-2.0 */
/* kubeconfig files: any bytes as one, with its own context and with a named one. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "kube/access.h"

static void load(const char *path, const char *context)
{
	const struct kube_access_options options = {.kubeconfig = path, .context = context};
	struct kube_access access = {0};
	struct error e = {0};
	int r = kube_access_load(&options, &access, &e);

	if ((r < 0) != (e.code != 0) || (r == 0 && (!access.url || !access.origin)))
		abort();
	if (r == 0 && access.token && strpbrk(access.token, "\r\n \t"))
		abort();
	kube_access_done(&access);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("kubeconfig", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (fd < 0 || ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		return 0;
	load(path, NULL);
	load(path, "a");
	return 0;
}
