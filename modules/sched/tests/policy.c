// SPDX-License-Identifier: Apache-2.0
#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "scx.h"
#include "sched.skel.h"

#define HOGS_MAX 256
#define TALKERS_MAX 4

static struct policy policy_;
static pid_t hogs[HOGS_MAX];
static int n_hogs;
static pid_t talkers[TALKERS_MAX]; /* 0: free */

static const struct sched_config defaults = {
	.max_wait_ns = 250000000,
	.slice_ns = {2000000, 3000000, 5000000},
	.grant_ns = 1000000,
	.burst_ns = 100000000,
	.share = {16, 4, 1},
	.flags = SCHED_F_PREEMPT,
};

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void reap(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

/* Each of them holds the scheduler, as it holds every other descriptor of the program. */
static void children_end(void)
{
	hogs_end();
	for (int i = 0; i < TALKERS_MAX; i++)
		reap(&talkers[i]);
}

static void at_exit(void)
{
	if (policy_.world.pid == getpid())
		children_end();
}

void policy_configure(struct policy *policy)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(policy->skel->maps.sched_config), &zero, &policy->config, 0),
			 0);
}

/* Nothing of a test is pinned: it goes with the process that made it. */
static void unpin(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, object)
		if (bpf_map__pin_path(map))
			bpf_map__set_pin_path(map, NULL);
}

/* The cpu controller for the cgroups of the root, among them the test's own: "+cpu" or "-cpu". */
static void at_root(const struct policy *policy, const char *what)
{
	char file[8300];

	snprintf(file, sizeof(file), "%s", policy->world.root);
	snprintf(strrchr(file, '/'), 64, "/cgroup.subtree_control");
	write_text(file, what);
}

static bool has_cpu_controller(const struct policy *policy)
{
	char file[8300];

	snprintf(file, sizeof(file), "%s/cpu.weight", policy->world.root);
	return access(file, F_OK) == 0;
}

/* Wherever the test before has left us. */
static void anywhere(void)
{
	cpu_set_t set;

	memset(&set, 0xff, sizeof(set));
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

int policy_up(void **state)
{
	static bool registered;
	struct policy *policy = &policy_;

	memset(policy, 0, sizeof(*policy));
	policy->config = defaults;
	policy->cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	anywhere();
	world_init(&policy->world);
	if (!has_cpu_controller(policy)) {
		at_root(policy, "+cpu");
		policy->controller_is_ours = true;
	}
	if (!registered)
		registered = atexit(at_exit) == 0;
	policy->skel = sched_bpf__open();
	assert_non_null(policy->skel);
	unpin(policy->skel->obj);
	world_attach_bus(&policy->world, policy->skel->obj);
	assert_int_equal(sched_bpf__load(policy->skel), 0);
	policy_configure(policy);
	policy->link = bpf_map__attach_struct_ops(policy->skel->maps.sched_ops);
	assert_non_null(policy->link);
	*state = policy;
	return 0;
}

void policy_leave(struct policy *policy)
{
	bpf_link__destroy(policy->link);
	policy->link = NULL;
	scx_await_disabled();
}

int policy_down(void **state)
{
	struct policy *policy = *state;

	children_end();
	if (policy->link)
		policy_leave(policy);
	sched_bpf__destroy(policy->skel);
	world_done(&policy->world);
	if (policy->controller_is_ours)
		at_root(policy, "-cpu");
	return 0;
}

void policy_in_force(const struct policy *policy)
{
	bool enabled = scx_enabled("prism");
	time_t end = time(NULL) + 60;
	struct sched_exit record;
	__u32 zero = 0;

	/* Why, is known a moment after it is disabled. */
	do {
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(policy->skel->maps.sched_exit), &zero, &record), 0);
		if (record.kind)
			fail_msg("ejected: %s: %s", record.reason, record.message);
		sched_yield();
	} while (!enabled && time(NULL) <= end);
	assert_true(enabled);
}

uint64_t policy_cgroup(struct policy *policy, const char *path, unsigned int cpu_weight)
{
	char file[8300], text[16];
	uint64_t id = world_cgroup(&policy->world, path);
	char *parent;

	snprintf(file, sizeof(file), "%s/%s", policy->world.root, path);
	parent = strrchr(file, '/');
	snprintf(parent, 64, "/cgroup.subtree_control");
	write_text(file, "+cpu");
	snprintf(file, sizeof(file), "%s/%s/cpu.weight", policy->world.root, path);
	snprintf(text, sizeof(text), "%u", cpu_weight);
	write_text(file, text);
	return id;
}

void policy_publish(struct policy *policy, uint64_t cgroup, uint32_t identity, uint32_t class, uint32_t weight)
{
	world_publish(&policy->world, cgroup, identity, class << PRISM_CLASS_SHIFT | weight << PRISM_WEIGHT_SHIFT,
		      identity);
	world_next_generation(&policy->world);
}

struct sched_row policy_row(const struct policy *policy, uint32_t identity)
{
	struct sched_row row = {0};
	__u32 index;

	if (!bpf_map_lookup_elem(bpf_map__fd(policy->skel->maps.sched_row_index), &identity, &index))
		assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(policy->skel->maps.sched_rows), &index, &row), 0);
	return row;
}

uint64_t policy_turns(const struct policy *policy, uint32_t identity)
{
	struct sched_row row = policy_row(policy, identity);
	uint64_t sum = 0;

	for (int i = 0; i < SCHED_BUCKETS; i++)
		sum += row.waits.bucket[i];
	return sum;
}

void policy_stats(const struct policy *policy, struct sched_stats *ret_stats)
{
	int n = libbpf_num_possible_cpus();
	struct sched_stats *each = calloc((size_t)n, sizeof(*each));
	const __u64 *from;
	__u64 *to = (__u64 *)ret_stats;
	__u32 zero = 0;

	assert_non_null(each);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(policy->skel->maps.sched_stats), &zero, each), 0);
	memset(ret_stats, 0, sizeof(*ret_stats));
	for (int cpu = 0; cpu < n; cpu++) {
		from = (const __u64 *)&each[cpu];
		for (size_t i = 0; i < sizeof(*each) / sizeof(__u64); i++)
			to[i] += from[i];
	}
	free(each);
}

static void join(struct policy *policy, const char *cgroup)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	world_enter(&policy->world, cgroup);
}

static uint64_t used_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void compute(unsigned int ms)
{
	uint64_t until = used_ns() + ms * UINT64_C(1000000);

	while (used_ns() < until)
		;
}

static void talk(int from, int to)
{
	unsigned char ms;

	while (read(from, &ms, 1) == 1) {
		if (ms)
			compute(ms);
		if (write(to, &ms, 1) != 1)
			break;
	}
	_exit(0);
}

void talker_start(struct policy *policy, const char *cgroup, struct talker *ret_talker)
{
	int to[2], from[2], slot = 0;

	while (slot < TALKERS_MAX && talkers[slot])
		slot++;
	assert_true(slot < TALKERS_MAX);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	ret_talker->pid = fork();
	assert_true(ret_talker->pid >= 0);
	if (!ret_talker->pid) {
		close(to[1]);
		join(policy, cgroup);
		talk(to[0], from[1]);
	}
	talkers[slot] = ret_talker->pid;
	close(to[0]);
	close(from[1]);
	ret_talker->to = to[1];
	ret_talker->from = from[0];
	talker_wake(ret_talker);
}

void talker_wake(struct talker *talker)
{
	talker_wake_for(talker, 0);
}

void talker_wake_for(struct talker *talker, unsigned char ms)
{
	char state[2] = "", stat[64];
	int fd;

	assert_int_equal(write(talker->to, &ms, 1), 1);
	assert_int_equal(read(talker->from, &ms, 1), 1);
	/* It has answered; it is out of the way when it sleeps. */
	snprintf(stat, sizeof(stat), "/proc/%d/stat", (int)talker->pid);
	while (state[0] != 'S') {
		char text[512], *after;
		ssize_t n;

		fd = open(stat, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		assert_true(n > 0);
		text[n] = '\0';
		after = strrchr(text, ')');
		assert_non_null(after);
		state[0] = after[2];
		sched_yield();
	}
}

void talker_end(struct talker *talker)
{
	close(talker->to);
	close(talker->from);
	for (int i = 0; i < TALKERS_MAX; i++)
		if (talkers[i] == talker->pid)
			reap(&talkers[i]);
}

void talker_move(struct policy *policy, struct talker *talker, const char *cgroup)
{
	char file[8300], pid[16];

	snprintf(file, sizeof(file), "%s/%s/cgroup.procs", policy->world.root, cgroup);
	snprintf(pid, sizeof(pid), "%d", (int)talker->pid);
	write_text(file, pid);
}

void pin_to(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	assert_int_equal(sched_setaffinity(pid, sizeof(set), &set), 0);
}

pid_t child_start(struct policy *policy, const char *cgroup)
{
	pid_t pid;

	assert_true(n_hogs < HOGS_MAX);
	pid = fork();
	assert_true(pid >= 0);
	if (pid)
		hogs[n_hogs++] = pid;
	else
		join(policy, cgroup);
	return pid;
}

pid_t hog_start(struct policy *policy, const char *cgroup, int cpu)
{
	pid_t pid = child_start(policy, cgroup);

	if (pid)
		return pid;
	if (cpu >= 0)
		pin_to(0, cpu);
	for (volatile unsigned long turns = 0;; turns++)
		;
}

void hogs_end(void)
{
	for (int i = 0; i < n_hogs; i++)
		kill(hogs[i], SIGKILL);
	for (int i = 0; i < n_hogs; i++)
		reap(&hogs[i]);
	n_hogs = 0;
}

void let_run(unsigned int ms)
{
	struct timespec rest = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&rest, &rest) < 0 && errno == EINTR)
		;
}
