// SPDX-License-Identifier: Apache-2.0
/* What the host takes away of a module acts no more: also when it is not prismd that holds the last reference. */
#include "world.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "cc.h"
#include "host/pins.h"
#include "leg_cc.skel.h"

static struct world world;
static char root[128];

static char *in_root(const char *name)
{
	static char path[4][256];
	static unsigned int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", root, name);
	return p;
}

static int setup(void **state)
{
	(void)state;
	world_init(&world);
	world_cgroup(&world, "web");
	snprintf(root, sizeof(root), "/sys/fs/bpf/prism-test-%d", (int)getpid());
	assert_int_equal(mkdir(root, 0700), 0);
	assert_int_equal(pins_make(root, "leg", NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pins_remove(root, "leg", NULL, NULL);
	unlink(in_root("foreign"));
	world_done(&world);
	assert_int_equal(rmdir(root), 0);
	return 0;
}

/* A program that lets every packet pass, on a cgroup; returns the link. */
static int attach_cgroup(void)
{
	struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET_INGRESS);
	int prog = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "pass", "GPL", insns, 2, &opts);
	int cgroup = world_cgroup_fd(&world, "web"), link;

	assert_true(prog >= 0);
	link = bpf_link_create(prog, cgroup, BPF_CGROUP_INET_INGRESS, NULL);
	assert_true(link >= 0);
	close(prog);
	close(cgroup);
	return link;
}

static bool attached_to_cgroup(void)
{
	int cgroup = world_cgroup_fd(&world, "web");
	__u32 ids[4], n = 4;

	assert_int_equal(bpf_prog_query(cgroup, BPF_CGROUP_INET_INGRESS, 0, NULL, ids, &n), 0);
	close(cgroup);
	return n > 0;
}

/* -1: this kernel has none of it. */
static int attach_struct_ops(void)
{
	struct leg_cc_bpf *skel = leg_cc_bpf__open();
	struct bpf_link *link = NULL;
	int fd = -1;

	assert_non_null(skel);
	cc_name(skel);
	skel->struct_ops.test_cc->prism_later = NULL;
	assert_int_equal(bpf_map__set_pin_path(skel->maps.settings, NULL), 0);
	if (!leg_cc_bpf__load(skel))
		link = bpf_map__attach_struct_ops(skel->maps.test_cc);
	if (link)
		fd = dup(bpf_link__fd(link));
	bpf_link__destroy(link);
	leg_cc_bpf__destroy(skel);
	return fd;
}

static void removed_links_act_no_more(void **state)
{
	int cgroup = attach_cgroup(), ops = attach_struct_ops();
	struct error e = {};

	(void)state;
	assert_int_equal(bpf_obj_pin(cgroup, in_root("leg/link_ingress")), 0);
	assert_int_equal(ops < 0 ? 0 : bpf_obj_pin(ops, in_root("leg/link_test_cc")), 0);
	assert_true(attached_to_cgroup());
	assert_int_equal(cc_available(), ops >= 0);
	/* Both are still held here. */
	assert_int_equal(pins_remove(root, "leg", NULL, &e), 0);
	assert_false(attached_to_cgroup());
	assert_false(cc_available());
	assert_int_equal(access(in_root("leg"), F_OK), -1);
	close(cgroup);
	if (ops >= 0)
		close(ops);
}

static bool keep_none(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return false;
}

/* The module was taken out of the configuration while no prismd ran. */
static void swept_links_act_no_more(void **state)
{
	int cgroup = attach_cgroup(), ops = attach_struct_ops();

	(void)state;
	assert_int_equal(bpf_obj_pin(cgroup, in_root("leg/link_ingress")), 0);
	assert_int_equal(ops < 0 ? 0 : bpf_obj_pin(ops, in_root("leg/link_test_cc")), 0);
	close(cgroup);
	if (ops >= 0)
		close(ops);
	assert_true(attached_to_cgroup());
	pins_sweep(root, keep_none, NULL);
	assert_false(attached_to_cgroup());
	assert_false(cc_available());
	assert_int_equal(access(in_root("leg"), F_OK), -1);
}

static void kept_links_go_on(void **state)
{
	int cgroup = attach_cgroup();
	struct pins_list before;

	(void)state;
	assert_int_equal(bpf_obj_pin(cgroup, in_root("leg/link_ingress")), 0);
	close(cgroup);
	pins_list(root, "leg", &before);
	assert_int_equal(pins_remove(root, "leg", &before, NULL), 0);
	pins_list_done(&before);
	assert_true(attached_to_cgroup());
	assert_int_equal(pins_remove(root, "leg", NULL, NULL), 0);
	assert_false(attached_to_cgroup());
}

/* What a symbolic link points to is not the module's. */
static void foreign_links_go_on(void **state)
{
	int cgroup = attach_cgroup();

	(void)state;
	assert_int_equal(bpf_obj_pin(cgroup, in_root("foreign")), 0);
	close(cgroup);
	assert_int_equal(symlink(in_root("foreign"), in_root("leg/link_ingress")), 0);
	assert_int_equal(pins_remove(root, "leg", NULL, NULL), 0);
	assert_true(attached_to_cgroup());
	assert_int_equal(unlink(in_root("foreign")), 0);
}

#define PINS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PINS_TEST(removed_links_act_no_more),
		PINS_TEST(swept_links_act_no_more),
		PINS_TEST(kept_links_go_on),
		PINS_TEST(foreign_links_go_on),
	};

	world_require();
	return cmocka_run_group_tests_name("pins", tests, NULL, NULL);
}
