/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world for BPF tests: cgroups below one of the test's own, a bus that nobody else knows, and processes that sit in a
 * cgroup until they are let go. Everything asserts; world_done() takes everything away.
 */
#ifndef TESTS_BPF_WORLD_H
#define TESTS_BPF_WORLD_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <sys/types.h>

#include <bpf/libbpf.h>
#include <prism/bus.h>

#define WORLD_PROCESSES 4

struct world {
	char root[4096]; /* the test's own cgroup, directly below the v2 root: level 1 */
	int bus_fd, meta_fd;
	struct prism_meta meta;
	pid_t pid;
	struct {
		pid_t pid;
		int fd;
	} processes[WORLD_PROCESSES]; /* pid 0: free */
};

/* Exits with 77, loudly, where BPF or cgroup v2 are not to be had. */
void world_require(void);
/* False on a kernel without this function for BPF programs, and the test's output says so. */
bool world_kfunc(const char *name);

/* One at a time. What a test leaves behind goes at exit at the latest. */
void world_init(struct world *w);
void world_done(struct world *w);

/* Makes the cgroup at path (below root, "" is root, parents too) and returns its id. */
uint64_t world_cgroup(struct world *w, const char *path);
/* Moves this process there; NULL: back to the v2 root. */
void world_enter(struct world *w, const char *path);
int world_cgroup_fd(struct world *w, const char *path);

/* One entry, without a new generation. */
void world_publish(struct world *w, uint64_t cgroup, uint32_t identity, uint32_t flags, uint64_t label_hash);
void world_withdraw(struct world *w, uint64_t cgroup);
/* Writes w->meta. */
void world_meta(struct world *w);
void world_next_generation(struct world *w);

/* Gives an opened object the bus of this world. */
void world_attach_bus(struct world *w, struct bpf_object *object);

/* A process in this cgroup until world_process_end() or world_done(). exec: it has exec'ed /bin/cat. */
pid_t world_process(struct world *w, const char *path, bool exec);
void world_process_end(struct world *w, pid_t pid);

#endif
