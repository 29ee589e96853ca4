/* SPDX-License-Identifier: GPL-2.0-only */
/* Socket addresses as keys. */
#ifndef LSM_NET_BPF_H
#define LSM_NET_BPF_H

#include <bpf/bpf_endian.h>

#include "types.bpf.h"

/* A sockaddr, sockaddr_in or sockaddr_in6, in this order of growth. */
struct lsm_sockaddr {
	__u16 family;
	__u16 port;
	__u8 ipv4[4]; /* sin6_flowinfo in IPv6 */
	__u8 ipv6[16];
	__u32 scope;
};

static __always_inline _Bool is_mapped(const __u8 ipv6[16])
{
	const __u32 *words = (const __u32 *)ipv6;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

/*
 * sockaddr: in kernel memory. The address that the call is about, whatever form it comes in: an IPv4 address mapped
 * into IPv6 is the IPv4 one. False if it cannot be read.
 */
static __always_inline _Bool read_address(struct lsm_address *to, const void *sockaddr, __u16 unspec_is)
{
	struct lsm_sockaddr from;

	if (bpf_probe_read_kernel(&from, sizeof(from), sockaddr))
		return 0;
	__builtin_memset(to, 0, sizeof(*to));
	to->family = from.family ? from.family : unspec_is;
	if (to->family == AF_INET6 && is_mapped(from.ipv6)) {
		to->family = AF_INET;
		__builtin_memcpy(from.ipv4, &from.ipv6[12], sizeof(from.ipv4));
	}
	if (to->family == AF_INET)
		__builtin_memcpy(to->bytes, from.ipv4, sizeof(from.ipv4));
	else if (to->family == AF_INET6)
		__builtin_memcpy(to->bytes, from.ipv6, sizeof(from.ipv6));
	else
		return 1;
	to->port = bpf_ntohs(from.port);
	return 1;
}

static __always_inline void address_key(struct lsm_key *key, const struct lsm_address *address)
{
	__u32 bits = 8;

	__builtin_memset(key->bytes, 0, sizeof(key->bytes));
	key->bytes[0] = address->family;
	__builtin_memcpy(&key->bytes[1], address->bytes, sizeof(address->bytes));
	if (address->family == AF_INET)
		bits += 32;
	else if (address->family == AF_INET6)
		bits += 128;
	key->prefixlen = LSM_KEY_BITS + bits;
}

#endif
