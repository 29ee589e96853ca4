// SPDX-License-Identifier: Apache-2.0
/* connect, bind, what is sent to an address without them, and capabilities. */
#include <errno.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "deeds.h"
#include "guard.h"

#define CONNECT LSM_HOOK_BIT(LSM_CONNECT)
#define BIND LSM_HOOK_BIT(LSM_BIND)
#define CAPABLE LSM_HOOK_BIT(LSM_CAPABLE)
#define RULE 11u
#define ANY_PORT 0, 0xffff

/* With an identity that has rules, or not; with a rule or not. */
struct flip {
	enum lsm_hook hook;
	const char *address; /* NULL: capability CAP_SYS_CHROOT */
	const char *deed;
	int without; /* what the kernel says of the deed by itself */
};

static void check_flip(struct guard *g, const struct flip *flip)
{
	for (int rule = 0; rule < 2; rule++) {
		for (int identity = 0; identity < 2; identity++) {
			uint32_t whose = identity ? ID_A : ID_B;
			bool both = rule && identity;

			guard_bind(g, whose, LSM_HOOK_BIT(flip->hook), 0);
			if (flip->address)
				guard_address(g, flip->hook, flip->address, RULE, rule ? LSM_BLOCK : LSM_ALLOW,
					      ANY_PORT);
			else
				guard_capability(g, CAP_SYS_CHROOT, RULE, rule ? LSM_BLOCK : LSM_ALLOW);
			assert_int_equal(guard_deed(g, &g->a, "%s", flip->deed), both ? EPERM : flip->without);
			assert_int_equal(guard_deed(g, &g->b, "%s", flip->deed), flip->without);
			guard_events(g, both);
			guard_unbind(g, whose);
		}
	}
}

static void test_flips(void **state)
{
	static const struct flip flips[] = {
		{LSM_CONNECT, "127.0.0.0/8", "connect 127.0.0.1 9", ECONNREFUSED},
		{LSM_CONNECT, "::1/128", "connect ::1 9", ECONNREFUSED},
		{LSM_CONNECT, "unix", "connect /tmp/nobody", ENOENT},
		{LSM_BIND, "127.0.0.1/32", "bind 127.0.0.1 9009", 0},
		{LSM_BIND, "ipv6", "bind :: 9009", 0},
		{LSM_CAPABLE, NULL, "chroot /", 0},
	};

	for (size_t i = 0; i < sizeof(flips) / sizeof(flips[0]); i++)
		check_flip(*state, &flips[i]);
}

static int connect_to(struct guard *g, const char *where)
{
	int r = guard_deed(g, &g->a, "connect %s", where);

	return r == ECONNREFUSED ? 0 : r;
}

static void test_longest_prefix(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, CONNECT, 0);
	guard_address(g, LSM_CONNECT, "", RULE, LSM_BLOCK, ANY_PORT);
	guard_address(g, LSM_CONNECT, "127.0.0.0/8", RULE + 1, LSM_ALLOW, ANY_PORT);
	guard_address(g, LSM_CONNECT, "127.5.0.0/16", RULE + 2, LSM_BLOCK, ANY_PORT);
	guard_address(g, LSM_CONNECT, "127.5.5.5/32", RULE + 3, LSM_ALLOW, ANY_PORT);
	assert_int_equal(connect_to(g, "127.0.0.1 9"), 0);
	assert_int_equal(connect_to(g, "127.5.0.1 9"), EPERM);
	assert_int_equal(connect_to(g, "127.5.5.5 9"), 0);
	assert_int_equal(connect_to(g, "127.5.5.4 9"), EPERM);
	assert_int_equal(connect_to(g, "::1 9"), EPERM);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, 1);
	assert_int_equal(guard_count(g, ID_A, RULE + 1).matched, 1);
	assert_int_equal(guard_count(g, ID_A, RULE + 2).matched, 2);
	assert_int_equal(guard_count(g, ID_A, RULE + 3).matched, 1);
	guard_address(g, LSM_CONNECT, "ipv6", RULE + 4, LSM_ALLOW, ANY_PORT);
	assert_int_equal(connect_to(g, "::1 9"), 0);
	assert_int_equal(guard_deed(g, &g->a, "connect /tmp/nobody"), EPERM); /* "any" has no ports to lack */
}

static void test_ports(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, CONNECT, 0);
	guard_address(g, LSM_CONNECT, "127.0.0.1/32", RULE, LSM_BLOCK, 80, 90);
	assert_int_equal(connect_to(g, "127.0.0.1 79"), 0);
	assert_int_equal(connect_to(g, "127.0.0.1 80"), EPERM);
	assert_int_equal(connect_to(g, "127.0.0.1 90"), EPERM);
	assert_int_equal(guard_events(g, 2)->address.port, 90);
	assert_int_equal(g->last.address.family, AF_INET);
	assert_memory_equal(g->last.address.bytes, ((uint8_t[]){127, 0, 0, 1}), 4);
	assert_int_equal(connect_to(g, "127.0.0.1 91"), 0);
	/* What has no port is of no range. */
	guard_address(g, LSM_CONNECT, "", RULE, LSM_BLOCK, 0, 0xfffe);
	assert_int_equal(guard_deed(g, &g->a, "connect /tmp/nobody"), ENOENT);
}

/* One address in its other form. */
static void test_mapped(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, CONNECT, 0);
	guard_address(g, LSM_CONNECT, "127.0.0.0/8", RULE, LSM_BLOCK, ANY_PORT);
	assert_int_equal(connect_to(g, "::ffff:127.0.0.1 9"), EPERM);
	assert_int_equal(guard_events(g, 1)->address.family, AF_INET);
	assert_int_equal(connect_to(g, "::1 9"), 0);
	guard_address(g, LSM_CONNECT, "127.0.0.0/8", RULE, LSM_ALLOW, ANY_PORT);
	guard_address(g, LSM_CONNECT, "ipv6", RULE + 1, LSM_BLOCK, ANY_PORT);
	assert_int_equal(connect_to(g, "::ffff:127.0.0.1 9"), 0);
}

static void expect_address(struct guard *g, int family, const void *bytes, size_t size)
{
	const struct lsm_address *address = &guard_events(g, 1)->address;

	assert_int_equal(address->family, family);
	assert_memory_equal(address->bytes, bytes, size);
}

/* The deed is refused, and said to be about this IPv4 address. */
static void expect_blocked(struct guard *g, const char *deed, uint32_t address)
{
	const uint32_t bytes = htonl(address);

	assert_int_equal(guard_deed(g, &g->a, "%s", deed), EPERM);
	expect_address(g, AF_INET, &bytes, sizeof(bytes));
}

/* Nobody's address is a call to this host; which of its addresses is called depends on the socket. */
static void test_any_is_this_host(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, CONNECT, 0);
	guard_address(g, LSM_CONNECT, "127.0.0.0/8", RULE, LSM_BLOCK, ANY_PORT);
	expect_blocked(g, "connect 0.0.0.0 9", INADDR_LOOPBACK);
	expect_blocked(g, "connect ::ffff:0.0.0.0 9", INADDR_LOOPBACK);
	expect_blocked(g, "sendto 0.0.0.0 9", INADDR_LOOPBACK);
	expect_blocked(g, "sendto_unspec 0.0.0.0 9", INADDR_LOOPBACK);
	expect_blocked(g, "sendto ::ffff:0.0.0.0 9", INADDR_LOOPBACK);
	expect_blocked(g, "fastopen 0.0.0.0 9", INADDR_LOOPBACK);
	/* Bound: its own address, but for one that many have. */
	expect_blocked(g, "socket 2 1 0 127.5.0.1 connect - 0.0.0.0 9", 0x7f050001);
	expect_blocked(g, "socket 2 2 0 127.5.0.1 sendto - 0.0.0.0 9", 0x7f050001);
	expect_blocked(g, "socket 2 2 0 224.0.0.1 sendto - 0.0.0.0 9", INADDR_LOOPBACK);
	expect_blocked(g, "socket 10 1 0 ::ffff:127.5.0.1 connect - :: 9", INADDR_LOOPBACK);
	expect_blocked(g, "socket 10 2 0 ::ffff:127.5.0.1 sendto - :: 9", INADDR_LOOPBACK);
	expect_blocked(g, "socket 10 2 0 ::ffff:127.5.0.1 sendto - ::ffff:0.0.0.0 9", 0x7f050001);
	assert_int_equal(connect_to(g, ":: 9"), 0);
	guard_address(g, LSM_CONNECT, "::1/128", RULE, LSM_BLOCK, ANY_PORT);
	assert_int_equal(connect_to(g, ":: 9"), EPERM);
	expect_address(g, AF_INET6, &in6addr_loopback, sizeof(in6addr_loopback));
	assert_int_equal(guard_deed(g, &g->a, "socket 10 2 0 ::1 sendto - :: 9"), EPERM);
	expect_address(g, AF_INET6, &in6addr_loopback, sizeof(in6addr_loopback));
	/* Who listens there listens everywhere. */
	guard_bind(g, ID_A, BIND, 0);
	guard_address(g, LSM_BIND, "127.0.0.0/8", RULE, LSM_BLOCK, ANY_PORT);
	assert_int_equal(guard_deed(g, &g->a, "bind 0.0.0.0 9009"), 0);
	guard_address(g, LSM_BIND, "0.0.0.0/32", RULE, LSM_BLOCK, ANY_PORT);
	expect_blocked(g, "bind 0.0.0.0 9009", INADDR_ANY);
}

/* What an address says of its family is taken for as much as the kernel takes it for. */
static void test_family_is_the_socket_s(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, BIND | CONNECT, 0);
	assert_int_equal(guard_deed(g, &g->a, "socket 2 3 255 - bind 1 127.0.0.1 0"), 0); /* raw: says AF_UNIX */
	guard_posture(g, ID_A, LSM_BIND, LSM_BLOCK);
	guard_posture(g, ID_A, LSM_CONNECT, LSM_BLOCK);
	for (int hook = LSM_CONNECT; hook <= LSM_BIND; hook++) {
		guard_address(g, (enum lsm_hook)hook, "unix", RULE, LSM_ALLOW, ANY_PORT);
		guard_address(g, (enum lsm_hook)hook, "127.0.0.1/32", RULE + 1, LSM_BLOCK, ANY_PORT);
	}
	expect_blocked(g, "socket 2 3 255 - bind 1 127.0.0.1 0", INADDR_LOOPBACK);
	expect_blocked(g, "socket 2 3 255 - bind 257 127.0.0.1 0", INADDR_LOOPBACK);
	assert_int_equal(g->last.rule, RULE + 1);
	expect_blocked(g, "socket 2 2 0 - bind 0 127.0.0.1 0", INADDR_LOOPBACK);
	expect_blocked(g, "socket 10 2 0 - connect 2 127.0.0.1 9", INADDR_LOOPBACK);
	expect_blocked(g, "socket 10 2 0 - sendto 2 127.0.0.1 9", INADDR_LOOPBACK);
	assert_int_equal(guard_deed(g, &g->a, "socket 10 2 0 - connect 1 ::1 9"), EPERM);
	expect_address(g, AF_INET6, &in6addr_loopback, sizeof(in6addr_loopback));
	/* One of an obsolete type, which looks for a device's name there. */
	assert_int_equal(guard_deed(g, &g->a, "socket 17 10 0 - bind 1 127.0.0.1 0"), EPERM);
	assert_int_equal(guard_events(g, 1)->address.family, AF_PACKET);
	/* Nothing is dissolved where there is no such thing. */
	assert_int_equal(guard_deed(g, &g->a, "socket 17 2 0 - connect 0 127.0.0.1 0"), EPERM);
	assert_int_equal(guard_events(g, 1)->rule, POSTURE_RULE(LSM_CONNECT));
	assert_int_equal(guard_deed(g, &g->a, "socket 2 1 0 - connect 0 127.0.0.1 9"), 0);
	assert_int_equal(guard_deed(g, &g->a, "socket 10 2 0 - connect 0 ::1 9"), 0);
	guard_events(g, 0);
}

/* A stream sends to whom it is connected to, whatever address it is given. */
static void test_streams_ignore_addresses(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, CONNECT, 0);
	guard_posture(g, ID_A, LSM_CONNECT, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "socket 2 1 0 - sendto - 127.0.0.1 9"), EPIPE);
	assert_int_equal(guard_deed(g, &g->a, "socket 10 1 0 - sendto - ::1 9"), EPIPE);
	assert_int_equal(guard_deed(g, &g->a, "socket 1 1 0 - sendto - /tmp/nobody 0"), EOPNOTSUPP);
	guard_events(g, 0);
}

/* These streams connect by what is sent first. */
static void check_first_message(struct guard *g, const char *deed, int family)
{
	int r = guard_deed(g, &g->a, "%s", deed);

	if (r == EPROTONOSUPPORT || r == EAFNOSUPPORT) {
		fprintf(stderr, "UNSUPPORTED: %s is not in this kernel's image\n", family == AF_TIPC ? "tipc" : "sctp");
		skip();
	}
	assert_int_equal(r, EPERM);
	assert_int_equal(guard_events(g, 1)->address.family, family);
}

static void test_first_messages(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, CONNECT, 0);
	guard_address(g, LSM_CONNECT, "127.0.0.1/32", RULE, LSM_BLOCK, ANY_PORT);
	guard_posture(g, ID_A, LSM_CONNECT, LSM_BLOCK);
	check_first_message(g, "socket 2 1 132 - sendto - 127.0.0.1 9", AF_INET);
	check_first_message(g, "socket 30 1 0 - sendto - 127.0.0.1 9", AF_TIPC);
}

/* Addresses that connect() never sees. */
static void test_without_connect(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, CONNECT, 0);
	assert_int_equal(guard_deed(g, &g->a, "sendto 127.0.0.1 9"), 0);
	assert_int_equal(guard_deed(g, &g->a, "sendto_unspec 127.0.0.1 9"), 0);
	guard_address(g, LSM_CONNECT, "127.0.0.0/8", RULE, LSM_BLOCK, ANY_PORT);
	assert_int_equal(guard_deed(g, &g->a, "sendto 127.0.0.1 9"), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "sendto_unspec 127.0.0.1 9"), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "sendto ::ffff:127.0.0.1 9"), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "fastopen 127.0.0.1 9"), EPERM);
	assert_int_equal(guard_events(g, 4)->hook, LSM_CONNECT);
	guard_posture(g, ID_A, LSM_CONNECT, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "sendto ::1 9"), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "disconnect"), 0);
	assert_int_equal(guard_deed(g, &g->a, "netlink"), 0);
	assert_int_equal(guard_deed(g, &g->b, "sendto 127.0.0.1 9"), 0);
}

static void test_capabilities(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, CAPABLE, 0);
	guard_capability(g, CAP_SYS_CHROOT, RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "chroot /"), EPERM);
	assert_int_equal(guard_events(g, 1)->capability, CAP_SYS_CHROOT);
	assert_int_equal(g->last.hook, LSM_CAPABLE);
	/* Nor in a user namespace of its own, where it has them all. */
	assert_int_equal(guard_deed(g, &g->a, "userns_chroot /"), EPERM);
	guard_capability(g, CAP_SYS_CHROOT, RULE, LSM_AUDIT);
	assert_int_equal(guard_deed(g, &g->a, "chroot /"), 0);
	assert_int_equal(guard_deed(g, &g->a, "userns_chroot /"), 0);
	assert_int_equal(guard_events(g, 3)->action, LSM_AUDIT);
	guard_capability(g, CAP_SYS_CHROOT, RULE, LSM_ALLOW);
	guard_posture(g, ID_A, LSM_CAPABLE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "chroot /"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_flips, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_longest_prefix, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_ports, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_mapped, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_any_is_this_host, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_family_is_the_socket_s, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_streams_ignore_addresses, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_first_messages, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_without_connect, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_capabilities, guard_begin_test, guard_end_test),
	};

	deed_main(argc, argv);
	guard_require();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}
