// SPDX-License-Identifier: Apache-2.0
/* struct_ops maps of a leg: attached, outliving their loader, adopted by the same build alone, gone when they are to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <prism/fake_host.h>
#include <prism/leg.h>

#include "cc.h"
#include "leg_cc.skel.h"

static const struct prism_module module = {
	PRISM_MODULE_HEADER, .name = "leg", .version = "1", .summary = "stands for a module with a leg", .facet = "net",
};
static const char *const later[] = {"prism_later", NULL};

static struct prism_fake_host *fake;
static struct prism_host *host;

static int setup(void **state)
{
	(void)state;
	fake = prism_fake_host_new(&module, NULL);
	assert_non_null(fake);
	host = prism_fake_host_host(fake);
	return 0;
}

static int teardown(void **state)
{
	char dir[4096];

	(void)state;
	snprintf(dir, sizeof(dir), "%s", prism_pin_dir(host));
	prism_fake_host_free(fake);
	assert_int_equal(access(dir, F_OK), -1);
	assert_false(cc_available());
	return 0;
}

static bool logged(const char *what)
{
	const char *line;
	unsigned int i;

	for (i = 0; (line = prism_fake_host_log_line(fake, i)); i++)
		if (strstr(line, what))
			return true;
	return false;
}

static char *pin_path(const char *name)
{
	static char path[4200];

	snprintf(path, sizeof(path), "%s/%s", prism_pin_dir(host), name);
	return path;
}

static unsigned int pins(void)
{
	DIR *d = opendir(prism_pin_dir(host));
	struct dirent *entry;
	unsigned int n = 0;

	assert_non_null(d);
	while ((entry = readdir(d)))
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

static struct leg_cc_bpf *open_cc(uint32_t variant)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_cc_bpf *skel = leg_cc_bpf__open_opts(prism_leg_open_opts(host, &opts));

	assert_non_null(skel);
	cc_name(skel);
	skel->rodata->variant = variant;
	assert_int_equal(prism_leg_optional_members(host, skel->obj, skel->maps.test_cc, later), 1);
	return skel;
}

static struct leg_cc_bpf *start(uint32_t variant, struct prism_leg **ret_leg)
{
	struct leg_cc_bpf *skel = open_cc(variant);

	assert_int_equal(prism_leg_load(host, skel->skeleton, ret_leg), 0);
	assert_int_equal(prism_leg_attach_struct_ops(*ret_leg, skel->maps.test_cc), 0);
	return skel;
}

static void stop(struct prism_leg *leg, struct leg_cc_bpf *skel, enum prism_stop why)
{
	prism_leg_close(leg, why);
	leg_cc_bpf__destroy(skel);
}

static void start_and_leave(uint32_t variant)
{
	struct prism_leg *leg;
	struct leg_cc_bpf *skel = start(variant, &leg);

	stop(leg, skel, PRISM_STOP_SHUTDOWN);
}

/* Opens a build and tries to adopt with it. 1: did, and *ret_leg is set. */
static int adopt(struct leg_cc_bpf *skel, struct prism_leg **ret_leg)
{
	return prism_leg_adopt(host, skel->skeleton, skel->maps.test_cc, ret_leg);
}

/* What is pinned is not adopted and stays as it is; the log says why. */
static void refuses(struct leg_cc_bpf *skel, const char *why)
{
	struct prism_leg *leg = (void *)1;

	assert_int_equal(adopt(skel, &leg), 0);
	assert_ptr_equal(leg, (void *)1);
	assert_true(logged(why));
	assert_true(cc_available());
}

static void attached_and_pinned(void **state)
{
	struct prism_leg_link link = {};
	struct prism_leg *leg;
	struct leg_cc_bpf *skel;

	(void)state;
	assert_int_equal(prism_leg_pinned(host, "test_cc", &link), 0);
	skel = start(0, &leg);
	assert_true(cc_available());
	assert_int_equal(pins(), 3); /* settings, its link, its build */
	assert_int_equal(prism_leg_pinned(host, "test_cc", &link), 1);
	assert_int_equal(link.type, BPF_LINK_TYPE_STRUCT_OPS);
	assert_int_not_equal(link.map_id, 0);
	/* Two at a time is a mistake, and says what to do. */
	assert_int_equal(prism_leg_attach_struct_ops(leg, skel->maps.test_cc), -EEXIST);
	assert_non_null(strstr(prism_fake_host_reason(fake), "detach that first"));
	stop(leg, skel, PRISM_STOP_REMOVE);
	assert_false(cc_available());
	assert_int_equal(pins(), 0);
}

static void same_build_is_adopted(void **state)
{
	struct prism_leg_link before = {}, after = {};
	uint64_t cwnd = 7;
	uint32_t zero = 0;
	struct prism_leg *leg;
	struct leg_cc_bpf *skel = start(1, &leg);

	(void)state;
	assert_true(prism_fake_host_program(fake, "cc_ssthresh"));
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.settings), &zero, &cwnd, BPF_ANY), 0);
	stop(leg, skel, PRISM_STOP_SHUTDOWN);
	assert_true(cc_available());
	assert_int_equal(prism_leg_pinned(host, "test_cc", &before), 1);

	skel = open_cc(1);
	assert_int_equal(adopt(skel, &leg), 1);
	assert_int_equal(prism_leg_pinned(host, "test_cc", &after), 1);
	assert_int_equal(after.id, before.id);
	assert_int_equal(after.map_id, before.map_id);
	/* Its map is at hand and has what was put there; its programs are not loaded a second time. */
	cwnd = 0;
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.settings), &zero, &cwnd), 0);
	assert_int_equal(cwnd, 7);
	assert_true(bpf_program__fd(skel->progs.cc_ssthresh) < 0);
	assert_false(prism_fake_host_program(fake, "cc_ssthresh"));
	stop(leg, skel, PRISM_STOP_SHUTDOWN);
	assert_true(cc_available());

	/* And it can be taken away by who has adopted it. */
	skel = open_cc(1);
	assert_int_equal(adopt(skel, &leg), 1);
	stop(leg, skel, PRISM_STOP_REMOVE);
	assert_false(cc_available());
	assert_int_equal(pins(), 0);
}

static void other_build_takes_over(void **state)
{
	struct prism_leg_link before = {}, after = {};
	struct leg_cc_bpf *skel;
	struct prism_leg *leg;

	(void)state;
	start_and_leave(1);
	assert_int_equal(prism_leg_pinned(host, "test_cc", &before), 1);
	skel = open_cc(2);
	refuses(skel, "another build");
	assert_int_equal(prism_leg_load(host, skel->skeleton, &leg), 0);
	assert_int_equal(prism_leg_detach(leg, "test_cc"), 0);
	assert_false(cc_available());
	assert_int_equal(prism_leg_attach_struct_ops(leg, skel->maps.test_cc), 0);
	assert_int_equal(prism_leg_pinned(host, "test_cc", &after), 1);
	assert_int_not_equal(after.map_id, before.map_id);
	stop(leg, skel, PRISM_STOP_SHUTDOWN);
	/* From here on it is this one that is adopted. */
	skel = open_cc(2);
	assert_int_equal(adopt(skel, &leg), 1);
	stop(leg, skel, PRISM_STOP_SHUTDOWN);
}

/* What the structure says beside its callbacks belongs to the build. */
static void other_members_are_another_build(void **state)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_cc_bpf *skel;

	(void)state;
	start_and_leave(0);
	skel = leg_cc_bpf__open_opts(prism_leg_open_opts(host, &opts));
	assert_non_null(skel);
	refuses(skel, "another build"); /* the same, under the name that it was built with */
	leg_cc_bpf__destroy(skel);
}

static void put_build(const void *value)
{
	int fd = bpf_obj_get(pin_path("build-test_cc"));
	uint32_t zero = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &zero, value, BPF_ANY), 0);
	close(fd);
}

/* The record begins with the ids of its link, of the bus and of meta. */
static void record_of_another_is_not_believed(void **state)
{
	uint32_t record[6] = {}, zero = 0, kept;
	struct leg_cc_bpf *skel = open_cc(0);
	int fd;

	(void)state;
	start_and_leave(0);
	fd = bpf_obj_get(pin_path("build-test_cc"));
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, record), 0);
	close(fd);
	kept = record[0];
	record[0]++;
	put_build(record);
	refuses(skel, "which build attached it is not known");
	record[0] = kept;
	record[1]++;
	put_build(record);
	refuses(skel, "a bus that is not the host's any more");
	assert_int_equal(unlink(pin_path("build-test_cc")), 0);
	refuses(skel, "which build attached it is not known");
	leg_cc_bpf__destroy(skel);
}

static void lost_map_is_not_adopted(void **state)
{
	struct leg_cc_bpf *skel = open_cc(0);
	struct prism_leg *leg;

	(void)state;
	start_and_leave(0);
	assert_int_equal(bpf_map__set_max_entries(skel->maps.settings, 2), 0);
	refuses(skel, "another shape");
	leg_cc_bpf__destroy(skel);
	assert_int_equal(unlink(pin_path("settings")), 0);
	skel = open_cc(0);
	refuses(skel, "is not there");
	/* The same skeleton can still be loaded. */
	assert_int_equal(prism_leg_load(host, skel->skeleton, &leg), 0);
	assert_int_equal(prism_leg_detach(leg, "test_cc"), 0);
	assert_int_equal(prism_leg_attach_struct_ops(leg, skel->maps.test_cc), 0);
	stop(leg, skel, PRISM_STOP_REMOVE);
}

/* Detaches the pinned link as somebody else might; skips the test where the kernel cannot. */
static void detach_or_skip(void)
{
	int fd = bpf_obj_get(pin_path("link_test_cc")), r;

	assert_true(fd >= 0);
	r = bpf_link_detach(fd);
	close(fd);
	if (r != -EOPNOTSUPP) {
		assert_int_equal(r, 0);
		return;
	}
	print_message("UNSUPPORTED: this kernel (before 6.11) cannot detach struct_ops links\n");
	skip();
}

static void detached_link_is_not_adopted(void **state)
{
	struct prism_leg_link link = {.map_id = 1};
	struct prism_leg *leg = (void *)1;
	struct leg_cc_bpf *skel;

	(void)state;
	start_and_leave(0);
	detach_or_skip();
	assert_int_equal(prism_leg_pinned(host, "test_cc", &link), 1);
	assert_int_equal(link.map_id, 0);
	assert_false(cc_available());
	skel = open_cc(0);
	assert_int_equal(adopt(skel, &leg), 0);
	assert_ptr_equal(leg, (void *)1);
	assert_true(logged("it is detached"));
	leg_cc_bpf__destroy(skel);
}

/* Whoever else holds the link keeps no effect alive. */
static void held_link_does_not_act(void **state)
{
	struct bpf_link_info info = {};
	uint32_t len = sizeof(info);
	struct leg_cc_bpf *skel;
	struct prism_leg *leg;
	int held;

	(void)state;
	start_and_leave(0);
	detach_or_skip();
	assert_int_equal(unlink(pin_path("link_test_cc")), 0);
	skel = start(0, &leg);
	held = bpf_obj_get(pin_path("link_test_cc"));
	assert_true(held >= 0);
	stop(leg, skel, PRISM_STOP_REMOVE);
	assert_false(cc_available());
	assert_int_equal(bpf_link_get_info_by_fd(held, &info, &len), 0);
	assert_int_equal(info.struct_ops.map_id, 0);
	close(held);
}

static void unknown_members_are_left_out(void **state)
{
	static const char *const none[] = {"prism_never", NULL}, *const known[] = {"ssthresh", "undo_cwnd", NULL};
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_cc_bpf *skel = leg_cc_bpf__open_opts(prism_leg_open_opts(host, &opts));
	struct prism_leg *leg;

	(void)state;
	assert_non_null(skel);
	/* What the kernel knows is kept; what the object does not have is its author's mistake. */
	assert_int_equal(prism_leg_optional_members(host, skel->obj, skel->maps.test_cc, known), 0);
	assert_int_equal(prism_leg_optional_members(host, skel->obj, skel->maps.test_cc, none), -ENOENT);
	assert_int_equal(prism_leg_optional_members(host, skel->obj, skel->maps.settings, none), -EINVAL);
	assert_true(prism_leg_load(host, skel->skeleton, &leg) < 0);
	leg_cc_bpf__destroy(skel);

	skel = open_cc(0);
	assert_int_equal(prism_leg_optional_members(host, skel->obj, skel->maps.test_cc, later), 0);
	assert_int_equal(prism_leg_load(host, skel->skeleton, &leg), 0);
	assert_true(logged("has no prism_later: left out"));
	stop(leg, skel, PRISM_STOP_REMOVE);
}

static unsigned int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void no_descriptor_is_lost(void **state)
{
	unsigned int before;
	struct leg_cc_bpf *skel;
	struct prism_leg *leg;
	int i;

	(void)state;
	start_and_leave(0);
	before = open_fds();
	for (i = 0; i < 3; i++) {
		skel = open_cc(0);
		assert_int_equal(adopt(skel, &leg), 1);
		stop(leg, skel, PRISM_STOP_SHUTDOWN);
	}
	skel = open_cc(1);
	assert_int_equal(adopt(skel, &leg), 0);
	leg_cc_bpf__destroy(skel);
	assert_int_equal(open_fds(), before);
}

/* Links of struct_ops maps came with Linux 6.4. */
static void require_links(void)
{
	struct prism_fake_host *probe = prism_fake_host_new(&module, NULL);
	struct leg_cc_bpf *skel = NULL;
	struct prism_leg *leg = NULL;
	const char *why = NULL;
	int r;

	if (!probe || !prism_pin_dir(prism_fake_host_host(probe))) {
		why = "BPF and bpffs are not to be had";
	} else {
		host = prism_fake_host_host(probe);
		skel = open_cc(0);
		r = prism_leg_load(host, skel->skeleton, &leg);
		if (r == 0)
			r = prism_leg_attach_struct_ops(leg, skel->maps.test_cc);
		if (r < 0)
			why = "this kernel has no TCP congestion control by BPF, or no links for it (Linux 6.4)";
		stop(leg, skel, PRISM_STOP_REMOVE);
	}
	prism_fake_host_free(probe);
	if (!why)
		return;
	fprintf(stderr, "UNSUPPORTED: %s\n", why);
	exit(77);
}

#define LEG_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEG_TEST(attached_and_pinned),
		LEG_TEST(same_build_is_adopted),
		LEG_TEST(other_build_takes_over),
		LEG_TEST(other_members_are_another_build),
		LEG_TEST(record_of_another_is_not_believed),
		LEG_TEST(lost_map_is_not_adopted),
		LEG_TEST(detached_link_is_not_adopted),
		LEG_TEST(held_link_does_not_act),
		LEG_TEST(unknown_members_are_left_out),
		LEG_TEST(no_descriptor_is_lost),
	};

	require_links();
	return cmocka_run_group_tests_name("leg_struct_ops", tests, NULL, NULL);
}
