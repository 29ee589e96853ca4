/* SPDX-License-Identifier: Apache-2.0 */
/* What each leg needs of this kernel's BPF, found by doing it once with a program of two instructions. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "ctl/doctor.h"

struct kind {
	enum bpf_prog_type type;
	enum bpf_attach_type attach;
	const char *target; /* BTF name to attach to; NULL: none */
	bool sleepable;
	int answer; /* what it returns: the verifier checks the range */
};

/* 0, or -errno of the load. */
static int try_load(const struct kind *k)
{
	/* r0 = answer; exit */
	struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = k->answer},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = k->attach);
	int fd, id;

	if (k->target) {
		id = libbpf_find_vmlinux_btf_id(k->target, k->attach);
		if (id < 0)
			return id;
		opts.attach_btf_id = (uint32_t)id;
	}
	if (k->sleepable)
		opts.prog_flags = BPF_F_SLEEPABLE;
	fd = bpf_prog_load(k->type, "prism_doctor", "GPL", insns, ARRAY_SIZE(insns), &opts);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* fail when a module that is required needs it, else warn. */
static enum verdict weight_of(struct doctor *d, const char *module)
{
	const struct settings *s = ctl_settings(d->ctl);
	const struct module_setting *m = s && module ? settings_module(s, module) : NULL;

	return m && m->enabled && m->required ? VERDICT_FAIL : VERDICT_WARN;
}

static void check_core(struct doctor *d)
{
	static const struct kind raw_tp = {.type = BPF_PROG_TYPE_RAW_TRACEPOINT};
	static const struct kind call = {.type = BPF_PROG_TYPE_SYSCALL, .sleepable = true};
	int r = try_load(&raw_tp);
	int ring = libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL);

	if (r < 0 || ring != 1)
		doctor_report(d, "core: cgroup events", VERDICT_WARN,
			      "boot a kernel with CONFIG_BPF_EVENTS=y; until then changes of the cgroup tree come by "
			      "inotify, "
			      "later and not before a container's first exec",
			      "%s cannot be used: %s", r < 0 ? "raw tracepoints" : "ring buffers",
			      r < 0 ? strerror(-r) : "no such map type");
	else
		doctor_report(d, "core: cgroup events", VERDICT_OK, NULL, "raw tracepoint and ring buffer");
	r = try_load(&call);
	if (r < 0)
		doctor_report(d, "core: kernel clock", VERDICT_WARN, "boot Linux 5.14 or newer",
			      "no syscall programs (%s): consumers compare the heartbeat themselves", strerror(-r));
	else
		doctor_report(d, "core: kernel clock", VERDICT_OK, NULL, "syscall programs");
}

static void check_net(struct doctor *d)
{
	static const struct kind skb = {.type = BPF_PROG_TYPE_CGROUP_SKB,
					.attach = BPF_CGROUP_INET_INGRESS,
					.answer = 1};
	int r = try_load(&skb);

	if (r < 0)
		doctor_report(d, "net: cgroup_skb", weight_of(d, "net"), "boot a kernel with CONFIG_CGROUP_BPF=y",
			      "cannot be loaded: %s", strerror(-r));
	else
		doctor_report(d, "net: cgroup_skb", VERDICT_OK, NULL, "loads");
}

static void check_trace(struct doctor *d)
{
	static const struct kind tp = {.type = BPF_PROG_TYPE_TRACING,
				       .attach = BPF_TRACE_RAW_TP,
				       .target = "sched_process_exec"};
	int r = try_load(&tp);

	if (r < 0)
		doctor_report(d, "trace: tp_btf", weight_of(d, "trace"),
			      "boot a kernel with CONFIG_BPF_EVENTS=y and CONFIG_DEBUG_INFO_BTF=y",
			      "sched_process_exec: cannot be loaded: %s", strerror(-r));
	else
		doctor_report(d, "trace: tp_btf", VERDICT_OK, NULL, "sched_process_exec loads");
}

static void check_storage(struct doctor *d)
{
	if (libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, NULL) == 1)
		doctor_report(d, "sdk: task storage", VERDICT_OK, NULL, "the cached lookup can be used");
	else
		doctor_report(d, "sdk: task storage", VERDICT_WARN, "boot Linux 5.11 or newer",
			      "not there: consumers use the lookup without cache");
}

static void check_sched(struct doctor *d)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool ops = btf && btf__find_by_name_kind(btf, "sched_ext_ops", BTF_KIND_STRUCT) > 0;
	bool sysfs = access("/sys/kernel/sched_ext", F_OK) == 0;

	btf__free(btf);
	if (ops && sysfs)
		doctor_report(d, "sched: sched_ext", VERDICT_OK, NULL, "this kernel has it");
	else
		doctor_report(d, "sched: sched_ext", weight_of(d, "sched"),
			      "boot Linux 6.12 or newer with CONFIG_SCHED_CLASS_EXT=y", "not in this kernel (%s)",
			      ops ? "no /sys/kernel/sched_ext" : "BTF has no sched_ext_ops");
}

/* Is word one of those in a list with commas? */
static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at += len)
		if ((at == list || at[-1] == ',') && (at[len] == ',' || !at[len]))
			return true;
	return false;
}

static void check_lsm(struct doctor *d)
{
	static const struct kind lsm = {.type = BPF_PROG_TYPE_LSM,
					.attach = BPF_LSM_MAC,
					.target = "bprm_check_security"};
	char active[256];
	int r = try_load(&lsm);

	doctor_read_line("/sys/kernel/security/lsm", active, sizeof(active));
	if (r < 0)
		doctor_report(
			d, "lsm: BPF LSM", weight_of(d, "lsm"),
			"boot a kernel with CONFIG_BPF_LSM=y and CONFIG_DEBUG_INFO_BTF=y that allows such programs",
			"cannot be loaded: %s", strerror(-r));
	else if (!*active)
		doctor_report(d, "lsm: BPF LSM", weight_of(d, "lsm"),
			      "mount -t securityfs securityfs /sys/kernel/security",
			      "loads, but whether it is active cannot be read: securityfs is not mounted");
	else if (!listed(active, "bpf"))
		doctor_report(d, "lsm: BPF LSM", weight_of(d, "lsm"),
			      "boot with lsm= on the kernel command line that lists these and bpf",
			      "loads but is not active (active: %s)", active);
	else
		doctor_report(d, "lsm: BPF LSM", VERDICT_OK, NULL, "active");
}

void doctor_legs(struct doctor *d)
{
	check_core(d);
	check_storage(d);
	check_net(d);
	check_trace(d);
	check_sched(d);
	check_lsm(d);
}
