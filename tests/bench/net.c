/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the net leg costs a packet: bench_net. (a) its egress program by BPF_PROG_TEST_RUN against an empty cgroup_skb
 * program; (b) UDP over the loopback interface with the leg against without. The module runs as it ships, on the fake
 * host; anchor and subject take turns.
 */
#include <err.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bench.h"
#include "sandbox.h"
#include "traffic.h"

#define IDENTITY 1001u
#define ROUNDS 15
#define RUNS 200000   /* of a program, a round */
#define PACKETS 30000 /* a round */

static int empty_program(void)
{
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "empty", "GPL", program, 2, NULL);

	if (fd < 0)
		err(1, "loading an empty cgroup_skb program");
	return fd;
}

static int egress_program(struct prism_fake_host *fake)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof(info);
	char path[512];
	int link, fd;

	snprintf(path, sizeof(path), "%s/link_net_egress", prism_pin_dir(prism_fake_host_host(fake)));
	link = bpf_obj_get(path);
	if (link < 0 || bpf_link_get_info_by_fd(link, &info, &size) < 0)
		err(1, "%s", path);
	fd = bpf_prog_get_fd_by_id(info.prog_id);
	if (fd < 0)
		err(1, "the egress program");
	close(link);
	return fd;
}

/* ns a run, for a packet whose socket belongs to the cgroup that this process is in. */
static double run_program(int fd)
{
	char packet[256] = {[12] = 0x08}; /* Ethernet, IPv4 */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet), .repeat = RUNS);

	if (bpf_prog_test_run_opts(fd, &opts) < 0)
		err(1, "BPF_PROG_TEST_RUN");
	return opts.duration;
}

/* What prismd states: on which levels of the hierarchy workloads are, so that a lookup asks no others. */
static void state_levels(struct prism_fake_host *fake, uint64_t levels)
{
	int fd = prism_meta_fd(prism_fake_host_host(fake));
	struct prism_meta meta;
	uint32_t zero = 0;

	if (bpf_map_lookup_elem(fd, &zero, &meta) < 0)
		err(1, "prism_meta");
	meta.feature_flags |= PRISM_FEATURE_ROOT_LEVELS;
	meta.root_levels = levels;
	if (bpf_map_update_elem(fd, &zero, &meta, BPF_ANY) < 0)
		err(1, "prism_meta");
}

static void per_packet(struct prism_fake_host *fake, const char *row)
{
	struct samples empty = {0}, leg = {0};
	int empty_fd = empty_program(), leg_fd = egress_program(fake);

	for (int i = 0; i < ROUNDS; i++) {
		samples_add(&empty, run_program(empty_fd));
		samples_add(&leg, run_program(leg_fd));
	}
	bench_row(row, "<= 150 ns", "%.0f ns | %.0f %% | an empty program: %.0f ns, taken off",
		  samples_median(&leg) - samples_median(&empty), 100 * samples_spread(&leg), samples_median(&empty));
	samples_done(&empty);
	samples_done(&leg);
	close(empty_fd);
	close(leg_fd);
}

/* One process sends and receives each datagram: nothing but the path through the stack. */
static double stream(void *arg)
{
	uint64_t start = bench_now_ns();

	udp_pair_send(arg, PACKETS, 64, NULL);
	return 1e9 * PACKETS / (double)(bench_now_ns() - start);
}

/* Two processes that answer each other, as a client and a server do. */
struct dialogue {
	struct udp_pair there;
	struct udp_pair back;
};

static int answer(void *arg)
{
	struct dialogue *dialogue = arg;
	char packet[64];

	while (recv(dialogue->there.rx, packet, sizeof(packet), 0) > 1)
		send(dialogue->back.tx, packet, sizeof(packet), 0);
	return 0;
}

static double talk(void *arg)
{
	struct dialogue *dialogue = arg;
	char packet[64] = "";
	uint64_t start = bench_now_ns();

	for (int i = 0; i < PACKETS / 2; i++) {
		send(dialogue->there.tx, packet, sizeof(packet), 0);
		recv(dialogue->back.rx, packet, sizeof(packet), 0);
	}
	return 1e9 * PACKETS / (double)(bench_now_ns() - start);
}

/* The same traffic with the leg, with empty programs in its place, and without, in turns. */
static void compare(struct prism_fake_host *fake, const char *row, double (*traffic)(void *arg), void *arg)
{
	const enum bpf_attach_type hooks[] = {BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS};
	int root = prism_cgroup_fd(prism_fake_host_host(fake)), program = empty_program(), links[2];
	struct samples without = {0}, empty = {0}, with = {0};

	traffic(arg);
	for (int i = 0; i < ROUNDS; i++) {
		if (prism_fake_host_start(fake))
			errx(1, "%s", prism_fake_host_reason(fake));
		samples_add(&with, traffic(arg));
		prism_fake_host_stop(fake, PRISM_STOP_REMOVE);
		samples_add(&without, traffic(arg));
		for (int h = 0; h < 2; h++)
			links[h] = bpf_link_create(program, root, hooks[h], NULL);
		samples_add(&empty, traffic(arg));
		close(links[0]);
		close(links[1]);
	}
	bench_row(row, ">= 0.97 of without", "%.3f | %.1f %% | without: %.0f packets/s, %.1f %%; empty programs: %.3f",
		  samples_median(&with) / samples_median(&without), 100 * samples_spread(&with),
		  samples_median(&without), 100 * samples_spread(&without),
		  samples_median(&empty) / samples_median(&without));
	samples_done(&without);
	samples_done(&empty);
	samples_done(&with);
	close(program);
}

static void loopback(struct prism_fake_host *fake)
{
	struct dialogue dialogue;
	struct udp_pair pair;
	pid_t server;

	udp_pair_make(AF_INET, &pair);
	udp_pair_make(AF_INET, &dialogue.there);
	udp_pair_make(AF_INET, &dialogue.back);
	compare(fake, "net leg, loopback UDP packets/s, one process", stream, &pair);
	server = sandbox_spawn(NULL, answer, &dialogue);
	compare(fake, "net leg, loopback UDP packets/s, client and server", talk, &dialogue);
	send(dialogue.there.tx, "", 1, 0);
	sandbox_wait(server);
}

int main(void)
{
	struct prism_fake_host *fake;
	struct sandbox_cgroup cgroup, home;

	sandbox_require_root();
	fake = sandbox_host_new(sandbox_module(MODULE_FILE), NULL);
	if (!fake || prism_fake_host_start(fake))
		errx(1, "net does not start: %s", fake ? prism_fake_host_reason(fake) : "no fake host");
	sandbox_home(fake, &home);
	sandbox_cgroup_make(fake, "bench", &cgroup);
	bench_header();
	sandbox_join(&cgroup);
	state_levels(fake, 1 << 1 | 1 << 2);
	per_packet(fake, "net leg, per packet, an unmanaged socket (workloads on two levels)");
	sandbox_identity(fake, PRISM_IDENTITY_ADDED, IDENTITY, IDENTITY, &cgroup);
	per_packet(fake, "net leg, per packet, a workload's socket");
	prism_fake_host_stop(fake, PRISM_STOP_REMOVE);
	loopback(fake);
	sandbox_join(&home);
	sandbox_host_free(fake);
	sandbox_cgroup_remove(&cgroup);
	return 0;
}
