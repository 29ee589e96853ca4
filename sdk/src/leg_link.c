// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "leg_internal.h"

static int fail(struct prism_leg *leg, int r, struct bpf_program *prog, const char *what)
{
	char where[160];

	snprintf(where, sizeof(where), "attach %s", bpf_program__name(prog));
	return prism_fail(leg->host, -r, where, "%s: %s%s", what, strerror(-r),
			  r == -EPERM ? leg__missing_rights() : "");
}

static int link_path(struct prism_leg *leg, const char *program, char *path, size_t size)
{
	return leg__pin_path(path, size, leg->pin_dir, LEG_LINK_PREFIX, program);
}

/* A directory of the cgroup v2 hierarchy has the cgroup's id as its file handle; on 64 bits it is the inode too. */
static int cgroup_id(int fd, __u64 *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

/* Is it alive, and attached where this leg wants it? */
static bool is_ours(int link_fd, enum bpf_attach_type type, __u64 cgroup)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	return bpf_link_get_info_by_fd(link_fd, &info, &len) == 0 && info.type == BPF_LINK_TYPE_CGROUP &&
	       info.cgroup.attach_type == type && info.cgroup.cgroup_id == cgroup;
}

/* 1: the pinned link runs prog now. 0: there is none that could. */
static int adopt_cgroup(struct prism_leg *leg, struct bpf_program *prog, enum bpf_attach_type type, __u64 cgroup,
			const char *path)
{
	_cleanup_fd_ int old = bpf_obj_get(path);
	int r;

	if (old < 0)
		return old == -ENOENT ? 0 : old;
	if (!is_ours(old, type, cgroup)) {
		prism_log(leg->host, PRISM_LOG_WARNING, "pinned link %s is dead or attached elsewhere: it is replaced",
			  path);
		return 0;
	}
	r = bpf_link_update(old, bpf_program__fd(prog), NULL);
	if (r < 0) {
		prism_log(leg->host, PRISM_LOG_WARNING,
			  "pinned link %s does not take the new program (%s): it is replaced", path, strerror(-r));
		return 0;
	}
	return 1;
}

int prism_leg_attach_cgroup(struct prism_leg *leg, struct bpf_program *prog, enum bpf_attach_type type)
{
	int r, root = prism_cgroup_fd(leg->host);
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	__u64 cgroup = 0;

	r = link_path(leg, bpf_program__name(prog), path, sizeof(path));
	if (r < 0)
		return fail(leg, r, prog, "the path of its pin is too long");
	r = root < 0 ? root : cgroup_id(root, &cgroup);
	if (r < 0)
		return fail(leg, r, prog, "the host has no cgroup v2 hierarchy");
	r = adopt_cgroup(leg, prog, type, cgroup, path);
	if (r < 0)
		return fail(leg, r, prog, "its pinned link cannot be opened");
	if (r)
		return 0;
	fd = bpf_link_create(bpf_program__fd(prog), root, type, NULL);
	if (fd < 0)
		return fail(leg, fd, prog, "the kernel refuses to attach it to the root cgroup");
	r = leg__pin_over(fd, path);
	if (r < 0)
		return fail(leg, r, prog, "its link cannot be pinned");
	return 0;
}

static int tracepoint_id(const char *event)
{
	static const char *const roots[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	char path[PATH_MAX];
	size_t i;
	FILE *f;
	int id;

	for (i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		snprintf(path, sizeof(path), "%s/events/%s/id", roots[i], event);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%d", &id) != 1)
			id = -EIO;
		fclose(f);
		return id;
	}
	return -ENOENT;
}

/*
 * Not by bpf_program__attach(): libbpf disables the perf event when it frees its handle, and the pinned link would stay
 * in place and see nothing. The link holds the event, our descriptor of it is closed.
 */
static int attach_tracepoint(struct prism_leg *leg, struct bpf_program *prog, int *ret_fd)
{
	const char *event = strchr(bpf_program__section_name(prog), '/');
	struct perf_event_attr attr = {.type = PERF_TYPE_TRACEPOINT,
				       .size = sizeof(attr),
				       .sample_period = 1,
				       .wakeup_events = 1};
	_cleanup_fd_ int perf = -1;
	int link, id;

	id = event ? tracepoint_id(event + 1) : -EINVAL;
	if (id < 0)
		return fail(leg, id, prog, "no such tracepoint; is tracefs mounted at /sys/kernel/tracing?");
	attr.config = id;
	perf = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (perf < 0)
		return fail(leg, -errno, prog, "cannot open the tracepoint");
	link = bpf_link_create(bpf_program__fd(prog), perf, BPF_PERF_EVENT, NULL);
	if (link < 0)
		return fail(leg, link, prog, "the kernel refuses to attach it");
	if (ioctl(perf, PERF_EVENT_IOC_ENABLE, 0) < 0) {
		id = -errno;
		close(link);
		return fail(leg, id, prog, "cannot enable the tracepoint");
	}
	*ret_fd = link;
	return 0;
}

static int attach_direct(struct prism_leg *leg, struct bpf_program *prog, int *ret_fd)
{
	struct bpf_link *link = bpf_program__attach(prog);
	int fd, r;

	if (!link)
		return fail(leg, -errno, prog, "the kernel refuses to attach it");
	fd = fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 3);
	r = fd < 0 ? -errno : 0;
	bpf_link__destroy(link);
	if (r < 0)
		return fail(leg, r, prog, "cannot keep its link");
	*ret_fd = fd;
	return 0;
}

int prism_leg_attach(struct prism_leg *leg, struct bpf_program *prog)
{
	_cleanup_fd_ int fd = -1;
	char path[PATH_MAX];
	int r;

	r = link_path(leg, bpf_program__name(prog), path, sizeof(path));
	if (r < 0)
		return fail(leg, r, prog, "the path of its pin is too long");
	switch (bpf_program__type(prog)) {
	case BPF_PROG_TYPE_TRACEPOINT:
		r = attach_tracepoint(leg, prog, &fd);
		break;
	case BPF_PROG_TYPE_TRACING:
	case BPF_PROG_TYPE_LSM:
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
		r = attach_direct(leg, prog, &fd);
		break;
	default:
		return fail(leg, -EOPNOTSUPP, prog, "not a tp_btf, raw_tp, tracepoint, fentry, fexit or lsm program");
	}
	if (r < 0)
		return r;
	/* The old link goes with its name, after the new one is in place. */
	r = leg__pin_over(fd, path);
	if (r < 0)
		return fail(leg, r, prog, "its link cannot be pinned");
	return 0;
}

int prism_leg_detach(struct prism_leg *leg, const char *name)
{
	_cleanup_fd_ int dir = open(leg->pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char pin[NAME_MAX + 1];
	int r = dir < 0 ? -errno : leg__pin_name(pin, sizeof(pin), LEG_LINK_PREFIX, name);

	if (!r)
		r = prism_leg_unpin(dir, pin);
	if (r == -EBUSY)
		return r;
	if (r < 0 && r != -ENOENT)
		return prism_fail(leg->host, -r, "detach", "the link of %s in %s cannot be removed: %s", name,
				  leg->pin_dir, strerror(-r));
	return 0;
}
