// SPDX-License-Identifier: Apache-2.0
/* net counts what was sent: real sockets in real cgroups, and the figures to the packet. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "sandbox.h"
#include "traffic.h"

#define ID_A 1001u
#define ID_B 1002u
#define HASH_A 0xaaaaull
#define HASH_B 0xbbbbull

struct fixture {
	struct prism_fake_host *fake;
	struct sandbox_cgroup a; /* ID_A is on the bus */
	struct sandbox_cgroup b; /* nothing is, until a test puts it there */
};

static const struct prism_module *module;

static int begin(void **state, const char *config)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->fake = sandbox_host_new(module, config);
	assert_non_null(f->fake);
	sandbox_cgroup_make(f->fake, "a", &f->a);
	sandbox_cgroup_make(f->fake, "b", &f->b);
	if (prism_fake_host_start(f->fake))
		fail_msg("%s", prism_fake_host_reason(f->fake));
	sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, ID_A, HASH_A, &f->a);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return begin(state, NULL);
}

static int setup_small(void **state)
{
	return begin(state, "max_identities: 1\n");
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	sandbox_host_free(f->fake);
	sandbox_cgroup_remove(&f->a);
	sandbox_cgroup_remove(&f->b);
	test_free(f);
	return 0;
}

static double sample(struct fixture *f, const char *metric, uint32_t identity, const char *direction, int family)
{
	char labels[64];

	snprintf(labels, sizeof(labels), "direction=\"%s\",family=\"%s\"", direction,
		 family == AF_INET ? "ipv4" : "ipv6");
	return prism_fake_host_sample(f->fake, metric, identity, labels);
}

static double packets(struct fixture *f, uint32_t identity, const char *direction, int family)
{
	return sample(f, "prism_net_packets_total", identity, direction, family);
}

static double bytes(struct fixture *f, uint32_t identity, const char *direction, int family)
{
	return sample(f, "prism_net_bytes_total", identity, direction, family);
}

static void assert_counted(struct fixture *f, uint32_t identity, int family, uint64_t n, uint64_t n_bytes)
{
	assert_int_equal((uint64_t)packets(f, identity, "egress", family), n);
	assert_int_equal((uint64_t)packets(f, identity, "ingress", family), n);
	assert_int_equal((uint64_t)bytes(f, identity, "egress", family), n_bytes);
	assert_int_equal((uint64_t)bytes(f, identity, "ingress", family), n_bytes);
}

static void test_udp_is_counted_to_the_packet(void **state)
{
	struct fixture *f = *state;
	struct udp_job v4 = {.family = AF_INET, .n = 1000, .size = 100, .cpu = -1};
	struct udp_job v6 = {.family = AF_INET6, .n = 500, .size = 333, .cpu = -1};

	assert_counted(f, ID_A, AF_INET, 0, 0);
	sandbox_run(&f->a, udp_job_run, &v4);
	assert_counted(f, ID_A, AF_INET, 1000, 1000 * (100 + UDP4_HEADERS));
	assert_counted(f, ID_A, AF_INET6, 0, 0);
	sandbox_run(&f->a, udp_job_run, &v6);
	assert_counted(f, ID_A, AF_INET, 1000, 1000 * (100 + UDP4_HEADERS));
	assert_counted(f, ID_A, AF_INET6, 500, 500 * (333 + UDP6_HEADERS));
}

/* Larger than the interface's MTU: one packet at the network layer out; in, one once it is put together again. */
static void test_a_fragmented_datagram_is_one_packet(void **state)
{
	struct fixture *f = *state;
	struct udp_job job = {.family = AF_INET, .n = 10, .size = 65507, .cpu = -1};

	sandbox_run(&f->a, udp_job_run, &job);
	assert_counted(f, ID_A, AF_INET, 10, 10 * (65507 + UDP4_HEADERS));
}

static void test_flip(void **state)
{
	struct fixture *f = *state;
	struct udp_job job = {.family = AF_INET, .n = 300, .size = 50, .cpu = -1};
	double unmanaged = packets(f, PRISM_ID_UNMANAGED, "egress", AF_INET);

	sandbox_run(&f->b, udp_job_run, &job);
	/* Others on this machine are unmanaged too. */
	assert_true(packets(f, PRISM_ID_UNMANAGED, "egress", AF_INET) >= unmanaged + 300);
	assert_true(isnan(packets(f, ID_B, "egress", AF_INET)));

	sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, ID_B, HASH_B, &f->b);
	sandbox_run(&f->b, udp_job_run, &job);
	assert_counted(f, ID_B, AF_INET, 300, 300 * (50 + UDP4_HEADERS));
	assert_counted(f, ID_A, AF_INET, 0, 0);
}

static bool tcp_agrees(struct fixture *f, const struct tcp_job *job)
{
	uint32_t out = job->segments_out, in = job->segments_in;

	/* A program that is under way on another CPU may have counted the packet and not yet its bytes. */
	return job->done && (uint32_t)packets(f, ID_A, "egress", job->family) == out &&
	       (uint32_t)packets(f, ID_A, "ingress", job->family) == in &&
	       packets(f, ID_B, "ingress", job->family) == packets(f, ID_A, "egress", job->family) &&
	       bytes(f, ID_B, "ingress", job->family) == bytes(f, ID_A, "egress", job->family);
}

#define SYNACK6 80 /* IPv6 40, TCP 20, options 20 */

/*
 * The client's counters against the kernel's own count of its segments, the server's against the client's. Older
 * kernels (6.1) run no egress program for the SYN-ACK of an IPv6 listener.
 */
static void check_tcp(struct fixture *f, int family)
{
	struct tcp_job *job = sandbox_shared(sizeof(*job));
	pid_t server, client;
	double synack;
	time_t end;

	job->family = family;
	job->rounds = 500;
	server = sandbox_spawn(&f->b, tcp_server_run, job);
	client = sandbox_spawn(&f->a, tcp_client_run, job);
	for (end = time(NULL) + 10; !tcp_agrees(f, job) && time(NULL) < end;)
		sched_yield();
	assert_int_equal((uint32_t)packets(f, ID_A, "egress", family), job->segments_out);
	assert_int_equal((uint32_t)packets(f, ID_A, "ingress", family), job->segments_in);
	assert_true(job->segments_out > 500);
	assert_true(packets(f, ID_B, "ingress", family) == packets(f, ID_A, "egress", family));
	assert_true(bytes(f, ID_B, "ingress", family) == bytes(f, ID_A, "egress", family));
	synack = packets(f, ID_A, "ingress", family) - packets(f, ID_B, "egress", family);
	assert_true(synack == 0 || (family == AF_INET6 && synack == 1));
	assert_true(bytes(f, ID_A, "ingress", family) - bytes(f, ID_B, "egress", family) == synack * SYNACK6);
	job->counted = true;
	assert_int_equal(sandbox_wait(client), 0);
	assert_int_equal(sandbox_wait(server), 0);
}

static void test_tcp_agrees_with_the_kernel(void **state)
{
	struct fixture *f = *state;

	sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, ID_B, HASH_B, &f->b);
	check_tcp(f, AF_INET);
	check_tcp(f, AF_INET6);
}

/* Senders on all CPUs add to the same row; on each, the softirq that delivers interrupts the system call that sends. */
static void test_all_cpus_at_once(void **state)
{
	struct fixture *f = *state;
	int cpus = get_nprocs();
	struct udp_job *jobs = sandbox_shared((size_t)cpus * 2 * sizeof(*jobs));
	pid_t *pids = test_calloc((size_t)cpus * 2, sizeof(*pids));

	for (int i = 0; i < cpus * 2; i++) {
		jobs[i] = (struct udp_job){.family = AF_INET, .n = 30000, .size = 64, .cpu = i % cpus};
		pids[i] = sandbox_spawn(&f->a, udp_job_run, &jobs[i]);
	}
	for (int i = 0; i < cpus * 2; i++)
		assert_int_equal(sandbox_wait(pids[i]), 0);
	test_free(pids);
	assert_counted(f, ID_A, AF_INET, (uint64_t)cpus * 60000, (uint64_t)cpus * 60000 * (64 + UDP4_HEADERS));
}

static void wait_for_packets(struct udp_job *job, uint64_t more)
{
	uint64_t until = job->sent + more;

	while (job->sent < until)
		sched_yield();
}

/* Stopped and started again, and given other programs, while packets run: each is counted, once. */
static void test_counters_go_on_across_starts(void **state)
{
	struct fixture *f = *state;
	struct udp_job *job = sandbox_shared(sizeof(*job));
	pid_t pid;

	*job = (struct udp_job){.family = AF_INET, .size = 10, .cpu = -1};
	pid = sandbox_spawn(&f->a, udp_job_run, job);
	for (int i = 0; i < 10; i++) {
		wait_for_packets(job, 200);
		assert_int_equal(prism_fake_host_stop(f->fake, i % 2 ? PRISM_STOP_SHUTDOWN : PRISM_STOP_REPLACE), 0);
		wait_for_packets(job, 200);
		assert_int_equal(prism_fake_host_start(f->fake), 0);
	}
	job->stop = true;
	assert_int_equal(sandbox_wait(pid), 0);
	assert_true(job->sent >= 4000);
	assert_counted(f, ID_A, AF_INET, job->sent, job->sent * (10 + UDP4_HEADERS));
}

static unsigned int pins(struct fixture *f)
{
	DIR *dir = opendir(prism_pin_dir(prism_fake_host_host(f->fake)));
	struct dirent *entry;
	unsigned int n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static uint32_t pinned_program(struct fixture *f, const char *link)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", prism_pin_dir(prism_fake_host_host(f->fake)), link);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	assert_int_equal(bpf_link_get_info_by_fd(fd, &info, &size), 0);
	close(fd);
	return info.prog_id;
}

static bool attached(struct fixture *f, enum bpf_attach_type type, uint32_t program)
{
	uint32_t ids[256], n = 256, flags;

	assert_int_equal(bpf_prog_query(prism_cgroup_fd(prism_fake_host_host(f->fake)), type, 0, &flags, ids, &n), 0);
	for (uint32_t i = 0; i < n; i++) {
		if (ids[i] == program)
			return true;
	}
	return false;
}

/* The kernel lets go of an unpinned link in its own time. */
static void assert_gone(struct fixture *f, enum bpf_attach_type type, uint32_t program)
{
	time_t end = time(NULL) + 10;

	while (attached(f, type, program)) {
		assert_true(time(NULL) < end);
		sched_yield();
	}
}

static void test_remove_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	uint32_t ingress = pinned_program(f, "link_net_ingress"), egress = pinned_program(f, "link_net_egress");

	assert_true(attached(f, BPF_CGROUP_INET_INGRESS, ingress));
	assert_true(attached(f, BPF_CGROUP_INET_EGRESS, egress));
	assert_true(prism_fake_host_facet(f->fake, ID_A));
	assert_int_equal(prism_fake_host_stop(f->fake, PRISM_STOP_REMOVE), 0);
	assert_int_equal(pins(f), 0);
	assert_gone(f, BPF_CGROUP_INET_INGRESS, ingress);
	assert_gone(f, BPF_CGROUP_INET_EGRESS, egress);
	assert_false(prism_fake_host_facet(f->fake, ID_A));
}

static int send_from_b(void *arg)
{
	struct fixture *f = arg;
	struct udp_pair pair;

	udp_pair_make(AF_INET, &pair);
	sandbox_join(&f->b);
	udp_pair_send(&pair, 250, 20, NULL);
	return 0;
}

/* A socket made in one cgroup and used from another: the sender is not who `current` is. */
static void test_a_socket_belongs_to_the_cgroup_that_made_it(void **state)
{
	struct fixture *f = *state;

	sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, ID_B, HASH_B, &f->b);
	sandbox_run(&f->a, send_from_b, f);
	assert_counted(f, ID_A, AF_INET, 250, 250 * (20 + UDP4_HEADERS));
	assert_counted(f, ID_B, AF_INET, 0, 0);
}

static void test_a_child_cgroup_counts_for_its_workload(void **state)
{
	struct fixture *f = *state;
	struct udp_job job = {.family = AF_INET6, .n = 40, .size = 1, .cpu = -1};
	struct sandbox_cgroup child;

	sandbox_cgroup_below(&f->a, "x", &child);
	sandbox_run(&child, udp_job_run, &job);
	sandbox_cgroup_remove(&child);
	assert_counted(f, ID_A, AF_INET6, 40, 40 * (1 + UDP6_HEADERS));
}

static void test_overflow_is_counted(void **state)
{
	struct fixture *f = *state;
	struct udp_job job = {.family = AF_INET, .n = 123, .size = 7, .cpu = -1};
	double before = sample(f, "prism_net_overflow_total", 0, "egress", AF_INET);
	struct prism_workload workload = {.size = sizeof(workload), .identity = ID_B};
	uint32_t identity;

	for (identity = 2000; identity < 2300; identity++)
		sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, identity, identity, NULL);
	sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, ID_B, HASH_B, &f->b);
	sandbox_run(&f->b, udp_job_run, &job);
	assert_true(isnan(packets(f, ID_B, "egress", AF_INET)));
	assert_true(sample(f, "prism_net_overflow_total", 0, "egress", AF_INET) == before + 123);
	assert_true(sample(f, "prism_net_overflow_bytes_total", 0, "ingress", AF_INET) == 123 * (7 + UDP4_HEADERS));
	assert_non_null(strstr(prism_fake_host_explain(f->fake, &workload), "max_identities"));

	/* There is room again: the next packet makes the row itself. */
	sandbox_identity(f->fake, PRISM_IDENTITY_REMOVED, 2000, 2000, NULL);
	sandbox_identity(f->fake, PRISM_IDENTITY_RELEASED, 2000, 2000, NULL);
	sandbox_run(&f->b, udp_job_run, &job);
	assert_counted(f, ID_B, AF_INET, 123, 123 * (7 + UDP4_HEADERS));
}

static void test_a_row_stays_until_its_number_is_released(void **state)
{
	struct fixture *f = *state;
	struct udp_job job = {.family = AF_INET, .n = 5, .size = 5, .cpu = -1};

	sandbox_run(&f->a, udp_job_run, &job);
	sandbox_identity(f->fake, PRISM_IDENTITY_REMOVED, ID_A, HASH_A, &f->a);
	assert_counted(f, ID_A, AF_INET, 5, 5 * (5 + UDP4_HEADERS));
	/* The same workload comes back within the hold-back: its counter goes on. */
	sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, ID_A, HASH_A, &f->a);
	sandbox_run(&f->a, udp_job_run, &job);
	assert_counted(f, ID_A, AF_INET, 10, 10 * (5 + UDP4_HEADERS));
	sandbox_identity(f->fake, PRISM_IDENTITY_REMOVED, ID_A, HASH_A, &f->a);
	sandbox_identity(f->fake, PRISM_IDENTITY_RELEASED, ID_A, HASH_A, NULL);
	assert_true(isnan(packets(f, ID_A, "egress", AF_INET)));
}

static void test_rows_of_numbers_released_meanwhile_go(void **state)
{
	struct fixture *f = *state;
	struct udp_job job = {.family = AF_INET, .n = 9, .size = 5, .cpu = -1};

	sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, ID_B, HASH_B, &f->b);
	sandbox_run(&f->a, udp_job_run, &job);
	sandbox_run(&f->b, udp_job_run, &job);
	assert_int_equal(prism_fake_host_stop(f->fake, PRISM_STOP_SHUTDOWN), 0);
	sandbox_identity(f->fake, PRISM_IDENTITY_REMOVED, ID_A, HASH_A, &f->a);
	sandbox_identity(f->fake, PRISM_IDENTITY_RELEASED, ID_A, HASH_A, NULL);
	assert_int_equal(prism_fake_host_start(f->fake), 0);
	assert_true(isnan(packets(f, ID_A, "egress", AF_INET)));
	assert_counted(f, ID_B, AF_INET, 9, 9 * (5 + UDP4_HEADERS));
}

static void test_a_row_never_changes_its_owner(void **state)
{
	struct fixture *f = *state;
	struct udp_job job = {.family = AF_INET, .n = 9, .size = 5, .cpu = -1};

	sandbox_run(&f->a, udp_job_run, &job);
	assert_int_equal(prism_fake_host_stop(f->fake, PRISM_STOP_SHUTDOWN), 0);
	sandbox_identity(f->fake, PRISM_IDENTITY_REMOVED, ID_A, HASH_A, &f->a);
	sandbox_identity(f->fake, PRISM_IDENTITY_RELEASED, ID_A, HASH_A, NULL);
	sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, ID_A, HASH_B, &f->b);
	assert_int_equal(prism_fake_host_start(f->fake), 0);
	assert_counted(f, ID_A, AF_INET, 0, 0);
}

static void test_reload_loopback(void **state)
{
	struct fixture *f = *state;
	struct udp_job job = {.family = AF_INET, .n = 9, .size = 5, .cpu = -1};
	struct prism_workload workload = {.size = sizeof(workload), .identity = ID_A};

	assert_int_equal(prism_fake_host_reconfigure(f->fake, "loopback: false\n"), 0);
	sandbox_run(&f->a, udp_job_run, &job);
	assert_counted(f, ID_A, AF_INET, 0, 0);
	assert_non_null(strstr(prism_fake_host_explain(f->fake, &workload), "loopback: false"));
	assert_int_equal(prism_fake_host_reconfigure(f->fake, NULL), 0);
	sandbox_run(&f->a, udp_job_run, &job);
	assert_counted(f, ID_A, AF_INET, 9, 9 * (5 + UDP4_HEADERS));
	assert_non_null(strstr(prism_fake_host_explain(f->fake, &workload), "egress: 9 packets, 297 bytes"));
}

/* Another capacity is another map: the rows begin anew and are there for every identity. */
static void test_reload_capacity(void **state)
{
	struct fixture *f = *state;
	struct udp_job job = {.family = AF_INET, .n = 9, .size = 5, .cpu = -1};

	sandbox_run(&f->a, udp_job_run, &job);
	assert_int_equal(prism_fake_host_reconfigure(f->fake, "max_identities: 100\n"), 0);
	assert_counted(f, ID_A, AF_INET, 0, 0);
	sandbox_run(&f->a, udp_job_run, &job);
	assert_counted(f, ID_A, AF_INET, 9, 9 * (5 + UDP4_HEADERS));
}

/* A walk over more rows than one batch holds gives each of them once. */
static void test_many_rows(void **state)
{
	struct fixture *f = *state;
	uint32_t identity;

	for (identity = 5000; identity < 6000; identity++)
		sandbox_identity(f->fake, PRISM_IDENTITY_ADDED, identity, identity, NULL);
	assert_int_equal((int)prism_fake_host_sample(f->fake, "prism_net_identities", 0, ""), 1003);
	for (identity = 5000; identity < 6000; identity += 111)
		assert_true(packets(f, identity, "ingress", AF_INET6) == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_udp_is_counted_to_the_packet),
		TEST(test_a_fragmented_datagram_is_one_packet),
		TEST(test_flip),
		TEST(test_tcp_agrees_with_the_kernel),
		TEST(test_all_cpus_at_once),
		TEST(test_counters_go_on_across_starts),
		TEST(test_remove_leaves_nothing),
		TEST(test_a_socket_belongs_to_the_cgroup_that_made_it),
		TEST(test_a_child_cgroup_counts_for_its_workload),
		cmocka_unit_test_setup_teardown(test_overflow_is_counted, setup_small, teardown),
		TEST(test_a_row_stays_until_its_number_is_released),
		TEST(test_rows_of_numbers_released_meanwhile_go),
		TEST(test_a_row_never_changes_its_owner),
		TEST(test_reload_loopback),
		TEST(test_reload_capacity),
		TEST(test_many_rows),
	};

	sandbox_require_root();
	module = sandbox_module(MODULE_FILE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
