// SPDX-License-Identifier: Apache-2.0
#include "traffic.h"

#include <arpa/inet.h>
#include <err.h>
#include <linux/tcp.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t loopback(int family, in_port_t port, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		ret->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		ret->v4.sin_port = port;
		return sizeof(ret->v4);
	}
	ret->v6.sin6_addr = in6addr_loopback;
	ret->v6.sin6_port = port;
	return sizeof(ret->v6);
}

static int bound(int family, int type, in_port_t *ret_port)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	union address address;
	socklen_t length = loopback(family, 0, &address);

	if (fd < 0 || bind(fd, &address.any, length) < 0 || getsockname(fd, &address.any, &length) < 0)
		err(1, "binding a socket to loopback");
	*ret_port = family == AF_INET ? address.v4.sin_port : address.v6.sin6_port;
	return fd;
}

static int connected(int family, int type, in_port_t port)
{
	int fd = socket(family, type | SOCK_CLOEXEC, 0), one = 1;
	union address address;
	socklen_t length = loopback(family, port, &address);

	if (type == SOCK_STREAM && fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fd < 0 || connect(fd, &address.any, length) < 0)
		err(1, "connecting a socket to loopback");
	return fd;
}

void udp_pair_make(int family, struct udp_pair *ret_pair)
{
	in_port_t port;

	ret_pair->rx = bound(family, SOCK_DGRAM, &port);
	ret_pair->tx = connected(family, SOCK_DGRAM, port);
}

void udp_pair_send(const struct udp_pair *pair, unsigned int n, size_t size, volatile uint64_t *sent)
{
	static char buffer[65536];

	for (unsigned int i = 0; i < n; i++) {
		if (send(pair->tx, buffer, size, 0) != (ssize_t)size)
			err(1, "send");
		if (recv(pair->rx, buffer, sizeof(buffer), 0) != (ssize_t)size)
			err(1, "recv");
		if (sent)
			++*sent;
	}
}

static void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		err(1, "sched_setaffinity");
}

int udp_job_run(void *arg)
{
	struct udp_job *job = arg;
	struct udp_pair pair;

	if (job->cpu >= 0)
		pin_to(job->cpu);
	udp_pair_make(job->family, &pair);
	if (job->n)
		udp_pair_send(&pair, job->n, job->size, &job->sent);
	while (!job->n && !job->stop)
		udp_pair_send(&pair, 1, job->size, &job->sent);
	return 0;
}

int tcp_server_run(void *arg)
{
	struct tcp_job *job = arg;
	in_port_t port;
	int listener = bound(job->family, SOCK_STREAM, &port), fd;
	char byte;

	if (listen(listener, 1) < 0)
		err(1, "listen");
	job->port = port;
	fd = accept(listener, NULL, NULL);
	if (fd < 0)
		err(1, "accept");
	while (read(fd, &byte, 1) == 1) {
		if (write(fd, &byte, 1) != 1)
			err(1, "write");
	}
	return 0;
}

/* What this end of the connection sent and received, by the kernel's own count; stable once nothing is in flight. */
static bool figures(int fd, struct tcp_job *job)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		err(1, "TCP_INFO");
	if (info.tcpi_segs_out == job->segments_out && info.tcpi_segs_in == job->segments_in && !info.tcpi_unacked)
		return true;
	job->segments_out = info.tcpi_segs_out;
	job->segments_in = info.tcpi_segs_in;
	return false;
}

int tcp_client_run(void *arg)
{
	struct tcp_job *job = arg;
	char byte = 'x';
	int fd;

	while (!job->port)
		sched_yield();
	fd = connected(job->family, SOCK_STREAM, job->port);
	for (unsigned int i = 0; i < job->rounds; i++) {
		if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
			err(1, "a round of TCP");
	}
	figures(fd, job);
	job->done = true;
	/* A delayed acknowledgement may still come: the test reads until its counters and these agree, or gives up. */
	while (!job->counted) {
		figures(fd, job);
		sched_yield();
	}
	return 0;
}
