// SPDX-License-Identifier: Apache-2.0
/*
 * sched_ext runs one scheduler. Until it knew several (seen on 6.12 and read in 6.16, gone in 7.2), letting go of any
 * sched_ext link disables the scheduler that runs, whoever's it is: also when the link is a dead one, whose scheduler
 * was ejected before the other came.
 */
#include <bpf/btf.h>
#include <string.h>

#include "leg_internal.h"

#define RUNNING "/sys/kernel/sched_ext/root/ops"
#define OPS_TYPE "bpf_struct_ops_sched_ext_ops" /* what the kernel calls the value of such a map */

/* false: none runs. */
static bool running_scheduler(char *name, size_t size)
{
	FILE *f = fopen(RUNNING, "re");
	bool read = f && fgets(name, (int)size, f);

	if (f)
		fclose(f);
	if (read)
		name[strcspn(name, "\n")] = '\0';
	return read && name[0];
}

static int map_of_link(int link_fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_link_get_info_by_fd(link_fd, &info, &len) < 0 || info.type != BPF_LINK_TYPE_STRUCT_OPS ||
	    !info.struct_ops.map_id)
		return -ENOENT;
	return bpf_map_get_fd_by_id(info.struct_ops.map_id);
}

static bool is_sched_ext(const struct bpf_map_info *info)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	const struct btf_type *t = kernel ? btf__type_by_id(kernel, info->btf_vmlinux_value_type_id) : NULL;
	bool is = t && !strcmp(btf__name_by_offset(kernel, t->name_off), OPS_TYPE);

	btf__free(kernel);
	return is;
}

/* A struct_ops map's value is what was registered, with the ids of programs for callbacks: the name stands in it. */
static bool has_name(int map_fd, size_t size, const char *name)
{
	_cleanup_free_ char *value = calloc(1, size);
	__u32 zero = 0;

	return value && bpf_map_lookup_elem(map_fd, &zero, value) == 0 && memmem(value, size, name, strlen(name) + 1);
}

bool leg__disables_another(int link_fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	_cleanup_fd_ int map = -1;
	char name[256];

	if (!running_scheduler(name, sizeof(name)))
		return false;
	map = map_of_link(link_fd);
	if (map < 0 || bpf_map_get_info_by_fd(map, &info, &len) < 0)
		return false;
	return !has_name(map, info.value_size, name) && is_sched_ext(&info);
}
