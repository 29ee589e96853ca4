/* SPDX-License-Identifier: Apache-2.0 */
/* Packets whose number and size are known, over the loopback interface. For children of the test: each exits on error.
 */
#ifndef NET_TRAFFIC_H
#define NET_TRAFFIC_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UDP4_HEADERS 28u
#define UDP6_HEADERS 48u

/* n datagrams of size payload bytes, each received before the next one is sent. A sandbox_spawn() function. */
struct udp_job {
	int family; /* AF_INET or AF_INET6 */
	unsigned int n;
	size_t size;
	int cpu;            /* -1: anywhere */
	volatile bool stop; /* n == 0: until then */
	volatile uint64_t sent;
};
int udp_job_run(void *arg);

/* Two UDP sockets, tx connected to rx. */
struct udp_pair {
	int rx;
	int tx;
};
void udp_pair_make(int family, struct udp_pair *ret_pair);
void udp_pair_send(const struct udp_pair *pair, unsigned int n, size_t size, volatile uint64_t *sent);

/* A TCP server that answers each byte, and a client that sends rounds of them and says what the kernel counted. */
struct tcp_job {
	int family;
	volatile in_port_t port;
	unsigned int rounds;
	volatile uint32_t segments_out;
	volatile uint32_t segments_in;
	volatile bool counted; /* by the test: the client may close now */
	volatile bool done;    /* by the client: rounds are over and the figures stand */
};
int tcp_server_run(void *arg);
int tcp_client_run(void *arg);

#endif
