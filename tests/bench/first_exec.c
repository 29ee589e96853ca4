/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the identity there at a container's first exec? bench_first_exec BUS_DIR PARENT_CGROUP, against a running prismd
 * with a rule `match: <parent>/{pod}` of one constant identity (no label from the capture). As a runtime does it: pod
 * cgroup, container cgroup in it, a process that enters it and then execs. 1,000 starts on an idle machine, 1,000 with
 * a busy loop on every CPU, and 1,000 of a bare cgroup that is exec'ed into at once. A BPF consumer counts in the
 * kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <prism/bus.h>

#include "bench.h"
#include "cgroup/mount.h"
#include "first_exec.h"
#include "first_exec.skel.h"

#define STARTS 1000
#define MAX_BUSY 64

static struct first_exec_bpf *skeleton;
static const char *parent;

static void die(const char *what)
{
	fprintf(stderr, "bench_first_exec: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int pinned(const char *dir, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		die(path);
	return fd;
}

/* fork, enter the cgroup, exec: the child is in the kernel's hands from there on. */
static void start_in(const char *cgroup)
{
	char procs[600];
	pid_t pid;
	int fd;

	pid = fork();
	if (pid == 0) {
		snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup);
		fd = open(procs, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			_exit(1);
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) < 0)
		die("fork");
}

static void one(unsigned int i, int nested)
{
	char pod[400], container[500];

	snprintf(pod, sizeof(pod), "%s/pod%u", parent, i);
	snprintf(container, sizeof(container), "%s/container", pod);
	if (mkdir(pod, 0755) < 0 || (nested && mkdir(container, 0755) < 0))
		die(pod);
	start_in(nested ? container : pod);
	if (nested)
		rmdir(container);
	rmdir(pod);
}

static uint64_t counter(uint32_t which)
{
	uint64_t n = 0;

	bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.seen), &which, &n);
	return n;
}

static void run(const char *name, const char *target, int nested)
{
	uint64_t total = counter(FIRST_EXEC_TOTAL), lookup = counter(FIRST_EXEC_LOOKUP),
		 leaf = counter(FIRST_EXEC_LEAF);
	unsigned int i;

	for (i = 0; i < STARTS; i++)
		one(i, nested);
	bench_row(name, target, "%llu of %llu | - | one bare probe of the leaf: %llu of %llu",
		  (unsigned long long)(counter(FIRST_EXEC_LOOKUP) - lookup),
		  (unsigned long long)(counter(FIRST_EXEC_TOTAL) - total),
		  (unsigned long long)(counter(FIRST_EXEC_LEAF) - leaf),
		  (unsigned long long)(counter(FIRST_EXEC_TOTAL) - total));
}

static unsigned int burn(pid_t pids[MAX_BUSY])
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	long i;

	for (i = 0; i < n && i < MAX_BUSY; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			for (;;)
				;
	}
	return (unsigned int)i;
}

/* The identity of the workload that the rule makes: read off the bus, once, from the first pod. */
static uint32_t learn(int map)
{
	struct prism_identity entry = {0};
	char pod[400];
	uint64_t id, until = bench_now_ns() + 2000000000ull;

	snprintf(pod, sizeof(pod), "%s/probe", parent);
	if (mkdir(pod, 0755) < 0 || cgroup_id_of(AT_FDCWD, pod, &id) < 0)
		die(pod);
	while (bpf_map_lookup_elem(map, &id, &entry) < 0 && bench_now_ns() < until)
		;
	rmdir(pod);
	return entry.identity;
}

int main(int argc, char **argv)
{
	pid_t busy[MAX_BUSY];
	unsigned int n_busy, i;
	int map, meta;

	if (argc != 3) {
		fprintf(stderr, "Usage: bench_first_exec BUS_DIR PARENT_CGROUP\n");
		return 2;
	}
	parent = argv[2];
	map = pinned(argv[1], PRISM_BUS_MAP);
	meta = pinned(argv[1], PRISM_META_MAP);
	skeleton = first_exec_bpf__open();
	if (!skeleton || bpf_map__reuse_fd(skeleton->maps.prism_identity, map) < 0 ||
	    bpf_map__reuse_fd(skeleton->maps.prism_meta, meta) < 0 || first_exec_bpf__load(skeleton) < 0)
		die("BPF object");
	skeleton->bss->expected = learn(map);
	skeleton->bss->watched_parent = (uint32_t)getpid();
	if (!skeleton->bss->expected || first_exec_bpf__attach(skeleton) < 0)
		die("no workload, or no consumer");
	bench_header();
	run("identity at a container's first exec, idle", "every one of 1,000", 1);
	run("identity at a bare cgroup's first exec, idle", ">= 99 %", 0);
	n_busy = burn(busy);
	run("identity at a container's first exec, all CPUs busy", "every one of 1,000", 1);
	run("identity at a bare cgroup's first exec, all CPUs busy", "share reported", 0);
	for (i = 0; i < n_busy; i++) {
		kill(busy[i], SIGKILL);
		waitpid(busy[i], NULL, 0);
	}
	first_exec_bpf__destroy(skeleton);
	return 0;
}
