/* SPDX-License-Identifier: GPL-2.0-only */
/* Socket addresses as keys: what the kernel takes an address for, which the caller's bytes alone do not say. */
#ifndef LSM_NET_BPF_H
#define LSM_NET_BPF_H

#include <bpf/bpf_endian.h>

#include "types.bpf.h"

/* A sockaddr, sockaddr_in or sockaddr_in6, in this order of growth. */
struct lsm_sockaddr {
	__u16 family;
	__u16 port;
	__be32 ipv4; /* sin6_flowinfo in IPv6 */
	__be32 ipv6[4];
	__u32 scope;
};

static __always_inline _Bool is_mapped(const __be32 ipv6[4])
{
	return !ipv6[0] && !ipv6[1] && ipv6[2] == bpf_htonl(0xffff);
}

static __always_inline __u16 family_of(const struct sock___lsm *sk)
{
	return sk->__sk_common.skc_family;
}

/*
 * Of a socket of the family `own` that is given an address which says that it is of `given`. Most families do not look
 * at that, and take it for one of theirs.
 */
static __always_inline __u16 family_meant(__u16 own, __u16 given)
{
	if (own == AF_INET6)
		return given == AF_INET ? AF_INET : AF_INET6;
	if (own == AF_SMC)
		return given == AF_INET6 ? AF_INET6 : AF_INET;
	return own;
}

/* connect() with an address of no family. */
static __always_inline _Bool dissolves(__u16 own, __u16 given)
{
	if (given != AF_UNSPEC)
		return 0;
	switch (own) {
	case AF_INET:
	case AF_INET6:
	case AF_SMC:
	case AF_UNIX:
	case AF_NETLINK:
	case AF_TIPC:
		return 1;
	default:
		return 0;
	}
}

/* Where what is sent to 0.0.0.0 goes: to where it comes from. Not inet_rcv_saddr, which may be a group's address. */
static __always_inline __be32 own_ipv4(const struct sock___lsm *sk)
{
	const __u16 own = family_of(sk);
	__be32 address = 0;

	if (own == AF_INET || own == AF_INET6)
		address = BPF_CORE_READ((const struct inet_sock___lsm *)sk, inet_saddr);
	return address ? address : bpf_htonl(INADDR_LOOPBACK);
}

/* Where what is sent to :: goes. */
static __always_inline void own_ipv6(__be32 to[4], const struct sock___lsm *sk)
{
	if (bpf_core_field_exists(sk->__sk_common.skc_v6_rcv_saddr) && family_of(sk) == AF_INET6 &&
	    !bpf_core_read(to, 4 * sizeof(to[0]), &sk->__sk_common.skc_v6_rcv_saddr) && is_mapped(to)) {
		to[3] = bpf_htonl(INADDR_LOOPBACK);
		return;
	}
	to[0] = to[1] = to[2] = 0;
	to[3] = bpf_htonl(1);
}

/* from: what the caller wrote there, changed into the address that is meant. */
static __always_inline void resolve(struct lsm_sockaddr *from, const struct sock___lsm *sk, _Bool outward)
{
	if (from->family == AF_INET6 && outward && !(from->ipv6[0] | from->ipv6[1] | from->ipv6[2] | from->ipv6[3]))
		own_ipv6(from->ipv6, sk);
	if (from->family == AF_INET6 && is_mapped(from->ipv6)) {
		from->family = AF_INET;
		from->ipv4 = from->ipv6[3];
	}
	if (from->family == AF_INET && outward && !from->ipv4)
		from->ipv4 = own_ipv4(sk);
}

/*
 * sockaddr: in kernel memory. The address that the call is about, whatever form it comes in: an IPv4 address mapped
 * into IPv6 is the IPv4 one; outward, where something is sent to it, nobody's address is one of this host. False if
 * there is none: it cannot be read, by the kernel neither, or the call is to dissolve a connection.
 */
static __always_inline _Bool read_address(struct lsm_address *to, const void *sockaddr, const struct sock___lsm *sk,
					  const enum lsm_site site)
{
	const __u16 own = family_of(sk);
	struct lsm_sockaddr from;

	if (bpf_probe_read_kernel(&from, sizeof(from), sockaddr))
		return 0;
	if (site == LSM_SITE_CONNECT && dissolves(own, from.family))
		return 0;
	from.family = family_meant(own, from.family);
	resolve(&from, sk, site != LSM_SITE_BIND);
	__builtin_memset(to, 0, sizeof(*to));
	to->family = from.family;
	if (to->family == AF_INET)
		__builtin_memcpy(to->bytes, &from.ipv4, sizeof(from.ipv4));
	else if (to->family == AF_INET6)
		__builtin_memcpy(to->bytes, from.ipv6, sizeof(from.ipv6));
	else
		return 1;
	to->port = bpf_ntohs(from.port);
	return 1;
}

/*
 * A stream that takes no notice of the address that it is given with data, or refuses it; others connect by it, as
 * SCTP's and TIPC's.
 */
static __always_inline _Bool sends_regardless(const struct socket___lsm *sock, const struct sock___lsm *sk,
					      unsigned int flags)
{
	if (sock->type != SOCK_STREAM || flags & MSG_FASTOPEN)
		return 0;
	switch (family_of(sk)) {
	case AF_INET:
	case AF_INET6:
		return sk->sk_protocol == IPPROTO_TCP || sk->sk_protocol == IPPROTO_MPTCP;
	case AF_SMC:
	case AF_UNIX:
	case AF_VSOCK:
		return 1;
	default:
		return 0;
	}
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
