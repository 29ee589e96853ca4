// SPDX-License-Identifier: Apache-2.0
/* The leg loader: pins, adoption, replacement without a gap, and a clean way out of each failure. */
#include "world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <prism/fake_host.h>
#include <prism/leg.h>

#include "leg.skel.h"
#include "leg_bad.skel.h"
#include "leg_counts.h"
#include "leg_next.skel.h"

#define WEB 300

static const struct prism_module module = {
	PRISM_MODULE_HEADER, .name = "leg", .version = "1", .summary = "stands for a module with a leg", .facet = "net",
};

static struct world world; /* its cgroups; the bus is the fake host's */
static struct prism_fake_host *fake;
static struct prism_host *host;
static uint64_t web;

static int setup(void **state)
{
	const struct prism_workload workload = {.size = sizeof(workload), .identity = WEB, .name = "shop/web"};

	(void)state;
	world_init(&world);
	web = world_cgroup(&world, "web");
	fake = prism_fake_host_new(&module, NULL);
	assert_non_null(fake);
	host = prism_fake_host_host(fake);
	assert_non_null(prism_pin_dir(host));
	assert_int_equal(prism_fake_host_identity(fake, PRISM_IDENTITY_ADDED, &workload, web), 0);
	return 0;
}

static int teardown(void **state)
{
	char dir[4096];

	(void)state;
	snprintf(dir, sizeof(dir), "%s", prism_pin_dir(host));
	prism_fake_host_free(fake);
	world_done(&world);
	assert_int_equal(access(dir, F_OK), -1);
	return 0;
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

static int open_pin(const char *name)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/%s", prism_pin_dir(host), name);
	return bpf_obj_get(path);
}

static uint32_t link_id(const char *name, uint32_t *ret_prog)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int fd = open_pin(name);

	assert_true(fd >= 0);
	assert_int_equal(bpf_link_get_info_by_fd(fd, &info, &len), 0);
	close(fd);
	*ret_prog = info.prog_id;
	return info.id;
}

static uint64_t count(enum count_slot slot)
{
	int fd = open_pin("counts");
	uint64_t value = 0;
	__u32 key = slot;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &value), 0);
	close(fd);
	return value;
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

/* One exec and one received packet in web. */
static void act(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int rx, tx;
	pid_t pid;
	char c;

	pid = world_process(&world, "web", true);
	world_process_end(&world, pid);
	world_enter(&world, "web");
	rx = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	world_enter(&world, "");
	tx = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(rx, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(rx, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(sendto(tx, "x", 1, 0, (struct sockaddr *)&address, len), 1);
	assert_int_equal(recv(rx, &c, 1, 0), 1);
	close(rx);
	close(tx);
}

static void attach_all(struct prism_leg *leg, struct bpf_program *exec, struct bpf_program *raw, struct bpf_program *tp,
		       struct bpf_program *ingress)
{
	assert_int_equal(prism_leg_attach(leg, exec), 0);
	assert_int_equal(prism_leg_attach(leg, raw), 0);
	assert_int_equal(prism_leg_attach(leg, tp), 0);
	assert_int_equal(prism_leg_attach_cgroup(leg, ingress, BPF_CGROUP_INET_INGRESS), 0);
}

static struct leg_bpf *start(struct prism_leg **ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_bpf *skel = leg_bpf__open_opts(prism_leg_open_opts(host, &opts));

	assert_non_null(skel);
	skel->rodata->watched_cgroup = web;
	assert_int_equal(prism_leg_load(host, skel->skeleton, ret), 0);
	attach_all(*ret, skel->progs.on_exec, skel->progs.on_raw, skel->progs.on_tracepoint, skel->progs.ingress);
	return skel;
}

/* slots: what `counts` is to have, so that its shape can differ. */
static struct leg_next_bpf *start_next(struct prism_leg **ret, unsigned int slots)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_next_bpf *skel = leg_next_bpf__open_opts(prism_leg_open_opts(host, &opts));

	assert_non_null(skel);
	skel->rodata->watched_cgroup = web;
	assert_int_equal(bpf_map__set_max_entries(skel->maps.counts, slots), 0);
	assert_int_equal(prism_leg_load(host, skel->skeleton, ret), 0);
	attach_all(*ret, skel->progs.on_exec, skel->progs.on_raw, skel->progs.on_tracepoint, skel->progs.ingress);
	return skel;
}

static void stop(struct prism_leg *leg, struct leg_bpf *skel, enum prism_stop why)
{
	prism_leg_close(leg, why);
	leg_bpf__destroy(skel);
}

static void start_and_leave(void)
{
	struct prism_leg *leg;
	struct leg_bpf *skel = start(&leg);

	stop(leg, skel, PRISM_STOP_SHUTDOWN);
}

static void stop_next(struct prism_leg *leg, struct leg_next_bpf *skel, enum prism_stop why)
{
	prism_leg_close(leg, why);
	leg_next_bpf__destroy(skel);
}

static void expect_counts(uint64_t each)
{
	assert_int_equal(count(COUNT_TP_BTF), each);
	assert_int_equal(count(COUNT_RAW_TP), each);
	assert_int_equal(count(COUNT_TRACEPOINT), each);
	assert_int_equal(count(COUNT_INGRESS), each);
}

static void sees_the_hosts_bus_and_its_facet(void **state)
{
	struct prism_leg *leg;
	struct leg_bpf *skel = start(&leg);

	(void)state;
	assert_int_equal(pins(), 5);
	act();
	expect_counts(1);
	assert_int_equal(count(COUNT_IDENTITY), WEB);
	assert_int_equal(count(COUNT_FACET), PRISM_FACET_BIT(PRISM_FACET_NET));
	stop(leg, skel, PRISM_STOP_REMOVE);
	assert_int_equal(pins(), 0);
}

static void outlives_its_loader(void **state)
{
	struct prism_leg *leg;
	struct leg_bpf *skel = start(&leg);

	(void)state;
	stop(leg, skel, PRISM_STOP_SHUTDOWN);
	assert_int_equal(pins(), 5);
	act();
	expect_counts(1);
}

static void next_one_adopts(void **state)
{
	uint32_t cgroup_prog, exec_prog, prog, cgroup_link, exec_link;
	struct prism_leg *leg;
	struct leg_next_bpf *next;

	(void)state;
	start_and_leave();
	cgroup_link = link_id("link_ingress", &cgroup_prog);
	exec_link = link_id("link_on_exec", &exec_prog);
	act();
	next = start_next(&leg, COUNT_SLOTS);
	assert_int_equal(pins(), 5);
	/* A cgroup link takes the new program in place; a tracing link is replaced. */
	assert_int_equal(link_id("link_ingress", &prog), cgroup_link);
	assert_int_not_equal(prog, cgroup_prog);
	assert_int_not_equal(link_id("link_on_exec", &prog), exec_link);
	assert_int_not_equal(prog, exec_prog);
	/* The map went on; the old programs are gone. */
	act();
	expect_counts(1001);
	stop_next(leg, next, PRISM_STOP_REMOVE);
}

static void map_of_another_shape_is_made_anew(void **state)
{
	struct prism_leg *leg;
	struct leg_next_bpf *next;

	(void)state;
	start_and_leave();
	act();
	next = start_next(&leg, COUNT_SLOTS + 1);
	assert_true(logged("/counts has another shape"));
	assert_int_equal(pins(), 5);
	act();
	expect_counts(1000);
	stop_next(leg, next, PRISM_STOP_REMOVE);
}

/* A build that is not loaded looks at what the one before it left. */
static void what_an_earlier_start_left_is_read(void **state)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_next_bpf *next = leg_next_bpf__open_opts(prism_leg_open_opts(host, &opts));
	uint64_t value = 7;
	uint32_t half;
	int fd;

	(void)state;
	assert_non_null(next);
	assert_int_equal(prism_leg_open_map(host, next->maps.counts, true), -ENOENT);
	assert_int_equal(prism_leg_read_map(host, "counts", &value, sizeof(value)), -ENOENT);
	assert_int_equal(value, 7);
	start_and_leave();
	act();
	fd = prism_leg_open_map(host, next->maps.counts, false);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(prism_leg_read_map(host, "counts", &value, sizeof(value)), 0);
	assert_int_equal(value, 1);
	assert_int_equal(prism_leg_read_map(host, "counts", &half, sizeof(half)), -EINVAL);
	assert_int_equal(prism_leg_read_map(host, "link_on_exec", &value, sizeof(value)), -EINVAL);
	assert_int_equal(bpf_map__set_max_entries(next->maps.counts, COUNT_SLOTS + 1), 0);
	assert_int_equal(prism_leg_open_map(host, next->maps.counts, false), -EINVAL);
	fd = prism_leg_open_map(host, next->maps.counts, true);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(bpf_map__set_value_size(next->maps.counts, sizeof(half)), 0);
	assert_int_equal(prism_leg_open_map(host, next->maps.counts, true), -EINVAL);
	leg_next_bpf__destroy(next);
}

/* A pinned link to a cgroup that is not the root of the hierarchy any more. */
static void pin_foreign_link(struct leg_bpf *skel, const char *cgroup)
{
	int dir = world_cgroup_fd(&world, cgroup), fd;
	char path[4200];

	fd = bpf_link_create(bpf_program__fd(skel->progs.ingress), dir, BPF_CGROUP_INET_INGRESS, NULL);
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/link_ingress", prism_pin_dir(host));
	unlink(path);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
	close(dir);
}

static void link_elsewhere_is_replaced(void **state)
{
	struct prism_leg *leg;
	struct leg_bpf *skel = start(&leg);
	uint32_t prog, elsewhere;

	(void)state;
	pin_foreign_link(skel, "");
	elsewhere = link_id("link_ingress", &prog);
	assert_int_equal(prism_leg_attach_cgroup(leg, skel->progs.ingress, BPF_CGROUP_INET_INGRESS), 0);
	assert_int_not_equal(link_id("link_ingress", &prog), elsewhere);
	assert_true(logged("dead or attached elsewhere"));
	act();
	assert_int_equal(count(COUNT_INGRESS), 1);
	stop(leg, skel, PRISM_STOP_REMOVE);
}

static void dead_link_is_replaced(void **state)
{
	struct prism_leg *leg;
	struct leg_bpf *skel = start(&leg);
	char path[4200];

	(void)state;
	world_cgroup(&world, "gone");
	pin_foreign_link(skel, "gone");
	snprintf(path, sizeof(path), "%s/gone", world.root);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(prism_leg_attach_cgroup(leg, skel->progs.ingress, BPF_CGROUP_INET_INGRESS), 0);
	act();
	assert_int_equal(count(COUNT_INGRESS), 1);
	stop(leg, skel, PRISM_STOP_REMOVE);
}

/* A link of another kind under the name: the program's type changed between builds. */
static void link_of_another_kind_is_replaced(void **state)
{
	struct prism_leg *leg;
	struct leg_bpf *skel = start(&leg);
	char from[4200], to[4200];

	(void)state;
	snprintf(from, sizeof(from), "%s/link_on_exec", prism_pin_dir(host));
	snprintf(to, sizeof(to), "%s/link_ingress", prism_pin_dir(host));
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(prism_leg_attach_cgroup(leg, skel->progs.ingress, BPF_CGROUP_INET_INGRESS), 0);
	act();
	assert_int_equal(count(COUNT_INGRESS), 1);
	assert_int_equal(count(COUNT_TP_BTF), 0);
	stop(leg, skel, PRISM_STOP_REMOVE);
}

static void detach_takes_one_link(void **state)
{
	struct prism_leg *leg;
	struct leg_bpf *skel = start(&leg);

	(void)state;
	assert_int_equal(prism_leg_detach(leg, "on_exec"), 0);
	assert_int_equal(prism_leg_detach(leg, "never_was"), 0);
	assert_int_equal(pins(), 4);
	act();
	assert_int_equal(count(COUNT_TP_BTF), 0);
	assert_int_equal(count(COUNT_RAW_TP), 1);
	stop(leg, skel, PRISM_STOP_REMOVE);
}

/* Whoever else holds the link keeps no packet counted. */
static void removed_cgroup_link_acts_no_more(void **state)
{
	struct prism_leg *leg;
	struct leg_bpf *skel = start(&leg);
	int link = open_pin("link_ingress"), counts = open_pin("counts");
	uint32_t key = COUNT_INGRESS;
	uint64_t value = 1;

	(void)state;
	assert_true(link >= 0 && counts >= 0);
	stop(leg, skel, PRISM_STOP_REMOVE);
	act();
	assert_int_equal(bpf_map_lookup_elem(counts, &key, &value), 0);
	assert_int_equal(value, 0);
	close(link);
	close(counts);
}

static void refused_program_is_explained(void **state)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_bad_bpf *skel = leg_bad_bpf__open_opts(prism_leg_open_opts(host, &opts));
	struct prism_leg *leg = (void *)1;

	(void)state;
	assert_non_null(skel);
	assert_int_equal(prism_leg_load(host, skel->skeleton, &leg), -EACCES);
	assert_ptr_equal(leg, (void *)1);
	assert_non_null(strstr(prism_fake_host_reason(fake), "BPF load: prog 'unchecked': BPF program load failed"));
	assert_non_null(strstr(prism_fake_host_reason(fake), "map_value_or_null"));
	assert_true(logged("debug: verifier: "));
	leg_bad_bpf__destroy(skel);
	assert_int_equal(pins(), 0);
}

static void unopened_object_is_an_error(void **state)
{
	struct prism_leg *leg = (void *)1;

	(void)state;
	errno = ENOENT;
	assert_int_equal(prism_leg_load(host, NULL, &leg), -ENOENT);
	assert_ptr_equal(leg, (void *)1);
	assert_string_equal(prism_fake_host_reason(fake),
			    "BPF load: the BPF object cannot be opened: No such file or directory");
	prism_leg_close(NULL, PRISM_STOP_REMOVE);
}

static void failed_attach_leaves_nothing(void **state)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_bpf *skel = leg_bpf__open_opts(prism_leg_open_opts(host, &opts));
	struct prism_leg *leg;

	(void)state;
	assert_int_equal(prism_leg_load(host, skel->skeleton, &leg), 0);
	assert_int_equal(pins(), 1);
	/* Not its hook, and not a hook that attach() is for. */
	assert_true(prism_leg_attach_cgroup(leg, skel->progs.on_exec, BPF_CGROUP_INET_INGRESS) < 0);
	assert_non_null(strstr(prism_fake_host_reason(fake), "attach on_exec: "));
	assert_int_equal(prism_leg_attach(leg, skel->progs.ingress), -EOPNOTSUPP);
	assert_int_equal(pins(), 1);
	stop(leg, skel, PRISM_STOP_REMOVE);
	assert_int_equal(pins(), 0);
}

static bool told(const char *const *programs, bool what)
{
	for (; *programs; programs++)
		if (prism_fake_host_program(fake, *programs) != what)
			return false;
	return true;
}

/* The host hears of every program that was loaded, until the leg is closed. */
static void host_hears_of_programs(void **state)
{
	static const char *const programs[] = {"on_exec", "on_raw", "on_tracepoint", "ingress", NULL};
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct leg_bpf *skel = leg_bpf__open_opts(prism_leg_open_opts(host, &opts));
	struct prism_leg *leg;

	(void)state;
	assert_int_equal(bpf_program__set_autoload(skel->progs.on_raw, false), 0);
	assert_int_equal(prism_leg_load(host, skel->skeleton, &leg), 0);
	assert_true(prism_fake_host_program(fake, "on_exec"));
	assert_false(prism_fake_host_program(fake, "on_raw"));
	stop(leg, skel, PRISM_STOP_SHUTDOWN);
	assert_true(told(programs, false));
	skel = start(&leg);
	assert_true(told(programs, true));
	stop(leg, skel, PRISM_STOP_REMOVE);
	assert_true(told(programs, false));
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
	struct prism_leg *leg;
	int i;

	(void)state;
	start_and_leave();
	before = open_fds();
	for (i = 0; i < 5; i++) {
		struct leg_bpf *skel = start(&leg);

		stop(leg, skel, i % 2 ? PRISM_STOP_REMOVE : PRISM_STOP_REPLACE);
	}
	assert_int_equal(open_fds(), before);
}

#define LEG_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LEG_TEST(sees_the_hosts_bus_and_its_facet),
		LEG_TEST(outlives_its_loader),
		LEG_TEST(next_one_adopts),
		LEG_TEST(what_an_earlier_start_left_is_read),
		LEG_TEST(map_of_another_shape_is_made_anew),
		LEG_TEST(link_elsewhere_is_replaced),
		LEG_TEST(dead_link_is_replaced),
		LEG_TEST(link_of_another_kind_is_replaced),
		LEG_TEST(detach_takes_one_link),
		LEG_TEST(removed_cgroup_link_acts_no_more),
		LEG_TEST(refused_program_is_explained),
		LEG_TEST(unopened_object_is_an_error),
		LEG_TEST(failed_attach_leaves_nothing),
		LEG_TEST(host_hears_of_programs),
		LEG_TEST(no_descriptor_is_lost),
	};

	world_require();
	return cmocka_run_group_tests_name("leg", tests, NULL, NULL);
}
