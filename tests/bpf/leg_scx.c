// SPDX-License-Identifier: Apache-2.0
/* A scheduler as a leg: what the SDK promises of struct_ops maps, where nothing but detaching and attaching works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <prism/fake_host.h>
#include <prism/leg.h>

#include "leg_scx.skel.h"

static const struct prism_module module = {
	PRISM_MODULE_HEADER, .name = "leg", .version = "1", .summary = "stands for a scheduler", .facet = "sched",
};

static struct prism_fake_host *fake;
static struct prism_host *host;

/* First line of a file in /sys/kernel/sched_ext; "" without one. */
static const char *scx(const char *name)
{
	static char line[128];
	char path[128];
	FILE *f;

	line[0] = '\0';
	snprintf(path, sizeof(path), "/sys/kernel/sched_ext/%s", name);
	f = fopen(path, "re");
	if (f && !fgets(line, sizeof(line), f))
		line[0] = '\0';
	if (f)
		fclose(f);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static int setup(void **state)
{
	(void)state;
	assert_string_equal(scx("state"), "disabled");
	fake = prism_fake_host_new(&module, NULL);
	assert_non_null(fake);
	host = prism_fake_host_host(fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	prism_fake_host_free(fake);
	assert_string_equal(scx("state"), "disabled");
	return 0;
}

static struct leg_scx_bpf *open_scheduler(uint32_t variant)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_scx_bpf *skel = leg_scx_bpf__open_opts(prism_leg_open_opts(host, &opts));

	assert_non_null(skel);
	skel->rodata->variant = variant;
	/* Set anew at each start: no part of the build. */
	skel->struct_ops.test_scx->hotplug_seq = strtoull(scx("hotplug_seq"), NULL, 10);
	return skel;
}

static struct leg_scx_bpf *start(uint32_t variant, struct prism_leg **ret_leg)
{
	struct leg_scx_bpf *skel = open_scheduler(variant);

	assert_int_equal(prism_leg_load(host, skel->skeleton, ret_leg), 0);
	assert_int_equal(prism_leg_attach_struct_ops(*ret_leg, skel->maps.test_scx), 0);
	assert_string_equal(scx("state"), "enabled");
	return skel;
}

static void stop(struct prism_leg *leg, struct leg_scx_bpf *skel, enum prism_stop why)
{
	prism_leg_close(leg, why);
	leg_scx_bpf__destroy(skel);
}

/* Somebody else's: no pin, gone with its link. */
static struct bpf_link *attach_foreign(struct leg_scx_bpf **ret_skel)
{
	struct leg_scx_bpf *skel = leg_scx_bpf__open();
	struct bpf_link *link;

	assert_non_null(skel);
	assert_int_equal(bpf_map__set_pin_path(skel->maps.ran, NULL), 0);
	snprintf((char *)memmem(skel->struct_ops.test_scx, sizeof(*skel->struct_ops.test_scx), "prism_test", 10), 11,
		 "%s", "foreign");
	assert_int_equal(leg_scx_bpf__load(skel), 0);
	link = bpf_map__attach_struct_ops(skel->maps.test_scx);
	*ret_skel = skel;
	return link;
}

static void detach_foreign(struct bpf_link *link, struct leg_scx_bpf *skel)
{
	bpf_link__destroy(link);
	leg_scx_bpf__destroy(skel);
}

static bool disabled(void)
{
	return strcmp(scx("state"), "disabled") == 0;
}

/* Asks again until it is so, for 5 s. */
static bool comes_true(bool (*condition)(void))
{
	int i;

	for (i = 0; i < 5000 && !condition(); i++)
		usleep(1000);
	return condition();
}

/* An operator's SysRq-S, or any other ejection: the scheduler is gone, its link is not. */
static void eject(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "S", 1), 1);
	close(fd);
	assert_true(comes_true(disabled));
}

static struct {
	int fd;
	uint64_t last;
} ran;

static bool goes_on(void)
{
	uint32_t zero = 0;
	uint64_t n = 0;

	assert_int_equal(bpf_map_lookup_elem(ran.fd, &zero, &n), 0);
	if (n > ran.last && ran.last)
		return true;
	ran.last = n;
	return false;
}

static void outlives_its_loader_and_is_adopted(void **state)
{
	struct prism_leg_link before = {}, after = {};
	struct prism_leg *leg;
	struct leg_scx_bpf *skel = start(0, &leg);

	(void)state;
	stop(leg, skel, PRISM_STOP_SHUTDOWN);
	assert_string_equal(scx("state"), "enabled");
	assert_int_equal(prism_leg_pinned(host, "test_scx", &before), 1);
	skel = open_scheduler(0);
	skel->struct_ops.test_scx->hotplug_seq++;
	assert_int_equal(prism_leg_adopt(host, skel->skeleton, skel->maps.test_scx, &leg), 1);
	assert_int_equal(prism_leg_pinned(host, "test_scx", &after), 1);
	assert_int_equal(after.map_id, before.map_id);
	ran.fd = bpf_map__fd(skel->maps.ran);
	ran.last = 0;
	assert_true(comes_true(goes_on));
	stop(leg, skel, PRISM_STOP_REMOVE);
	/* At once, not when the kernel gets round to it. */
	assert_string_equal(scx("state"), "disabled");
}

static void other_build_takes_over(void **state)
{
	struct prism_leg *leg;
	struct leg_scx_bpf *skel = start(0, &leg);

	(void)state;
	stop(leg, skel, PRISM_STOP_SHUTDOWN);
	skel = open_scheduler(1);
	assert_int_equal(prism_leg_adopt(host, skel->skeleton, skel->maps.test_scx, &leg), 0);
	assert_int_equal(prism_leg_load(host, skel->skeleton, &leg), 0);
	assert_int_equal(prism_leg_detach(leg, "test_scx"), 0);
	assert_string_equal(scx("state"), "disabled");
	assert_int_equal(prism_leg_attach_struct_ops(leg, skel->maps.test_scx), 0);
	assert_string_equal(scx("state"), "enabled");
	stop(leg, skel, PRISM_STOP_REMOVE);
}

static void foreign_scheduler_is_left_alone(void **state)
{
	struct leg_scx_bpf *foreign, *skel = open_scheduler(0);
	struct bpf_link *link = attach_foreign(&foreign);
	struct prism_leg *leg;

	(void)state;
	assert_non_null(link);
	assert_int_equal(prism_leg_load(host, skel->skeleton, &leg), 0);
	assert_int_equal(prism_leg_attach_struct_ops(leg, skel->maps.test_scx), -EBUSY);
	assert_string_equal(prism_fake_host_reason(fake), "");
	assert_string_equal(scx("root/ops"), "foreign");
	detach_foreign(link, foreign);
	/* The same loaded object can be attached once the other is gone. */
	assert_int_equal(prism_leg_attach_struct_ops(leg, skel->maps.test_scx), 0);
	assert_string_equal(scx("state"), "enabled");
	stop(leg, skel, PRISM_STOP_REMOVE);
}

static void ejected_one_can_be_attached_again(void **state)
{
	struct prism_leg_link pinned = {};
	struct prism_leg *leg;
	struct leg_scx_bpf *skel = start(0, &leg);

	(void)state;
	eject();
	/* The link knows nothing of it. */
	assert_int_equal(prism_leg_pinned(host, "test_scx", &pinned), 1);
	assert_int_not_equal(pinned.map_id, 0);
	assert_int_equal(prism_leg_detach(leg, "test_scx"), 0);
	assert_int_equal(prism_leg_attach_struct_ops(leg, skel->maps.test_scx), 0);
	assert_string_equal(scx("state"), "enabled");
	stop(leg, skel, PRISM_STOP_REMOVE);
}

/* Many kernels disable whichever scheduler runs when the link of any goes. */
static void dead_link_waits_for_the_foreign_one(void **state)
{
	struct prism_leg *leg;
	struct leg_scx_bpf *foreign, *skel = start(0, &leg);
	struct bpf_link *link;

	(void)state;
	eject();
	link = attach_foreign(&foreign);
	assert_non_null(link);
	assert_int_equal(prism_leg_detach(leg, "test_scx"), -EBUSY);
	assert_string_equal(prism_fake_host_reason(fake), "");
	assert_int_equal(prism_leg_pinned(host, "test_scx", NULL), 1);
	assert_string_equal(scx("root/ops"), "foreign");
	detach_foreign(link, foreign);
	assert_int_equal(prism_leg_detach(leg, "test_scx"), 0);
	assert_int_equal(prism_leg_pinned(host, "test_scx", NULL), 0);
	assert_int_equal(prism_leg_attach_struct_ops(leg, skel->maps.test_scx), 0);
	stop(leg, skel, PRISM_STOP_REMOVE);
}

#define LEG_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEG_TEST(outlives_its_loader_and_is_adopted),  LEG_TEST(other_build_takes_over),
		LEG_TEST(foreign_scheduler_is_left_alone),     LEG_TEST(ejected_one_can_be_attached_again),
		LEG_TEST(dead_link_waits_for_the_foreign_one),
	};

	if (!*scx("state")) {
		fprintf(stderr, "UNSUPPORTED: this kernel has no sched_ext (CONFIG_SCHED_CLASS_EXT, Linux 6.12)\n");
		return 77;
	}
	if (strcmp(scx("state"), "disabled") != 0) {
		fprintf(stderr, "UNSUPPORTED: the scheduler %s is loaded\n", scx("root/ops"));
		return 77;
	}
	return cmocka_run_group_tests_name("leg_scx", tests, NULL, NULL);
}
