/* SPDX-License-Identifier: Apache-2.0 */
/* Who else sits on the hooks that prism uses. They are named and left alone. */
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "ctl/doctor.h"

#define MAX_PROGRAMS 128

/* Program ids of the links pinned below <bus dir>/modules. */
struct own {
	uint32_t id[MAX_PROGRAMS];
	size_t n;
	bool scheduler; /* the sched module has a struct_ops link */
};

static void add_link(struct own *own, const char *module, const char *path)
{
	struct bpf_link_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_obj_get(path);

	/* On a map or program the call fails: those are no links. */
	if (fd >= 0 && bpf_link_get_info_by_fd(fd, &info, &len) == 0) {
		if (info.type == BPF_LINK_TYPE_STRUCT_OPS)
			own->scheduler = own->scheduler || strcmp(module, "sched") == 0;
		else if (own->n < MAX_PROGRAMS)
			own->id[own->n++] = info.prog_id;
	}
	if (fd >= 0)
		close(fd);
}

static void find_own(const char *bus_dir, struct own *own)
{
	json_t *pins = offline_pins(bus_dir), *links, *link;
	const char *module;
	char path[1024];
	size_t i;

	json_object_foreach(pins, module, links)
	{
		json_array_foreach(links, i, link)
		{
			snprintf(path, sizeof(path), "%s/modules/%s/%s", bus_dir, module, json_string_value(link));
			add_link(own, module, path);
		}
	}
	json_decref(pins);
}

static bool is_own(const struct own *own, uint32_t id)
{
	for (size_t i = 0; i < own->n; i++) {
		if (own->id[i] == id)
			return true;
	}
	return false;
}

static int program_info(uint32_t id, struct bpf_prog_info *ret)
{
	uint32_t len = sizeof(*ret);
	int fd = bpf_prog_get_fd_by_id(id);
	int r = fd < 0 ? -ENOENT : bpf_prog_get_info_by_fd(fd, ret, &len);

	if (fd >= 0)
		close(fd);
	return r;
}

/* hook: where it sits, NULL when the line says it. */
static void append_program(struct text *out, uint32_t id, const char *hook)
{
	struct bpf_prog_info info = {0};

	if (program_info(id, &info) < 0)
		info.name[0] = '\0';
	text_appendf(out, "%s%s (id %u%s%s)", out->len ? ", " : "", info.name[0] ? info.name : "unnamed", id,
		     hook ? ", " : "", hook ? hook : "");
}

static void check_hook(struct doctor *d, const struct own *own, int cgroup_fd, enum bpf_attach_type hook,
		       const char *name)
{
	uint32_t ids[MAX_PROGRAMS], n = MAX_PROGRAMS, flags = 0;
	struct text foreign = {0};
	size_t ours = 0;

	if (bpf_prog_query(cgroup_fd, hook, 0, &flags, ids, &n) < 0) {
		doctor_report(d, name, VERDICT_WARN, NULL, "cannot be asked: %s", strerror(errno));
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (is_own(own, ids[i]))
			ours++;
		else
			append_program(&foreign, ids[i], NULL);
	}
	if (foreign.len && !(flags & BPF_F_ALLOW_MULTI))
		doctor_report(d, name, VERDICT_FAIL, "have its owner attach it with BPF_F_ALLOW_MULTI or as a link",
			      "held exclusively by %s: the net leg cannot be attached beside it", foreign.data);
	else if (foreign.len)
		doctor_report(d, name, VERDICT_OK, NULL, "%zu of prism's; others run beside them: %s", ours,
			      foreign.data);
	else
		doctor_report(d, name, VERDICT_OK, NULL, "%zu of prism's, no others", ours);
	text_done(&foreign);
}

static void check_network(struct doctor *d, const struct own *own)
{
	_cleanup_close_ int fd = -1;
	char root[256];

	if (offline_cgroup_root(d->ctl, root, sizeof(root), &fd, NULL) < 0)
		return; /* the check of the hierarchy has said so */
	check_hook(d, own, fd, BPF_CGROUP_INET_INGRESS, "hook: cgroup ingress");
	check_hook(d, own, fd, BPF_CGROUP_INET_EGRESS, "hook: cgroup egress");
}

static void report_scheduler(struct doctor *d, const char *ops, bool pinned)
{
	char all[16];

	doctor_read_line("/sys/kernel/sched_ext/switch_all", all, sizeof(all));
	if (strncmp(ops, "prism", 5) != 0)
		doctor_report(d, "hook: sched_ext", VERDICT_WARN,
			      "stop the other scheduler first, or disable the sched module",
			      "the scheduler %s is loaded; prism does not eject it", ops);
	else if (!pinned)
		doctor_report(d, "hook: sched_ext", VERDICT_WARN,
			      "'ps -C prismd' shows whose it is; --bus-dir names its bus",
			      "the scheduler %s is loaded, and no pin of this bus holds it", ops);
	else
		doctor_report(d, "hook: sched_ext", VERDICT_OK, NULL, "%s, for %s", ops,
			      strcmp(all, "0") == 0 ? "the tasks that were chosen" : "every task");
}

static void check_scheduler(struct doctor *d, const struct own *own)
{
	char ops[128], state[32];

	doctor_read_line("/sys/kernel/sched_ext/root/ops", ops, sizeof(ops));
	doctor_read_line("/sys/kernel/sched_ext/state", state, sizeof(state));
	if (*ops)
		report_scheduler(d, ops, own->scheduler);
	else if (own->scheduler)
		doctor_report(
			d, "hook: sched_ext", VERDICT_WARN,
			"'prismctl module show sched' and dmesg say why; 'prismctl module reload sched' loads it again",
			"the scheduler that is pinned does not run: the kernel ejected it");
	else if (*state)
		doctor_report(d, "hook: sched_ext", VERDICT_OK, NULL, "no scheduler is loaded (%s)", state);
}

/* The function that an LSM program is attached to: "bpf_lsm_file_open" as file_open. */
static const char *lsm_hook(const struct btf *kernel, const struct bpf_prog_info *info)
{
	static const char prefix[] = "bpf_lsm_";
	const struct btf_type *t = kernel ? btf__type_by_id(kernel, info->attach_btf_id) : NULL;
	const char *name = t ? btf__name_by_offset(kernel, t->name_off) : NULL;

	return name && strncmp(name, prefix, sizeof(prefix) - 1) == 0 ? name + sizeof(prefix) - 1 : name;
}

static void check_lsm(struct doctor *d, const struct own *own)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	struct text foreign = {0};
	uint32_t id = 0;
	size_t ours = 0;

	while (bpf_prog_get_next_id(id, &id) == 0) {
		struct bpf_prog_info info = {0};

		if (program_info(id, &info) < 0 || info.type != BPF_PROG_TYPE_LSM)
			continue;
		if (is_own(own, id))
			ours++;
		else
			append_program(&foreign, id, lsm_hook(kernel, &info));
	}
	btf__free(kernel);
	doctor_report(d, "hook: LSM", VERDICT_OK, NULL, "%zu of prism's, %s%s", ours,
		      foreign.len ? "others run beside them: " : "no others", foreign.len ? foreign.data : "");
	text_done(&foreign);
}

void doctor_hooks(struct doctor *d)
{
	struct own own = {0};

	find_own(ctl_bus_dir(d->ctl), &own);
	check_network(d, &own);
	check_scheduler(d, &own);
	check_lsm(d, &own);
}
