// SPDX-License-Identifier: Apache-2.0
#include <bpf/btf.h>
#include <string.h>

#include "leg_internal.h"

/* Would libbpf take the pinned map for this one? A max_entries of 0 is filled in at load. */
static bool same_shape(const struct bpf_map *map, const struct bpf_map_info *pinned, bool any_size)
{
	return pinned->type == bpf_map__type(map) && pinned->key_size == bpf_map__key_size(map) &&
	       pinned->value_size == bpf_map__value_size(map) && pinned->map_flags == bpf_map__map_flags(map) &&
	       pinned->map_extra == bpf_map__map_extra(map) &&
	       (any_size || !bpf_map__max_entries(map) || pinned->max_entries == bpf_map__max_entries(map));
}

/* NULL dir: there is none. *ret_info is set with a descriptor. -EINVAL: what is pinned is not a map. */
static int open_map(const char *dir, const char *name, struct bpf_map_info *ret_info)
{
	__u32 len = sizeof(*ret_info);
	char path[PATH_MAX];
	int fd, r = dir ? leg__pin_path(path, sizeof(path), dir, "", name) : -ENOENT;

	if (r < 0)
		return r;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd;
	memset(ret_info, 0, sizeof(*ret_info));
	if (bpf_map_get_info_by_fd(fd, ret_info, &len) < 0) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

static int open_same(const char *dir, const struct bpf_map *map, bool any_size)
{
	struct bpf_map_info info;
	int fd = open_map(dir, bpf_map__name(map), &info);

	if (fd >= 0 && !same_shape(map, &info, any_size)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

int prism_leg_open_map(struct prism_host *host, const struct bpf_map *map, bool any_size)
{
	return open_same(prism_pin_dir(host), map, any_size);
}

int prism_leg_read_map(struct prism_host *host, const char *name, void *ret_value, size_t size)
{
	struct bpf_map_info info;
	_cleanup_fd_ int fd = open_map(prism_pin_dir(host), name, &info);
	__u32 zero = 0;

	if (fd < 0)
		return fd;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != size)
		return -EINVAL;
	return bpf_map_lookup_elem(fd, &zero, ret_value);
}

static int place_map(struct prism_host *host, struct bpf_map *map, const char *pin_dir)
{
	_cleanup_fd_ int fd = open_same(pin_dir, map, false);
	bool renew = fd == -EINVAL;
	char path[PATH_MAX];
	int r;

	if (fd < 0 && fd != -ENOENT && !renew)
		return fd;
	r = leg__pin_path(path, sizeof(path), pin_dir, "", bpf_map__name(map));
	if (r < 0)
		return r;
	if (renew)
		prism_log(host, PRISM_LOG_WARNING,
			  "pinned map %s has another shape than this build wants: it is made anew, its content is lost",
			  path);
	return bpf_map__set_pin_path(map, renew ? NULL : path) ?: renew;
}

int leg__place_maps(struct prism_host *host, struct bpf_object *object, const char *pin_dir,
		    struct bpf_map ***ret_renew, size_t *ret_n)
{
	_cleanup_free_ struct bpf_map **renew = NULL;
	struct bpf_map *map;
	size_t n = 0, all = 0;
	int r;

	bpf_object__for_each_map (map, object)
		all++;
	renew = calloc(all + 1, sizeof(*renew));
	if (!renew)
		return prism_fail(host, ENOMEM, "BPF load", "out of memory");
	bpf_object__for_each_map (map, object) {
		if (!bpf_map__pin_path(map))
			continue;
		r = place_map(host, map, pin_dir);
		if (r < 0)
			return prism_fail(host, -r, "BPF load", "the pin of map %s in %s cannot be used: %s",
					  bpf_map__name(map), pin_dir, strerror(-r));
		if (r)
			renew[n++] = map;
	}
	*ret_renew = renew;
	*ret_n = n;
	renew = NULL;
	return 0;
}

int leg__renew_maps(struct prism_host *host, const char *pin_dir, struct bpf_map *const *renew, size_t n)
{
	char path[PATH_MAX];
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = leg__pin_path(path, sizeof(path), pin_dir, "", bpf_map__name(renew[i]));
		if (!r)
			r = leg__pin_over(bpf_map__fd(renew[i]), path);
		if (r < 0)
			return prism_fail(host, -r, "BPF load", "cannot pin map %s in %s: %s", bpf_map__name(renew[i]),
					  pin_dir, strerror(-r));
	}
	return 0;
}

/* fds: one for each map of the object, -1 for those without a pin. */
static const char *open_pins(struct bpf_object *object, const char *pin_dir, int *fds)
{
	struct bpf_map *map;
	size_t i = 0;

	bpf_object__for_each_map (map, object) {
		int *fd = &fds[i++];

		if (!bpf_map__pin_path(map) || !strcmp(bpf_map__name(map), PRISM_BUS_MAP) ||
		    !strcmp(bpf_map__name(map), PRISM_META_MAP))
			continue;
		*fd = open_same(pin_dir, map, false);
		if (*fd == -EINVAL)
			return "a pinned map has another shape than this build wants";
		if (*fd < 0)
			return "a pinned map of this build is not there";
	}
	return NULL;
}

static int use_pins(struct prism_host *host, struct bpf_object *object, const int *fds)
{
	struct bpf_map *map;
	size_t i = 0;
	int r;

	bpf_object__for_each_map (map, object) {
		int fd = fds[i++];

		r = fd < 0 ? 0 : bpf_map__reuse_fd(map, fd);
		if (r < 0)
			return prism_fail(host, -r, "adopt", "pinned map %s cannot be used: %s", bpf_map__name(map),
					  strerror(-r));
	}
	return 0;
}

int leg__adopt_maps(struct prism_host *host, struct bpf_object *object, const char *pin_dir, const char **ret_why)
{
	_cleanup_free_ int *fds = NULL;
	struct bpf_map *map;
	size_t n = 0;
	int r;

	bpf_object__for_each_map (map, object)
		n++;
	fds = malloc((n + 1) * sizeof(*fds));
	if (!fds)
		return prism_fail(host, ENOMEM, "adopt", "out of memory");
	memset(fds, -1, (n + 1) * sizeof(*fds));
	*ret_why = open_pins(object, pin_dir, fds);
	r = *ret_why ? 0 : use_pins(host, object, fds);
	for (size_t i = 0; i < n; i++)
		leg__close_fd(&fds[i]);
	return r;
}

static struct bpf_map *rodata_of(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object) {
		const char *suffix = strchr(bpf_map__name(map), '.');

		if (bpf_map__is_internal(map) && suffix && !strcmp(suffix, ".rodata"))
			return map;
	}
	return NULL;
}

/* Offset of a variable in .rodata, -ENOENT if the object has none of that name. */
static int rodata_offset(const struct btf *btf, const char *name, __u32 size)
{
	int section = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_var_secinfo *var;
	const struct btf_type *t;
	int i;

	if (section < 0)
		return -ENOENT;
	t = btf__type_by_id(btf, section);
	var = btf_var_secinfos(t);
	for (i = 0; i < btf_vlen(t); i++, var++) {
		const struct btf_type *v = btf__type_by_id(btf, var->type);

		if (!strcmp(btf__name_by_offset(btf, v->name_off), name))
			return var->size == size ? (int)var->offset : -EINVAL;
	}
	return -ENOENT;
}

int leg__set_facet_mask(struct bpf_object *object, uint32_t mask)
{
	struct bpf_map *map = rodata_of(object);
	const struct btf *btf = bpf_object__btf(object);
	size_t size;
	char *data;
	int at;

	if (!map || !btf)
		return 0;
	at = rodata_offset(btf, "prism_facet_mask", sizeof(mask));
	if (at < 0)
		return at == -ENOENT ? 0 : at;
	data = bpf_map__initial_value(map, &size);
	if (!data || at + sizeof(mask) > size)
		return -EINVAL;
	memcpy(data + at, &mask, sizeof(mask));
	return 0;
}
