/* SPDX-License-Identifier: Apache-2.0 */
/* The read side, for tools: no struct bus, no lock, nothing changed. */
#include "bus/bus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>

#include "base/util.h"
#include "bus/maps.h"

static int open_pin(const char *dir, const char *name, struct error *e)
{
	char path[512];
	LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get_opts(path, &opts);
	if (fd < 0)
		return error_set(
			e, errno, path,
			errno == ENOENT
				? "no bus is pinned here: prismd has not run since boot, or bus.dir is another one"
				: "cannot be opened: %s",
			strerror(errno));
	return fd;
}

int bus_read_meta(const char *dir, struct prism_meta *ret, struct error *e)
{
	_cleanup_close_ int fd = open_pin(dir, PRISM_META_MAP, e);
	uint32_t zero = 0;

	if (fd < 0)
		return fd;
	if (bpf_map_lookup_elem(fd, &zero, ret) < 0)
		return error_set(e, errno, dir, "prism_meta cannot be read: %s", strerror(errno));
	return 0;
}

int bus_read_entries(const char *dir, void (*fn)(void *arg, uint64_t cgroup_id, const struct prism_identity *entry),
		     void *arg, struct error *e)
{
	_cleanup_close_ int fd = open_pin(dir, PRISM_BUS_MAP, e);
	int r;

	if (fd < 0)
		return fd;
	r = bus_maps_each(fd, fn, arg);
	return r < 0 ? error_set(e, -r, dir, "prism_identity cannot be read: %s", strerror(-r)) : 0;
}
