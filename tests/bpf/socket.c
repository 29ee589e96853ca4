// SPDX-License-Identifier: Apache-2.0
/* Packets and sockets belong to the cgroup that made the socket, whoever runs when they move. */
#include "world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lookup.h"
#include "socket.skel.h"

#define SENDER 300
#define RECEIVER 4242

static struct world world;
static struct socket_bpf *skel;
static int links[3];

static int attach(struct bpf_program *prog, enum bpf_attach_type type, int cgroup)
{
	int fd = bpf_link_create(bpf_program__fd(prog), cgroup, type, NULL);

	assert_true(fd >= 0);
	return fd;
}

static int setup(void **state)
{
	int cgroup;

	(void)state;
	world_init(&world);
	skel = socket_bpf__open();
	assert_non_null(skel);
	world_attach_bus(&world, skel->obj);
	assert_int_equal(socket_bpf__load(skel), 0);
	cgroup = world_cgroup_fd(&world, "");
	links[0] = attach(skel->progs.ingress, BPF_CGROUP_INET_INGRESS, cgroup);
	links[1] = attach(skel->progs.egress, BPF_CGROUP_INET_EGRESS, cgroup);
	links[2] = attach(skel->progs.connect4, BPF_CGROUP_INET4_CONNECT, cgroup);
	close(cgroup);
	world_cgroup(&world, "bystander");
	return 0;
}

static int teardown(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		close(links[i]);
	socket_bpf__destroy(skel);
	world_done(&world);
	return 0;
}

static int socket_in(const char *path, int family)
{
	int fd;

	world_cgroup(&world, path);
	world_enter(&world, path);
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

static socklen_t bind_loopback(int fd, int family, struct sockaddr_storage *ret)
{
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = family;
	if (family == AF_INET)
		((struct sockaddr_in *)ret)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)ret)->sin6_addr = in6addr_loopback;
	if (bind(fd, (struct sockaddr *)ret, len) < 0)
		return 0;
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	return len;
}

/* One datagram from a socket made in one cgroup to a socket made in another, sent while in a third. */
static void exchange(int family, const char *from, const char *to)
{
	int tx = socket_in(from, family), rx = socket_in(to, family);
	struct sockaddr_storage address;
	socklen_t len = bind_loopback(rx, family, &address);
	char c = 0;

	if (!len) {
		close(tx);
		close(rx);
		fprintf(stderr, "UNSUPPORTED: no loopback address of this family\n");
		skip();
	}
	world_enter(&world, "bystander");
	memset(skel->bss->answers, 0xff, sizeof(skel->bss->answers));
	assert_int_equal(sendto(tx, "x", 1, 0, (struct sockaddr *)&address, len), 1);
	assert_int_equal(recv(rx, &c, 1, 0), 1);
	close(tx);
	close(rx);
}

static void expect(enum answer_slot slot, unsigned int state, unsigned int identity, const char *path)
{
	const struct answer *a = &skel->bss->answers[slot];

	if (a->state != state || a->identity != identity || a->cgroup_id != world_cgroup(&world, path))
		fail_msg("slot %d: state %u identity %u cgroup %llu, expected state %u identity %u of %s", slot,
			 a->state, a->identity, a->cgroup_id, state, identity, path);
}

static void both_ends(int family)
{
	world_publish(&world, world_cgroup(&world, "tx"), SENDER, 0, 1);
	world_publish(&world, world_cgroup(&world, "rx"), RECEIVER, 0, 2);
	exchange(family, "tx", "rx");
	expect(BY_SKB_EGRESS, STATE_KNOWN, SENDER, "tx");
	expect(BY_SK_EGRESS, STATE_KNOWN, SENDER, "tx");
	expect(BY_SKB_INGRESS, STATE_KNOWN, RECEIVER, "rx");
	expect(BY_SK_INGRESS, STATE_KNOWN, RECEIVER, "rx");
}

static void ipv4(void **state)
{
	(void)state;
	both_ends(AF_INET);
}

static void ipv6(void **state)
{
	(void)state;
	both_ends(AF_INET6);
}

static void child_before_it_is_published(void **state)
{
	(void)state;
	world_publish(&world, world_cgroup(&world, "tx"), SENDER, 0, 1);
	world_publish(&world, world_cgroup(&world, "rx"), RECEIVER, 0, 2);
	world.meta.root_levels = 1 << 2;
	world_next_generation(&world);
	exchange(AF_INET, "tx/a/b", "rx/c");
	expect(BY_SKB_EGRESS, STATE_KNOWN, SENDER, "tx/a/b");
	expect(BY_SK_EGRESS, STATE_KNOWN, SENDER, "tx/a/b");
	expect(BY_SKB_INGRESS, STATE_KNOWN, RECEIVER, "rx/c");
	expect(BY_SK_INGRESS, STATE_KNOWN, RECEIVER, "rx/c");
}

static void without_entries(void **state)
{
	(void)state;
	exchange(AF_INET, "tx", "rx");
	expect(BY_SKB_EGRESS, STATE_UNKNOWN, PRISM_ID_UNMANAGED, "tx");
	expect(BY_SKB_INGRESS, STATE_UNKNOWN, PRISM_ID_UNMANAGED, "rx");
	world.meta.stale_jiffies = 1;
	world_meta(&world);
	exchange(AF_INET, "tx", "rx");
	expect(BY_SKB_EGRESS, STATE_STALE, PRISM_ID_UNKNOWN, "tx");
}

static void connect_is_the_callers(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket_in("tx", AF_INET);

	(void)state;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	world_publish(&world, world_cgroup(&world, "rx"), RECEIVER, 0, 2);
	world_cgroup(&world, "rx/child");
	world_enter(&world, "rx/child");
	/* The hook is that of the socket's cgroup, the task is the one that calls. */
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect(BY_CONNECT, STATE_KNOWN, RECEIVER, "rx/child");
	expect(BY_CONNECT_HELPER, STATE_KNOWN, RECEIVER, "rx/child");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ipv4, setup, teardown),
		cmocka_unit_test_setup_teardown(ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(child_before_it_is_published, setup, teardown),
		cmocka_unit_test_setup_teardown(without_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(connect_is_the_callers, setup, teardown),
	};

	world_require();
	return cmocka_run_group_tests_name("socket", tests, NULL, NULL);
}
