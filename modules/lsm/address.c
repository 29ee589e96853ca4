// SPDX-License-Identifier: Apache-2.0
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535u

/* The same place in both lists. */
static const char *const names[] = {"unix", "ipv4", "ipv6", "netlink", "packet",  "vsock",  "bluetooth", "can",
				    "tipc", "rds",  "alg",  "xdp",     "qipcrtr", "phonet", NULL};
static const int numbers[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK,   AF_BLUETOOTH,
			      AF_CAN,  AF_TIPC, AF_RDS,   AF_ALG,     AF_XDP,    AF_QIPCRTR, AF_PHONET};

_Static_assert(sizeof(names) / sizeof(names[0]) == sizeof(numbers) / sizeof(numbers[0]) + 1, "a number for each name");

const char *const *address_families(void)
{
	return names;
}

int address_family(struct address *address, const char *name)
{
	for (size_t i = 0; names[i]; i++) {
		if (!strcmp(names[i], name)) {
			address->family = numbers[i];
			return 0;
		}
	}
	return -EINVAL;
}

const char *address_family_name(int family, char *buf, size_t size)
{
	for (size_t i = 0; names[i]; i++) {
		if (numbers[i] == family) {
			snprintf(buf, size, "%s", names[i]);
			return buf;
		}
	}
	snprintf(buf, size, "family %d", family);
	return buf;
}

/* The kernel's sockets take it for the IPv4 address that it holds. */
static bool is_mapped(const struct address *address)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return address->family == AF_INET6 && address->prefix >= 96 && !memcmp(address->bytes, mapped, sizeof(mapped));
}

/* Digits alone, at most max. */
static int parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;
	unsigned long value;

	if (!*text || strspn(text, "0123456789") != strlen(text))
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* Clears what is below the prefix; whether there was something. */
static bool mask(struct address *address)
{
	bool cleared = false;

	for (unsigned int bit = address->prefix; bit < sizeof(address->bytes) * 8; bit++) {
		uint8_t one = (uint8_t)(0x80u >> bit % 8);

		cleared |= address->bytes[bit / 8] & one;
		address->bytes[bit / 8] &= (uint8_t)~one;
	}
	return cleared;
}

int address_cidr(struct address *address, const char *text)
{
	struct address next = *address;
	const char *slash = strchr(text, '/');
	unsigned long prefix, width;
	char host[INET6_ADDRSTRLEN];
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	bool cleared;

	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	memset(next.bytes, 0, sizeof(next.bytes));
	next.family = strchr(host, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(next.family, host, next.bytes) != 1)
		return -EINVAL;
	prefix = width = next.family == AF_INET ? 32 : 128;
	if (slash && parse_number(slash + 1, width, &prefix) < 0)
		return -EINVAL;
	next.prefix = (uint8_t)prefix;
	if (is_mapped(&next))
		return -EAFNOSUPPORT;
	cleared = mask(&next);
	*address = next;
	return cleared ? -ERANGE : 0;
}

int address_ports(struct address *address, const char *text)
{
	const char *dash = strchr(text, '-');
	unsigned long first, last;
	char low[8];
	size_t n = dash ? (size_t)(dash - text) : strlen(text);

	if (n >= sizeof(low))
		return -EINVAL;
	memcpy(low, text, n);
	low[n] = '\0';
	if (parse_number(low, PORT_MAX, &first) < 0)
		return -EINVAL;
	last = first;
	if (dash && parse_number(dash + 1, PORT_MAX, &last) < 0)
		return -EINVAL;
	if (last < first)
		return -EINVAL;
	address->first = (uint16_t)first;
	address->last = (uint16_t)last;
	return 0;
}

bool address_any_port(const struct address *address)
{
	return address->first == 0 && address->last == PORT_MAX;
}

const char *address_format(const struct address *address, char *buf, size_t size)
{
	char family[32], host[INET6_ADDRSTRLEN], range[INET6_ADDRSTRLEN + 8] = "", ports[32] = "";

	if (address->prefix)
		snprintf(range, sizeof(range), " %s/%u", inet_ntop(address->family, address->bytes, host, sizeof(host)),
			 address->prefix);
	if (!address_any_port(address))
		snprintf(ports, sizeof(ports), address->first == address->last ? " port %u" : " ports %u-%u",
			 address->first, address->last);
	snprintf(buf, size, "%s%s%s",
		 address->family == AF_UNSPEC ? "any" : address_family_name(address->family, family, sizeof(family)),
		 range, ports);
	return buf;
}
