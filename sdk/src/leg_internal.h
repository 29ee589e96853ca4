/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the leg loader.
 *
 *   leg.c      from an opened skeleton to a loaded one: bus maps, facet mask, verifier log
 *   leg_map.c  maps that the object pins by name: adopted, or made anew when their shape changed
 *   leg_link.c links: attach, pin, replace the one an earlier start left
 *   leg_struct_ops.c  struct_ops maps: adopt what an earlier start left, attach, leave out what a kernel lacks
 *   leg_scx.c  whose scheduler would go with a link
 *   leg_pin.c  files in the module's pin directory
 */
#ifndef PRISM_LEG_INTERNAL_H
#define PRISM_LEG_INTERNAL_H

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <prism/leg.h>

struct prism_leg {
	struct prism_host *host;
	struct bpf_object *object; /* the skeleton's, loaded; NULL: adopted */
	__u64 build;               /* see leg__build_hash() */
	char pin_dir[PATH_MAX];
};

static inline void leg__close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void leg__free(void *p)
{
	free(*(void **)p);
}

#define _cleanup_fd_ __attribute__((cleanup(leg__close_fd)))
#define _cleanup_free_ __attribute__((cleanup(leg__free)))

#define LEG_LINK_PREFIX "link_"

int leg__new(struct prism_host *host, struct prism_leg **ret);
/* code: errno of NAME__open_opts(). Returns -code, with prism_fail() called. */
int leg__open_failed(struct prism_host *host, int code);
/* "; prismd lacks CAP_X, CAP_Y": capabilities that BPF asks for and this process has not; "" if it has all. Static. */
const char *leg__missing_rights(void);
/* Sets prism_facet_mask; prism_fail() called on failure. */
int leg__name_facet(struct prism_host *host, struct bpf_object *object);

/* A pin's path. bpffs takes no name with a dot, C takes no name with a dash: "new-" can hit no map and no program. */
int leg__pin_path(char *path, size_t size, const char *dir, const char *prefix, const char *name);
int leg__pin_name(char *name, size_t size, const char *prefix, const char *of);
/* Pins fd at path; what is pinned there goes at the same moment. Nothing is changed on failure. */
int leg__pin_over(int fd, const char *path);
/* Removes every file in dir. 0, or the first error; goes on after one. */
int leg__unpin_all(const char *dir);

/*
 * Before load: each map with a pin goes under pin_dir. One whose pinned predecessor has another shape is not pinned by
 * libbpf; *ret_renew (freed by the caller, n_renew long) lists those for leg__renew_maps() after load.
 */
int leg__place_maps(struct prism_host *host, struct bpf_object *object, const char *pin_dir,
		    struct bpf_map ***ret_renew, size_t *ret_n);
int leg__renew_maps(struct prism_host *host, const char *pin_dir, struct bpf_map *const *renew, size_t n);

/*
 * Opens the pinned maps of an object that is not loaded. *ret_why is set when that cannot be, and nothing was changed:
 * one is not there or has another shape. -errno with prism_fail() called.
 */
int leg__adopt_maps(struct prism_host *host, struct bpf_object *object, const char *pin_dir, const char **ret_why);

/* Would letting go of this link disable a scheduler that is not its own? */
bool leg__disables_another(int link_fd);

/* Of an opened skeleton that is not loaded: its ELF file, .rodata, and what its struct_ops maps say. */
__u64 leg__build_hash(const struct bpf_object_skeleton *skeleton);

/* `const volatile __u32 prism_facet_mask` of the object, if it has one. */
int leg__set_facet_mask(struct bpf_object *object, uint32_t mask);

#endif
