// SPDX-License-Identifier: Apache-2.0
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>

#include "leg_internal.h"

/*
 * Where the verifier writes; pages that it does not touch cost nothing. Since 6.4 a longer log keeps its end here,
 * before that the load fails with ENOSPC.
 */
static char verifier_log[4 << 20];

/* What libbpf warned of during the load: which program or map it was. */
static char libbpf_said[512];

struct bpf_object_open_opts *prism_leg_open_opts(struct prism_host *host, struct bpf_object_open_opts *opts)
{
	verifier_log[0] = '\0';
	opts->sz = sizeof(*opts);
	opts->pin_root_path = prism_pin_dir(host);
	opts->kernel_log_buf = verifier_log;
	opts->kernel_log_size = sizeof(verifier_log);
	opts->kernel_log_level = 0; /* none until a load fails, which libbpf then repeats with a log */
	return opts;
}

__attribute__((format(printf, 2, 0))) static int keep_warning(enum libbpf_print_level level, const char *format,
							      va_list args)
{
	char *end;

	/* The first one names the culprit, the rest says that the object failed with it. */
	if (level != LIBBPF_WARN || libbpf_said[0])
		return 0;
	vsnprintf(libbpf_said, sizeof(libbpf_said), format, args);
	end = strchr(libbpf_said, '\n');
	if (end)
		*end = '\0';
	return 0;
}

/* The last lines of the log that fit into size bytes, at most 30. */
static const char *log_tail(const char *log, size_t size)
{
	const char *end = log + strlen(log), *tail = end, *p = end;
	int lines = 0;

	while (p > log && lines <= 30 && (size_t)(end - p) < size) {
		p--;
		if (p == log || p[-1] == '\n') {
			tail = p;
			lines++;
		}
	}
	return tail;
}

static void log_lines(struct prism_host *host, char *log)
{
	char *line, *next = log;

	while ((line = strsep(&next, "\n")))
		if (*line)
			prism_log(host, PRISM_LOG_DEBUG, "verifier: %s", line);
}

const char *leg__missing_rights(void)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {{CAP_BPF, "CAP_BPF"}, {CAP_PERFMON, "CAP_PERFMON"}, {CAP_NET_ADMIN, "CAP_NET_ADMIN"}};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
	static char text[80];
	size_t len = 0;

	text[0] = '\0';
	if (syscall(SYS_capget, &header, data) < 0 || (data[0].effective & CAP_TO_MASK(CAP_SYS_ADMIN)))
		return text;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (!(data[CAP_TO_INDEX(needed[i].cap)].effective & CAP_TO_MASK(needed[i].cap)))
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len ? ", " : "; prismd lacks ",
						needed[i].name);
	return text;
}

static const char *remedy(int code)
{
	const char *missing = leg__missing_rights();

	switch (code) {
	case EPERM:
	case EACCES: /* what the verifier refuses, and to those without CAP_PERFMON it refuses more */
		if (missing[0])
			return missing;
		return code == EPERM ? "; loading BPF needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, and a kernel that "
				       "is not locked down"
				     : "";
	case ENOMEM:
		return "; the memory limit of this service may be too small";
	case ENOSPC:
		return "; the verifier's log did not fit, the reason may be another one";
	default:
		return "";
	}
}

static int load_failed(struct prism_host *host, int code)
{
	const char *what = libbpf_said[0] ? libbpf_said : strerror(code);
	const char *prefix = "libbpf: ";

	if (!strncmp(what, prefix, strlen(prefix)))
		what += strlen(prefix);
	if (!verifier_log[0])
		return prism_fail(host, code, "BPF load", "%s%s", what, remedy(code));
	prism_fail(host, code, "BPF load", "%s%s; the verifier's last words:\n%s", what, remedy(code),
		   log_tail(verifier_log, 640));
	log_lines(host, verifier_log);
	return -code;
}

static int hand_over(struct prism_host *host, struct bpf_object *object, const char *name, int fd)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	int r;

	if (!map)
		return 0;
	if (fd < 0)
		return prism_fail(host, -fd, "BPF load", "the host has no %s map for this module: %s", name,
				  strerror(-fd));
	r = bpf_map__reuse_fd(map, fd);
	if (!r)
		r = bpf_map__set_pin_path(map, NULL);
	if (r < 0)
		return prism_fail(host, -r, "BPF load", "cannot use the host's %s map: %s", name, strerror(-r));
	return 0;
}

int leg__name_facet(struct prism_host *host, struct bpf_object *object)
{
	int r = leg__set_facet_mask(object, prism_facet_mask(host));

	return r < 0 ? prism_fail(host, -r, "BPF load", "prism_facet_mask is not a __u32 in .rodata") : 0;
}

static int prepare(struct prism_host *host, struct bpf_object *object)
{
	int r;

	r = hand_over(host, object, PRISM_BUS_MAP, prism_bus_fd(host));
	if (r < 0)
		return r;
	r = hand_over(host, object, PRISM_META_MAP, prism_meta_fd(host));
	return r < 0 ? r : leg__name_facet(host, object);
}

static int load(struct prism_host *host, struct bpf_object_skeleton *skeleton)
{
	libbpf_print_fn_t print;
	int r;

	libbpf_said[0] = '\0';
	verifier_log[0] = '\0';
	print = libbpf_set_print(keep_warning);
	r = bpf_object__load_skeleton(skeleton);
	libbpf_set_print(print);
	return r < 0 ? load_failed(host, -r) : 0;
}

int leg__open_failed(struct prism_host *host, int code)
{
	code = code > 0 ? code : EINVAL;
	return prism_fail(host, code, "BPF load", "the BPF object cannot be opened: %s", strerror(code));
}

int leg__new(struct prism_host *host, struct prism_leg **ret)
{
	const char *dir = prism_pin_dir(host);
	struct prism_leg *leg;
	int r;

	if (!dir)
		return prism_fail(host, ENOENT, "BPF load",
				  "the host has no pin directory for this module: is bpffs mounted?");
	leg = calloc(1, sizeof(*leg));
	if (!leg)
		return prism_fail(host, ENOMEM, "BPF load", "out of memory");
	leg->host = host;
	r = leg__pin_path(leg->pin_dir, sizeof(leg->pin_dir), dir, "", "");
	if (r < 0) {
		free(leg);
		return prism_fail(host, -r, "BPF load", "the path of the pin directory is too long: %s", dir);
	}
	leg->pin_dir[strlen(leg->pin_dir) - 1] = '\0';
	*ret = leg;
	return 0;
}

/* What runs of this object, for the host's metrics: from now on, or no longer. */
static void tell_programs(const struct prism_leg *leg, bool loaded)
{
	struct bpf_program *program;
	int fd;

	if (!leg->object)
		return;
	bpf_object__for_each_program (program, leg->object) {
		fd = bpf_program__fd(program);
		if (fd >= 0)
			prism_program(leg->host, bpf_program__name(program), loaded ? fd : -1);
	}
}

int prism_leg_load(struct prism_host *host, struct bpf_object_skeleton *skeleton, struct prism_leg **ret_leg)
{
	_cleanup_free_ struct prism_leg *leg = NULL;
	_cleanup_free_ struct bpf_map **renew = NULL;
	int r, open_errno = errno;
	size_t n_renew;

	if (!skeleton)
		return leg__open_failed(host, open_errno);
	r = leg__new(host, &leg);
	if (r < 0)
		return r;
	r = prepare(host, *skeleton->obj);
	if (r < 0)
		return r;
	leg->build = leg__build_hash(skeleton);
	r = leg__place_maps(host, *skeleton->obj, leg->pin_dir, &renew, &n_renew);
	if (r < 0)
		return r;
	r = load(host, skeleton);
	if (r < 0)
		return r;
	r = leg__renew_maps(host, leg->pin_dir, renew, n_renew);
	if (r < 0)
		return r;
	leg->object = *skeleton->obj;
	tell_programs(leg, true);
	*ret_leg = leg;
	leg = NULL;
	return 0;
}

void prism_leg_close(struct prism_leg *leg, enum prism_stop why)
{
	int r;

	if (!leg)
		return;
	tell_programs(leg, false);
	if (why == PRISM_STOP_REMOVE) {
		r = leg__unpin_all(leg->pin_dir);
		if (r < 0 && r != -EBUSY) /* the host tries again, and says what it means */
			prism_log(leg->host, PRISM_LOG_ERROR,
				  "cannot remove every pin in %s: %s; what is left there still acts", leg->pin_dir,
				  strerror(-r));
	}
	free(leg);
}
