// SPDX-License-Identifier: Apache-2.0
#include "sandbox.h"

#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define SKIP 77
#define LEFT_MAX 16

/* What is to be undone when a test, or one of these functions, ends the program. */
static struct {
	pid_t owner;
	struct prism_fake_host *hosts[LEFT_MAX];
	char cgroups[LEFT_MAX][256];
} left;

/* Its processes are gone once they are no longer counted, waited for or not. */
static void remove_cgroup(const char *path)
{
	char kill_file[300];
	time_t end = time(NULL) + 5;
	int fd;

	snprintf(kill_file, sizeof(kill_file), "%s/cgroup.kill", path);
	while (rmdir(path) < 0) {
		if (errno != EBUSY || time(NULL) > end) {
			warn("%s", path);
			return;
		}
		fd = open(kill_file, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "1", 1) != 1)
			warn("%s", kill_file);
		close(fd);
		sched_yield();
	}
}

static void clean_up(void)
{
	if (getpid() != left.owner)
		return;
	for (int i = LEFT_MAX - 1; i >= 0; i--) {
		if (left.cgroups[i][0])
			remove_cgroup(left.cgroups[i]);
		if (left.hosts[i])
			prism_fake_host_free(left.hosts[i]);
	}
}

/* A test that is stopped from outside cleans up as well. */
static void on_signal(int signal)
{
	exit(128 + signal);
}

/* The first free place; children do not clean up. */
static int place(const void *places, size_t size)
{
	static const char free_place[sizeof(void *)];
	const char *at = places;

	if (!left.owner) {
		left.owner = getpid();
		atexit(clean_up);
		signal(SIGTERM, on_signal);
		signal(SIGINT, on_signal);
	}
	for (int i = 0; i < LEFT_MAX; i++) {
		if (!memcmp(at + (size_t)i * size, free_place, sizeof(free_place)))
			return i;
	}
	errx(1, "more than %d hosts or cgroups at a time", LEFT_MAX);
}

struct prism_fake_host *sandbox_host_new(const struct prism_module *module, const char *config)
{
	struct prism_fake_host *fake = prism_fake_host_new(module, config);

	if (fake)
		left.hosts[place(left.hosts, sizeof(left.hosts[0]))] = fake;
	return fake;
}

void sandbox_host_free(struct prism_fake_host *fake)
{
	for (int i = 0; i < LEFT_MAX; i++) {
		if (left.hosts[i] == fake)
			left.hosts[i] = NULL;
	}
	prism_fake_host_free(fake);
}

static void make(const char *path, struct sandbox_cgroup *ret_cgroup)
{
	struct stat st;

	if (strlen(path) >= sizeof(ret_cgroup->path))
		errx(1, "%s: the path is too long", path);
	if (mkdir(path, 0755) < 0)
		err(1, "%s", path);
	strcpy(left.cgroups[place(left.cgroups, sizeof(left.cgroups[0]))], path);
	if (stat(path, &st) < 0)
		err(1, "%s", path);
	strcpy(ret_cgroup->path, path);
	ret_cgroup->id = st.st_ino;
}

void sandbox_cgroup_make(struct prism_fake_host *fake, const char *name, struct sandbox_cgroup *ret_cgroup)
{
	const char *root = prism_cgroup_path(prism_fake_host_host(fake));
	char path[512];

	if (!root)
		errx(1, "the fake host knows no cgroup v2 hierarchy");
	snprintf(path, sizeof(path), "%s/prism-test-%d-%s", root, (int)getpid(), name);
	make(path, ret_cgroup);
}

void sandbox_cgroup_below(const struct sandbox_cgroup *parent, const char *name, struct sandbox_cgroup *ret_cgroup)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", parent->path, name);
	make(path, ret_cgroup);
}

void sandbox_cgroup_remove(struct sandbox_cgroup *cgroup)
{
	for (int i = 0; i < LEFT_MAX; i++) {
		if (cgroup->path[0] && !strcmp(left.cgroups[i], cgroup->path)) {
			memset(left.cgroups[i], 0, sizeof(left.cgroups[i]));
			remove_cgroup(cgroup->path);
		}
	}
	cgroup->path[0] = '\0';
}

void sandbox_home(struct prism_fake_host *fake, struct sandbox_cgroup *ret_cgroup)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[400];
	struct stat st;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::", 3))
			continue;
		line[strcspn(line, "\n")] = '\0';
		if ((size_t)snprintf(ret_cgroup->path, sizeof(ret_cgroup->path), "%s%s",
				     prism_cgroup_path(prism_fake_host_host(fake)),
				     line + 3) >= sizeof(ret_cgroup->path))
			errx(1, "%s: path is too long", line + 3);
		if (stat(ret_cgroup->path, &st) < 0)
			err(1, "%s", ret_cgroup->path);
		ret_cgroup->id = st.st_ino;
		fclose(file);
		return;
	}
	errx(1, "/proc/self/cgroup names no cgroup v2");
}

void sandbox_join(const struct sandbox_cgroup *cgroup)
{
	char procs[300];
	int fd;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", cgroup->path);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		err(1, "%s", procs);
	close(fd);
}

pid_t sandbox_spawn(const struct sandbox_cgroup *cgroup, int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	/* A test that fails leaves by longjmp and may never wait for us: no process outlives it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cgroup)
		sandbox_join(cgroup);
	_exit(fn(arg));
}

int sandbox_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return status;
}

void sandbox_run(const struct sandbox_cgroup *cgroup, int (*fn)(void *arg), void *arg)
{
	int status = sandbox_wait(sandbox_spawn(cgroup, fn, arg));

	if (status)
		errx(1, "the test's own child failed: wait status %#x", (unsigned int)status);
}

void *sandbox_shared(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		err(1, "mmap");
	return at;
}

const struct prism_module *sandbox_module(const char *file)
{
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	const struct prism_module *module = handle ? dlsym(handle, PRISM_MODULE_SYMBOL) : NULL;

	if (!module)
		errx(1, "%s", dlerror());
	return module;
}

void sandbox_identity(struct prism_fake_host *fake, enum prism_change change, uint32_t identity, uint64_t label_hash,
		      const struct sandbox_cgroup *cgroup)
{
	char name[32], canonical[64];
	struct prism_workload workload = {
		.size = sizeof(workload),
		.identity = identity,
		.n_cgroups = cgroup ? 1 : 0,
		.label_hash = label_hash,
		.name = name,
		.namespace_name = "test",
		.service_account = "default",
		.canonical = canonical,
		.label_size = sizeof(struct prism_label),
	};
	int r;

	snprintf(name, sizeof(name), "test/%" PRIu32, identity);
	snprintf(canonical, sizeof(canonical), "io.prism/namespace=test;name=%" PRIu32, identity);
	r = prism_fake_host_identity(fake, change, &workload, cgroup ? cgroup->id : 0);
	if (r < 0)
		errx(1, "identity %" PRIu32 ": %s", identity, strerror(-r));
}

void sandbox_require_root(void)
{
	if (geteuid() == 0 && libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_CGROUP_SKB, NULL) == 1)
		return;
	fprintf(stderr, "UNSUPPORTED: these tests load BPF programs and make cgroups: run them as root\n");
	exit(SKIP);
}
