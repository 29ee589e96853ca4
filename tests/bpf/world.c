// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char v2[1024];

static void find_v2(void)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;

	while (f && !v2[0] && (m = getmntent(f)))
		if (!strcmp(m->mnt_type, "cgroup2"))
			snprintf(v2, sizeof(v2), "%s", m->mnt_dir);
	if (f)
		endmntent(f);
}

static void cannot_run(const char *why)
{
	fprintf(stderr, "UNSUPPORTED: %s\n", why);
	exit(77);
}

void world_require(void)
{
	int fd;

	find_v2();
	if (!v2[0])
		cannot_run("no cgroup v2 hierarchy is mounted");
	if (access(v2, W_OK) < 0)
		cannot_run("the cgroup v2 hierarchy cannot be written");
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "probe", 4, 4, 1, NULL);
	if (fd < 0)
		cannot_run("this process may not create BPF maps");
	close(fd);
}

bool world_kfunc(const char *name)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	bool there = btf__find_by_name_kind(kernel, name, BTF_KIND_FUNC) > 0;

	btf__free(kernel);
	if (!there)
		fprintf(stderr, "UNSUPPORTED: this kernel has no kfunc %s\n", name);
	return there;
}

static void make_bus(struct world *w)
{
	LIBBPF_OPTS(bpf_map_create_opts, bus, .map_flags = BPF_F_RDONLY_PROG | BPF_F_NO_PREALLOC);
	LIBBPF_OPTS(bpf_map_create_opts, meta, .map_flags = BPF_F_RDONLY_PROG);

	w->bus_fd = bpf_map_create(BPF_MAP_TYPE_HASH, PRISM_BUS_MAP, 8, sizeof(struct prism_identity), 4096, &bus);
	assert_true(w->bus_fd >= 0);
	w->meta_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, PRISM_META_MAP, 4, sizeof(struct prism_meta), 1, &meta);
	assert_true(w->meta_fd >= 0);
	w->meta = (struct prism_meta){
		.abi_version = PRISM_BUS_ABI,
		.value_size = sizeof(struct prism_identity),
		.feature_flags = PRISM_FEATURE_ROOT_LEVELS | PRISM_FEATURE_STALE_JIFFIES,
		.generation = 1,
		.writer_pid = getpid(),
		.capacity = 4096,
		.stale_jiffies = ~0ull,
		.root_levels = ~0ull,
	};
	world_meta(w);
}

static int enter(const char *dir)
{
	char procs[8300];
	int fd, n;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, "0", 1) < 0 ? -errno : 0;
	close(fd);
	return n;
}

static struct world *present;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_DP)
		rmdir(path);
	return 0;
}

static void take_away(struct world *w)
{
	size_t i;

	for (i = 0; i < WORLD_PROCESSES; i++) {
		if (!w->processes[i].pid)
			continue;
		close(w->processes[i].fd);
		waitpid(w->processes[i].pid, NULL, 0);
		w->processes[i].pid = 0;
	}
	enter(v2);
	nftw(w->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	close(w->bus_fd);
	close(w->meta_fd);
	present = NULL;
}

static void at_exit(void)
{
	if (present && present->pid == getpid())
		take_away(present);
}

void world_init(struct world *w)
{
	static bool registered;

	memset(w, 0, sizeof(*w));
	find_v2();
	w->pid = getpid();
	snprintf(w->root, sizeof(w->root), "%s/prism-test-%d", v2, (int)w->pid);
	present = w;
	if (!registered)
		registered = atexit(at_exit) == 0;
	make_bus(w);
	world_cgroup(w, "");
}

void world_done(struct world *w)
{
	if (!present)
		return;
	take_away(w);
	assert_int_equal(access(w->root, F_OK), -1);
}

static void path_of(struct world *w, const char *path, char *out, size_t size)
{
	int n = snprintf(out, size, "%s%s%s", w->root, *path ? "/" : "", path);

	assert_true(n > 0 && (size_t)n < size);
}

uint64_t world_cgroup(struct world *w, const char *path)
{
	char full[8192], *p;
	struct stat st;

	path_of(w, path, full, sizeof(full));
	for (p = full + strlen(v2) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
	}
	assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
	assert_int_equal(stat(full, &st), 0);
	return st.st_ino;
}

int world_cgroup_fd(struct world *w, const char *path)
{
	char full[8192];
	int fd;

	path_of(w, path, full, sizeof(full));
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

void world_enter(struct world *w, const char *path)
{
	char full[8192];

	if (!path) {
		assert_int_equal(enter(v2), 0);
		return;
	}
	path_of(w, path, full, sizeof(full));
	assert_int_equal(enter(full), 0);
}

void world_publish(struct world *w, uint64_t cgroup, uint32_t identity, uint32_t flags, uint64_t label_hash)
{
	struct prism_identity entry = {identity, flags, label_hash, 1};

	assert_int_equal(bpf_map_update_elem(w->bus_fd, &cgroup, &entry, BPF_ANY), 0);
}

void world_withdraw(struct world *w, uint64_t cgroup)
{
	assert_int_equal(bpf_map_delete_elem(w->bus_fd, &cgroup), 0);
}

void world_meta(struct world *w)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(w->meta_fd, &zero, &w->meta, BPF_ANY), 0);
}

void world_next_generation(struct world *w)
{
	w->meta.generation++;
	world_meta(w);
}

void world_attach_bus(struct world *w, struct bpf_object *object)
{
	struct bpf_map *bus = bpf_object__find_map_by_name(object, PRISM_BUS_MAP);
	struct bpf_map *meta = bpf_object__find_map_by_name(object, PRISM_META_MAP);

	assert_non_null(bus);
	assert_non_null(meta);
	assert_int_equal(bpf_map__reuse_fd(bus, w->bus_fd), 0);
	assert_int_equal(bpf_map__reuse_fd(meta, w->meta_fd), 0);
}

static void live(const char *dir, bool exec, int hold, int ready)
{
	char c = enter(dir) < 0 ? 'e' : 'r';

	if (exec) {
		dup2(hold, STDIN_FILENO);
		dup2(ready, STDOUT_FILENO);
		/* cat says the byte that it is sent: then the exec is over. */
		execl("/bin/cat", "cat", (char *)NULL);
		_exit(1);
	}
	if (write(ready, &c, 1) != 1)
		_exit(1);
	while (read(hold, &c, 1) > 0)
		;
	_exit(0);
}

static size_t free_slot(struct world *w)
{
	size_t i;

	for (i = 0; i < WORLD_PROCESSES; i++)
		if (!w->processes[i].pid)
			return i;
	fail_msg("more than %d processes", WORLD_PROCESSES);
	return 0;
}

pid_t world_process(struct world *w, const char *path, bool exec)
{
	size_t slot = free_slot(w);
	int hold[2], ready[2];
	char full[8192], c = 0;
	pid_t pid;

	path_of(w, path, full, sizeof(full));
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(hold[1]);
		live(full, exec, hold[0], ready[1]);
	}
	close(hold[0]);
	close(ready[1]);
	w->processes[slot].pid = pid;
	w->processes[slot].fd = hold[1];
	if (exec)
		assert_int_equal(write(hold[1], "r", 1), 1);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, 'r');
	close(ready[0]);
	return pid;
}

void world_process_end(struct world *w, pid_t pid)
{
	size_t i;

	for (i = 0; i < WORLD_PROCESSES; i++) {
		if (w->processes[i].pid != pid)
			continue;
		close(w->processes[i].fd);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		w->processes[i].pid = 0;
	}
}
