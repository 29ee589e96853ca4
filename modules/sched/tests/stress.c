// SPDX-License-Identifier: Apache-2.0
#include "stress.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "sched.skel.h"
#include "stay.skel.h"

#define POLICY_EXT 7 /* SCHED_EXT */
#define FORKS 16
#define STAYS 20000

/* In a process of its own: cmocka's asserts are for the test's. */
#define MUST(condition) ((condition) ? (void)0 : err(1, "%s: %s", __func__, #condition))

static unsigned int dice(unsigned int sides)
{
	return (unsigned int)rand() % sides;
}

static const char *path_of(const struct stress *stress, const char *path)
{
	static char file[8300];

	snprintf(file, sizeof(file), "%s/%s", stress->policy->world.root, path);
	return file;
}

static bool put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return done;
}

static void compute(unsigned int us)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < (long)us);
}

static void nap(unsigned int us)
{
	const struct timespec rest = {us / 1000000, (long)(us % 1000000) * 1000};

	nanosleep(&rest, NULL);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

static void forks(struct stress *stress, uint64_t turn)
{
	pid_t pids[FORKS];

	if (!turn)
		MUST(put(path_of(stress, "storm/cgroup.procs"), "0"));
	for (int i = 0; i < FORKS; i++) {
		pids[i] = fork();
		MUST(pids[i] >= 0);
		if (!pids[i]) {
			/* Some leave a child behind that ends by itself. */
			if (!dice(4) && !fork())
				compute(100);
			_exit(0);
		}
	}
	for (int i = 0; i < FORKS; i++)
		MUST(waitpid(pids[i], NULL, 0) == pids[i]);
}

static void affinity(struct stress *stress, uint64_t turn)
{
	unsigned int cpus = (unsigned int)stress->policy->cpus;
	cpu_set_t set;

	(void)turn;
	CPU_ZERO(&set);
	CPU_SET(dice(cpus), &set);
	if (dice(2))
		CPU_SET(dice(cpus), &set);
	/* EINVAL: none of them is online now, or its cpuset has none of them. */
	MUST(sched_setaffinity(stress->hogs[dice(STRESS_HOGS)], sizeof(set), &set) == 0 || errno == EINVAL);
	MUST(sched_setaffinity(0, sizeof(set), &set) == 0 || errno == EINVAL);
	sched_yield();
}

/* The classes of the kernel, and nice, of hogs; of itself also real time, for a moment. */
static void classes(struct stress *stress, uint64_t turn)
{
	static const int policies[] = {SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, POLICY_EXT};
	const struct sched_param fifo = {.sched_priority = 1}, none = {0};
	pid_t hog = stress->hogs[dice(STRESS_HOGS)];

	(void)turn;
	MUST(sched_setscheduler(hog, policies[dice(4)], &none) == 0);
	MUST(setpriority(PRIO_PROCESS, (id_t)hog, (int)dice(40) - 20) == 0);
	MUST(sched_setscheduler(0, SCHED_FIFO, &fifo) == 0);
	compute(500);
	MUST(sched_setscheduler(0, SCHED_OTHER, &none) == 0);
	nap(2000);
}

static void echo(int fd)
{
	char c;

	while (read(fd, &c, 1) == 1 && write(fd, &c, 1) == 1)
		;
	_exit(0);
}

static void talk(struct stress *stress, uint64_t turn)
{
	static int fds[2];
	char c = '.';

	(void)stress;
	if (!turn) {
		MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
		if (!fork()) {
			close(fds[0]);
			echo(fds[1]);
		}
		close(fds[1]);
	}
	for (int i = 0; i < 100; i++)
		MUST(write(fds[0], &c, 1) == 1 && read(fds[0], &c, 1) == 1);
}

static void naps(struct stress *stress, uint64_t turn)
{
	if (!turn)
		MUST(put(path_of(stress, "group-0/cgroup.procs"), "0"));
	nap(200);
	compute(50);
}

/* See stay.bpf.c. */
static void stays(struct stress *stress, uint64_t turn)
{
	struct {
		uint64_t address;
		uint32_t times, reserved;
	} args = {(uint64_t)(uintptr_t)stress, STAYS, 0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &args, .ctx_size_in = sizeof(args));
	static struct stay_bpf *skel;

	if (!turn) {
		skel = stay_bpf__open_and_load();
		MUST(skel);
		skel->bss->stay_pid = getpid();
		MUST(stay_bpf__attach(skel) == 0);
	}
	MUST(bpf_prog_test_run_opts(bpf_program__fd(skel->progs.stay), &opts) == 0);
	stress->stayed = skel->bss->stay_switched;
}

/* ---- CPUs -------------------------------------------------------------------------------------------------------- */

static bool switch_cpu(unsigned int cpu, const char *what)
{
	char file[64];

	snprintf(file, sizeof(file), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return put(file, what);
}

static void hotplug(struct stress *stress, uint64_t turn)
{
	unsigned int cpu = 1 + dice((unsigned int)stress->policy->cpus - 1);

	(void)turn;
	MUST(switch_cpu(cpu, "0"));
	nap(20000 + dice(80000));
	MUST(switch_cpu(cpu, "1"));
	nap(20000 + dice(80000));
}

static void cpusets(struct stress *stress, uint64_t turn)
{
	static const char *const sets[] = {"0", "1", "0-1"};

	/* Hogs come and go between a set and none. */
	MUST(put(path_of(stress, "set/cpuset.cpus"), sets[turn % 3]));
	if (dice(2)) {
		char pid[16];

		snprintf(pid, sizeof(pid), "%d", (int)stress->hogs[dice(STRESS_HOGS)]);
		MUST(put(path_of(stress, dice(2) ? "set/cgroup.procs" : "group-1/cgroup.procs"), pid));
	}
	nap(10000);
}

/* ---- cgroups and identities -------------------------------------------------------------------------------------- */

static void publish(struct stress *stress, uint64_t cgroup, uint32_t identity)
{
	uint32_t flags = dice(4) << PRISM_CLASS_SHIFT | dice(PRISM_WEIGHT_MAX + 1) << PRISM_WEIGHT_SHIFT, zero = 0;
	const struct prism_identity entry = {identity, flags, identity, 1};
	struct world *world = &stress->policy->world;

	MUST(bpf_map_update_elem(world->bus_fd, &cgroup, &entry, BPF_ANY) == 0);
	world->meta.generation++;
	MUST(bpf_map_update_elem(world->meta_fd, &zero, &world->meta, BPF_ANY) == 0);
}

static void make_cgroup(const struct stress *stress, const char *path, uint64_t *ret_id)
{
	struct stat st;

	MUST(mkdir(path_of(stress, path), 0755) == 0);
	MUST(stat(path_of(stress, path), &st) == 0);
	*ret_id = st.st_ino;
}

/* A workload comes, with a cgroup below its own, runs, is relabelled and goes; so are those of the hogs. */
static void workloads(struct stress *stress, uint64_t turn)
{
	uint32_t identity = STRESS_FIRST + STRESS_GROUPS + (uint32_t)(turn % 64);
	uint64_t id, below;
	char weight[16];

	make_cgroup(stress, "churn/pod", &id);
	publish(stress, id, identity);
	MUST(put(path_of(stress, "churn/pod/cgroup.subtree_control"), "+cpu"));
	make_cgroup(stress, "churn/pod/container", &below);
	MUST(put(path_of(stress, "churn/pod/container/cgroup.procs"), "0"));
	compute(200);
	publish(stress, id, identity);
	snprintf(weight, sizeof(weight), "%u", 1 + dice(10000));
	MUST(put(path_of(stress, "churn/pod/cpu.weight"), weight));
	sched_yield();
	publish(stress, stress->groups[dice(STRESS_GROUPS)], STRESS_FIRST + dice(STRESS_GROUPS));
	MUST(put(path_of(stress, "storm/cgroup.procs"), "0"));
	MUST(bpf_map_delete_elem(stress->policy->world.bus_fd, &id) == 0);
	MUST(rmdir(path_of(stress, "churn/pod/container")) == 0);
	MUST(rmdir(path_of(stress, "churn/pod")) == 0);
}

/* From one of thousands of cgroups to the next. */
static void visits(struct stress *stress, uint64_t turn)
{
	char path[64];

	(void)turn;
	snprintf(path, sizeof(path), "many/%u/cgroup.procs", dice(STRESS_CGROUPS));
	MUST(put(path_of(stress, path), "0"));
	compute(20);
	sched_yield();
}

static void options(struct stress *stress, uint64_t turn)
{
	struct sched_config config = stress->policy->config;
	uint32_t zero = 0;

	(void)turn;
	config.max_wait_ns = (20 + dice(480)) * 1000000ull;
	for (int i = 0; i < SCHED_RANKS; i++) {
		config.slice_ns[i] = (100 + dice(9900)) * 1000ull;
		config.share[i] = 1 + dice(1000);
	}
	config.grant_ns = (200 + dice(9800)) * 1000ull;
	config.burst_ns = dice(1000) * 1000000ull;
	config.flags = dice(4);
	MUST(bpf_map_update_elem(bpf_map__fd(stress->policy->skel->maps.sched_config), &zero, &config, 0) == 0);
	nap(50000);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void (*const kinds[STRESS_KINDS])(struct stress *stress, uint64_t turn) = {
	forks, affinity, classes, talk, naps, stays, hotplug, cpusets, workloads, visits, options,
};

const char *const stress_names[STRESS_KINDS] = {
	"forks",   "affinity", "classes",   "talk",   "naps",    "migration disabled",
	"hotplug", "cpusets",  "workloads", "visits", "options",
};

static void go(struct stress *stress, int kind)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid) {
		stress->pids[kind] = pid;
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	srand((unsigned int)kind);
	for (;; stress->turns[kind]++)
		kinds[kind](stress, stress->turns[kind]);
}

static bool can(const struct stress *stress, int kind)
{
	if (kinds[kind] == hotplug && (stress->policy->cpus < 2 || !switch_cpu(1, "1"))) {
		print_message("UNSUPPORTED: no CPU can be switched off\n");
		return false;
	}
	if (kinds[kind] == cpusets && access(path_of(stress, "set/cpuset.cpus"), F_OK) < 0) {
		print_message("UNSUPPORTED: the cpuset controller is not to be had\n");
		return false;
	}
	return true;
}

static void make_cgroups(struct stress *stress)
{
	char path[64];

	for (int i = 0; i < STRESS_GROUPS; i++) {
		snprintf(path, sizeof(path), "group-%d", i);
		stress->groups[i] = policy_cgroup(stress->policy, path, 100);
		policy_publish(stress->policy, stress->groups[i], STRESS_FIRST + (uint32_t)i, 1 + (uint32_t)i, 64);
	}
	put(path_of(stress, "cgroup.subtree_control"), "+cpuset");
	policy_cgroup(stress->policy, "storm", 100);
	policy_cgroup(stress->policy, "set", 100);
	policy_cgroup(stress->policy, "churn", 100);
	policy_cgroup(stress->policy, "many", 100);
	policy_cgroup(stress->policy, "churn/first", 100);
	policy_cgroup(stress->policy, "many/first", 100);
	for (int i = 0; i < STRESS_CGROUPS; i++) {
		snprintf(path, sizeof(path), "many/%d", i);
		assert_int_equal(mkdir(path_of(stress, path), 0755), 0);
	}
}

struct stress *stress_start(struct policy *policy)
{
	struct stress *stress = mmap(NULL, sizeof(*stress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char path[64];

	assert_ptr_not_equal(stress, MAP_FAILED);
	stress->policy = policy;
	make_cgroups(stress);
	for (int i = 0; i < STRESS_HOGS; i++) {
		snprintf(path, sizeof(path), "group-%d", i % STRESS_GROUPS);
		stress->hogs[i] = hog_start(policy, path, -1);
	}
	for (int kind = 0; kind < STRESS_KINDS; kind++)
		if (can(stress, kind))
			go(stress, kind);
	return stress;
}

void stress_going(struct stress *stress)
{
	int status;

	for (int kind = 0; kind < STRESS_KINDS; kind++) {
		if (stress->pids[kind] && waitpid(stress->pids[kind], &status, WNOHANG) == stress->pids[kind]) {
			stress->pids[kind] = 0;
			fail_msg("%s ended with status %#x after %lu turns", stress_names[kind], (unsigned int)status,
				 stress->turns[kind]);
		}
	}
}

static void await_empty(const struct stress *stress)
{
	char text[64] = "";

	for (int i = 0; i < 1000 && !strstr(text, "populated 0"); i++) {
		int fd = open(path_of(stress, "cgroup.events"), O_RDONLY | O_CLOEXEC);

		memset(text, 0, sizeof(text));
		assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
		close(fd);
		nap(10000);
	}
	assert_non_null(strstr(text, "populated 0"));
}

void stress_stop(struct stress *stress)
{
	for (int kind = 0; kind < STRESS_KINDS; kind++)
		if (stress->pids[kind])
			kill(stress->pids[kind], SIGKILL);
	for (int kind = 0; kind < STRESS_KINDS; kind++)
		if (stress->pids[kind])
			waitpid(stress->pids[kind], NULL, 0);
	hogs_end();
	for (int cpu = 1; cpu < stress->policy->cpus; cpu++)
		switch_cpu((unsigned int)cpu, "1");
	put(path_of(stress, "cgroup.kill"), "1");
	await_empty(stress);
	munmap(stress, sizeof(*stress));
}
