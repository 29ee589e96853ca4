// SPDX-License-Identifier: Apache-2.0
#include <bpf/btf.h>
#include <fcntl.h>
#include <string.h>

#include "leg_internal.h"

/* A struct_ops map's build lies beside its link. */
#define BUILD_PREFIX "build-"

/* Value of the pinned map: which build made which link, and on which bus. */
struct build {
	__u32 link_id;
	__u32 bus_id;
	__u32 meta_id;
	__u32 reserved;
	__u64 hash;
};

/* ---- what a build is ---- */

/* FNV-1a. It tells builds apart, it does not keep anybody from forging one: who can write the pin can load programs. */
static __u64 hash_bytes(__u64 hash, const void *data, size_t size)
{
	const unsigned char *p = data;

	while (size--)
		hash = (hash ^ *p++) * 0x100000001b3ull;
	return hash;
}

static const struct btf_type *ops_type(const struct bpf_object *object, const struct bpf_map *map)
{
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_type *t = btf && bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS
					   ? btf__type_by_id(btf, bpf_map__btf_value_type_id(map))
					   : NULL;

	return t && btf_is_struct(t) ? t : NULL;
}

/* The member's place in the map's initial value; NULL when it does not lie within. */
static void *member_at(const struct btf *btf, const struct btf_member *m, struct bpf_map *map, size_t *ret_size)
{
	size_t size, offset = m->offset / 8;
	char *data = bpf_map__initial_value(map, &size);
	__s64 len = btf__resolve_size(btf, m->type);

	if (!data || len <= 0 || offset + (size_t)len > size)
		return NULL;
	*ret_size = (size_t)len;
	return data + offset;
}

/*
 * Flags, timeouts and the name are part of what was attached. Callbacks are addresses of this process, and hotplug_seq
 * of sched_ext says which CPUs there were: neither tells builds apart.
 */
static __u64 hash_ops(__u64 hash, const struct btf *btf, const struct btf_type *t, struct bpf_map *map)
{
	const struct btf_member *m = btf_members(t);

	for (int i = 0; i < btf_vlen(t); i++, m++) {
		const struct btf_type *type = btf__type_by_id(btf, btf__resolve_type(btf, m->type));
		size_t size;
		void *data = member_at(btf, m, map, &size);

		if (data && !btf_is_ptr(type) && strcmp(btf__name_by_offset(btf, m->name_off), "hotplug_seq") != 0)
			hash = hash_bytes(hash, data, size);
	}
	return hash;
}

__u64 leg__build_hash(const struct bpf_object_skeleton *skeleton)
{
	const struct bpf_object *object = *skeleton->obj;
	__u64 hash = hash_bytes(0xcbf29ce484222325ull, skeleton->data, skeleton->data_sz);
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		const struct btf_type *t = ops_type(object, map);
		size_t size;
		void *data;

		if (t)
			hash = hash_ops(hash, bpf_object__btf(object), t, map);
		if (!bpf_map__is_internal(map) || !strstr(bpf_map__name(map), ".rodata"))
			continue;
		data = bpf_map__initial_value(map, &size);
		if (data)
			hash = hash_bytes(hash, data, size);
	}
	return hash;
}

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);

	return fd >= 0 && bpf_map_get_info_by_fd(fd, &info, &len) == 0 ? info.id : 0;
}

static struct build build_of(struct prism_host *host, __u64 hash, __u32 link_id)
{
	return (struct build){.link_id = link_id,
			      .bus_id = map_id(prism_bus_fd(host)),
			      .meta_id = map_id(prism_meta_fd(host)),
			      .hash = hash};
}

static int read_build(const char *pin_dir, const char *name, struct build *ret)
{
	_cleanup_fd_ int fd = -1;
	struct bpf_map_info info = {};
	__u32 zero = 0, len = sizeof(info);
	char path[PATH_MAX];
	int r = leg__pin_path(path, sizeof(path), pin_dir, BUILD_PREFIX, name);

	if (r < 0)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	r = bpf_map_get_info_by_fd(fd, &info, &len);
	if (!r && (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != sizeof(*ret)))
		r = -EINVAL;
	return r ?: bpf_map_lookup_elem(fd, &zero, ret);
}

static int write_build(const char *pin_dir, const char *name, const struct build *build)
{
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	__u32 zero = 0;
	int r = leg__pin_path(path, sizeof(path), pin_dir, BUILD_PREFIX, name);

	if (r < 0)
		return r;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "prism_build", sizeof(zero), sizeof(*build), 1, NULL);
	if (fd < 0)
		return fd;
	r = bpf_map_update_elem(fd, &zero, build, BPF_ANY);
	return r ?: leg__pin_over(fd, path);
}

/* ---- adopt ---- */

int prism_leg_pinned(struct prism_host *host, const char *name, struct prism_leg_link *ret_link)
{
	const char *dir = prism_pin_dir(host);
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	int r = dir ? leg__pin_path(path, sizeof(path), dir, LEG_LINK_PREFIX, name) : -ENOENT;

	if (!r)
		fd = r = bpf_obj_get(path);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = bpf_link_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return r;
	if (ret_link)
		*ret_link = (struct prism_leg_link){
			.type = info.type,
			.id = info.id,
			.prog_id = info.prog_id,
			.map_id = info.type == BPF_LINK_TYPE_STRUCT_OPS ? info.struct_ops.map_id : 0,
		};
	return 1;
}

/* Why what is pinned cannot be adopted; NULL: it can. */
static const char *misfit(struct prism_host *host, const char *name, const struct prism_leg_link *link, __u64 hash)
{
	struct build wanted = build_of(host, hash, link->id), found;

	if (link->type != BPF_LINK_TYPE_STRUCT_OPS)
		return "it is no struct_ops link";
	if (!link->map_id)
		return "it is detached";
	if (read_build(prism_pin_dir(host), name, &found) < 0 || found.link_id != link->id)
		return "which build attached it is not known";
	if (found.hash != wanted.hash)
		return "another build, or the same with other settings, attached it";
	if (found.bus_id != wanted.bus_id || found.meta_id != wanted.meta_id)
		return "it reads a bus that is not the host's any more";
	return NULL;
}

int prism_leg_adopt(struct prism_host *host, struct bpf_object_skeleton *skeleton, struct bpf_map *ops,
		    struct prism_leg **ret_leg)
{
	_cleanup_free_ struct prism_leg *leg = NULL;
	struct prism_leg_link link;
	const char *why;
	int r, open_errno = errno;

	if (!skeleton)
		return leg__open_failed(host, open_errno);
	r = leg__new(host, &leg);
	if (!r)
		r = leg__name_facet(host, *skeleton->obj);
	if (r < 0)
		return r;
	r = prism_leg_pinned(host, bpf_map__name(ops), &link);
	if (r < 0)
		return prism_fail(host, -r, "adopt", "the pinned link of %s in %s cannot be opened: %s",
				  bpf_map__name(ops), leg->pin_dir, strerror(-r));
	if (!r)
		return 0;
	leg->build = leg__build_hash(skeleton);
	why = misfit(host, bpf_map__name(ops), &link, leg->build);
	if (!why)
		r = leg__adopt_maps(host, *skeleton->obj, leg->pin_dir, &why);
	if (r < 0)
		return r;
	if (why) {
		prism_log(host, PRISM_LOG_INFO, "the pinned link of %s is not adopted: %s", bpf_map__name(ops), why);
		return 0;
	}
	*ret_leg = leg;
	leg = NULL;
	return 1;
}

/* ---- attach ---- */

static int fail(struct prism_leg *leg, int r, const struct bpf_map *map, const char *what)
{
	char where[160];

	snprintf(where, sizeof(where), "attach %s", bpf_map__name(map));
	return prism_fail(leg->host, -r, where, "%s: %s", what, strerror(-r));
}

/* The link as a descriptor of ours. */
static int attach(const struct bpf_map *map, int *ret_fd, __u32 *ret_id)
{
	struct bpf_link *link = bpf_map__attach_struct_ops(map);
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int fd, r;

	if (!link)
		return -errno;
	fd = fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 3);
	r = fd < 0 ? -errno : bpf_link_get_info_by_fd(fd, &info, &len);
	bpf_link__destroy(link);
	if (r < 0) {
		leg__close_fd(&fd);
		return r;
	}
	*ret_fd = fd;
	*ret_id = info.id;
	return 0;
}

int prism_leg_attach_struct_ops(struct prism_leg *leg, struct bpf_map *map)
{
	const char *name = bpf_map__name(map);
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	struct build build;
	__u32 id;
	int r = leg__pin_path(path, sizeof(path), leg->pin_dir, LEG_LINK_PREFIX, name);

	if (r < 0)
		return fail(leg, r, map, "the path of its pin is too long");
	if (access(path, F_OK) == 0)
		return fail(leg, -EEXIST, map, "its link is pinned already; detach that first");
	r = attach(map, &fd, &id);
	if (r == -EBUSY)
		return r;
	if (r < 0)
		return fail(leg, r, map, "the kernel refuses to attach it; its log may say more (dmesg)");
	build = build_of(leg->host, leg->build, id);
	r = write_build(leg->pin_dir, name, &build);
	if (!r)
		r = leg__pin_over(fd, path);
	if (r < 0)
		return fail(leg, r, map, "its link cannot be pinned");
	return 0;
}

/* ---- members that a kernel may lack ---- */

static const struct btf_member *find_member(const struct btf *btf, const struct btf_type *t, const char *name)
{
	const struct btf_member *m = btf_members(t);

	for (int i = 0; i < btf_vlen(t); i++, m++)
		if (!strcmp(btf__name_by_offset(btf, m->name_off), name))
			return m;
	return NULL;
}

/* The kernel's structure of that name; what follows ___ in ours is a flavour. */
static const struct btf_type *kernel_type(const struct btf *kernel, const char *name)
{
	const char *flavour = strstr(name, "___");
	char plain[128];
	int id;

	snprintf(plain, sizeof(plain), "%.*s", (int)(flavour ? flavour - name : (long)strlen(name)), name);
	id = btf__find_by_name_kind(kernel, plain, BTF_KIND_STRUCT);
	return id < 0 ? NULL : btf__type_by_id(kernel, id);
}

/* 1: it was not zero and is now. */
static int drop_member(const struct btf *btf, const struct btf_member *m, struct bpf_map *map)
{
	static const char zero[64];
	size_t size;
	void *data = member_at(btf, m, map, &size);

	if (!data || size > sizeof(zero))
		return -EINVAL;
	if (!memcmp(data, zero, size))
		return 0;
	memset(data, 0, size);
	return 1;
}

static int drop_unknown(struct prism_host *host, const struct btf *kernel, struct bpf_map *map, const struct btf *btf,
			const struct btf_type *ours, const char *const *members)
{
	const char *type = btf__name_by_offset(btf, ours->name_off);
	const struct btf_type *theirs = kernel_type(kernel, type);
	int dropped = 0;

	if (!theirs)
		return prism_unsupported(host, "BPF load", "this kernel has no struct %s", type);
	for (; *members; members++) {
		const struct btf_member *m = find_member(btf, ours, *members);
		int r = m ? 0 : -ENOENT;

		if (m && !find_member(kernel, theirs, *members))
			r = drop_member(btf, m, map);
		if (r < 0)
			return prism_fail(host, -r, "BPF load", "member %s of %s cannot be left out", *members, type);
		if (r)
			prism_log(host, PRISM_LOG_DEBUG, "this kernel's struct %s has no %s: left out", type, *members);
		dropped += r;
	}
	return dropped;
}

int prism_leg_optional_members(struct prism_host *host, struct bpf_object *object, struct bpf_map *map,
			       const char *const *members)
{
	const struct btf_type *ours = ops_type(object, map);
	struct btf *kernel;
	int r;

	if (!ours)
		return prism_fail(host, EINVAL, "BPF load", "map %s is not a struct_ops map", bpf_map__name(map));
	kernel = btf__load_vmlinux_btf();
	if (!kernel)
		return prism_fail(host, errno, "BPF load", "the kernel's BTF cannot be read: %s", strerror(errno));
	r = drop_unknown(host, kernel, map, bpf_object__btf(object), ours, members);
	btf__free(kernel);
	return r;
}
