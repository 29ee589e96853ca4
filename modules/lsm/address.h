/* SPDX-License-Identifier: Apache-2.0 */
/* What a connect or bind rule is about: a family, a range of addresses, a range of ports. */
#ifndef LSM_ADDRESS_H
#define LSM_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct address {
	int family;        /* AF_*; AF_UNSPEC: any, prefix is 0 then */
	uint8_t bytes[16]; /* network byte order; the first 4 of AF_INET */
	uint8_t prefix;    /* bits that count */
	uint16_t first;    /* ports, host byte order; 0..65535: any */
	uint16_t last;
};

/* All of: -EINVAL for no such thing, *address untouched then. */
int address_family(struct address *address, const char *name);
/* "10.0.0.0/8", "2001:db8::1": also sets the family. -EAFNOSUPPORT: an IPv4 address
 * mapped into IPv6. -ERANGE: bits below the prefix are set; *address has them cleared. */
int address_cidr(struct address *address, const char *text);
/* "443" or "8000-8999". */
int address_ports(struct address *address, const char *text);

/* "ipv4", "unix"; a number for a family without a name here. Returns buf. */
const char *address_family_name(int family, char *buf, size_t size);
/* The names, NULL-terminated. */
const char *const *address_families(void);
bool address_any_port(const struct address *address);
/* "ipv4 10.0.0.0/8 port 443", "any". Returns buf. */
const char *address_format(const struct address *address, char *buf, size_t size);

#endif
