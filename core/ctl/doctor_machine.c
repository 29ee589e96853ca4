/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine must have before anything can work. */
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ctl/doctor.h"

static uint64_t effective_capabilities(void)
{
	uint64_t caps = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "CapEff: %" SCNx64, &caps) == 1)
			break;
	}
	if (f)
		fclose(f);
	return caps;
}

static void check_rights(struct doctor *d)
{
	static const struct {
		int cap;
		const char *name;
	} needed[] = {
		{CAP_BPF, "CAP_BPF"},
		{CAP_PERFMON, "CAP_PERFMON"},
		{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		{CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
		{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"},
	};
	uint64_t caps = effective_capabilities();
	struct text missing = {0};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (!(caps & (1ull << needed[i].cap)))
			text_appendf(&missing, "%s%s", missing.len ? ", " : "", needed[i].name);
	}
	if (missing.len)
		doctor_report(d, "rights", VERDICT_FAIL, "run as root, or with these capabilities",
			      "uid %u lacks %s; the checks below may say 'no' for that reason alone", geteuid(),
			      missing.data);
	else
		doctor_report(d, "rights", VERDICT_OK, NULL, "uid %u has every capability that prismd uses", geteuid());
	text_done(&missing);
}

static void check_kernel(struct doctor *d)
{
	unsigned int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%u.%u", &major, &minor);
	if (major < 5 || (major == 5 && minor < 8))
		doctor_report(d, "kernel", VERDICT_FAIL, "boot Linux 6.1 or newer", "Linux %s has no BPF ring buffer",
			      u.release);
	else if (major < 6 || (major == 6 && minor < 1))
		doctor_report(d, "kernel", VERDICT_WARN, "boot Linux 6.1 or newer",
			      "Linux %s is older than what is tested", u.release);
	else
		doctor_report(d, "kernel", VERDICT_OK, NULL, "Linux %s, %s", u.release, u.machine);
}

static void check_btf(struct doctor *d)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
		doctor_report(d, "BTF", VERDICT_OK, NULL, "/sys/kernel/btf/vmlinux");
	else
		doctor_report(d, "BTF", VERDICT_FAIL, "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y",
			      "/sys/kernel/btf/vmlinux: %s: no program of prism's can be relocated", strerror(errno));
}

/* The file system that path is, or would be, in. */
static int filesystem_of(const char *path, struct statfs *ret)
{
	char at[1024], *slash;

	if ((size_t)snprintf(at, sizeof(at), "%s", path) >= sizeof(at))
		return -ENAMETOOLONG;
	while (statfs(at, ret) < 0) {
		slash = strrchr(at, '/');
		if (errno != ENOENT || !slash || slash == at)
			return -errno;
		*slash = '\0';
	}
	return 0;
}

static void check_bpffs(struct doctor *d)
{
	const char *dir = ctl_bus_dir(d->ctl);
	struct statfs fs;
	int r = filesystem_of(dir, &fs);

	if (r < 0)
		doctor_report(d, "bpffs", VERDICT_FAIL, "check bus.dir", "%s: %s", dir, strerror(-r));
	else if ((unsigned long)fs.f_type != BPF_FS_MAGIC)
		doctor_report(d, "bpffs", VERDICT_FAIL, "mount -t bpf bpf /sys/fs/bpf",
			      "%s is not in a bpf file system: nothing can be pinned", dir);
	else
		doctor_report(d, "bpffs", VERDICT_OK, NULL, "%s is in a bpf file system", dir);
}

static void check_tracefs(struct doctor *d)
{
	static const char *const places[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	struct statfs fs;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (statfs(places[i], &fs) == 0 && (unsigned long)fs.f_type == TRACEFS_MAGIC) {
			doctor_report(d, "tracefs", VERDICT_OK, NULL, "%s", places[i]);
			return;
		}
	}
	doctor_report(d, "tracefs", VERDICT_WARN, "mount -t tracefs tracefs /sys/kernel/tracing",
		      "not mounted: programs on plain tracepoints cannot be attached");
}

static void check_cgroups(struct doctor *d)
{
	_cleanup_close_ int fd = -1;
	struct error e = {0};
	char root[256];

	if (offline_cgroup_root(d->ctl, root, sizeof(root), &fd, &e) < 0)
		doctor_report(
			d, "cgroup v2", VERDICT_FAIL,
			"boot with systemd.unified_cgroup_hierarchy=1, or beside v1: mkdir -p /sys/fs/cgroup/unified "
			"&& mount -t cgroup2 none /sys/fs/cgroup/unified",
			"%s%s%s", e.where, *e.where ? ": " : "", e.text);
	else
		doctor_report(d, "cgroup v2", VERDICT_OK, NULL, "%s", root);
}

void doctor_machine(struct doctor *d)
{
	check_rights(d);
	check_kernel(d);
	check_btf(d);
	check_bpffs(d);
	check_tracefs(d);
	check_cgroups(d);
}
