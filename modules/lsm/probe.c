// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

#define ACTIVE_PATH "/sys/kernel/security/lsm"

/* Is `bpf` among the words of a line with commas? */
static bool has_bpf(char *line)
{
	char *rest = line, *word;

	while ((word = strsep(&rest, ",\n"))) {
		if (!strcmp(word, "bpf"))
			return true;
	}
	return false;
}

static int check_active(struct prism_host *host)
{
	char line[256] = "";
	FILE *f = fopen(ACTIVE_PATH, "re");
	const char *active;

	if (!f)
		return prism_unsupported(host, "lsm: " ACTIVE_PATH,
					 "which security modules are active cannot be read (%s); mount -t securityfs "
					 "securityfs /sys/kernel/security",
					 strerror(errno));
	active = fgets(line, sizeof(line), f);
	fclose(f);
	if (active && has_bpf(line))
		return 0;
	return prism_unsupported(
		host, "lsm: " ACTIVE_PATH,
		"bpf is not among the active security modules, so no program would be asked; boot with "
		"lsm=...,bpf: what is there now, and bpf behind it");
}

int lsm_probe(struct prism_host *host)
{
	int r = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_LSM, NULL);

	if (r < 0 && r != -EOPNOTSUPP)
		return prism_fail(host, -r, "lsm: probing BPF LSM programs", "%s", strerror(-r));
	if (r <= 0 || access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return prism_unsupported(host, "lsm: BPF LSM",
					 "this kernel does not load BPF LSM programs; it wants Linux 6.1 or later with "
					 "CONFIG_BPF_LSM and CONFIG_DEBUG_INFO_BTF, and must allow such programs");
	return check_active(host);
}
