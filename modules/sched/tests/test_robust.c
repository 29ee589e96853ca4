// SPDX-License-Identifier: Apache-2.0
/* What else happens on a machine: it goes on, and the kernel has no reason to eject the scheduler. */
#include "policy.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scx.h"

#define CGROUPS 2600

enum {
	FLOOD = 300,
	CHILD = 301,
};

static void flood(struct policy *policy, uint32_t class)
{
	policy_publish(policy, policy_cgroup(policy, "flood", 100), FLOOD, class, 127);
	for (int i = 0; i < 2 * policy->cpus; i++)
		hog_start(policy, "flood", -1);
}

static void need_cpus(const struct policy *policy, int n)
{
	if (policy->cpus < n) {
		print_message("needs %d CPUs\n", n);
		skip();
	}
}

static void affinity(void **state)
{
	struct policy *policy = *state;
	pid_t other;

	need_cpus(policy, 2);
	flood(policy, PRISM_CLASS_BATCH);
	other = hog_start(policy, "flood", -1);
	for (int i = 0; i < 200; i++) {
		int cpu = i % policy->cpus;

		pin_to(0, cpu);
		assert_int_equal(sched_getcpu(), cpu);
		sched_yield();
		assert_int_equal(sched_getcpu(), cpu);
	}
	/* Of others, while they run and while they wait. */
	for (int i = 0; i < 200; i++) {
		pin_to(other, i % policy->cpus);
		sched_yield();
	}
	policy_in_force(policy);
}

/* Each CPU has a kernel thread that does this; it runs although everybody else wants every CPU. */
static void kernel_threads_of_each_cpu(void **state)
{
	struct policy *policy = *state;

	flood(policy, PRISM_CLASS_CRITICAL);
	for (int i = 0; i < 20; i++) {
		int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			skip();
		assert_int_equal(write(fd, "1", 1), 1);
		close(fd);
	}
	policy_in_force(policy);
}

static bool write_cpu(int cpu, const char *what)
{
	char file[64];
	bool done;
	int fd;

	snprintf(file, sizeof(file), "/sys/devices/system/cpu/cpu%d/online", cpu);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, what, 1) == 1;
	close(fd);
	return done;
}

static void cpus_come_and_go(void **state)
{
	struct policy *policy = *state;

	need_cpus(policy, 2);
	flood(policy, PRISM_CLASS_CRITICAL);
	hog_start(policy, "flood", 1);
	for (int i = 0; i < 5; i++) {
		if (!write_cpu(1, "0"))
			skip();
		let_run(50);
		policy_in_force(policy);
		assert_true(write_cpu(1, "1"));
		pin_to(0, 1);
		assert_int_equal(sched_getcpu(), 1);
		pin_to(0, 0);
		policy_in_force(policy);
	}
}

static void fork_storm(void **state)
{
	struct policy *policy = *state;

	policy_publish(policy, policy_cgroup(policy, "storm", 100), CHILD, PRISM_CLASS_NORMAL, 64);
	flood(policy, PRISM_CLASS_NORMAL);
	world_enter(&policy->world, "storm");
	for (int round = 0; round < 20; round++) {
		pid_t pids[50];

		for (int i = 0; i < 50; i++) {
			pids[i] = fork();
			assert_true(pids[i] >= 0);
			if (!pids[i])
				_exit(0);
		}
		for (int i = 0; i < 50; i++)
			assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	world_enter(&policy->world, NULL);
	assert_true(policy_turns(policy, CHILD) >= 1000);
	policy_in_force(policy);
}

static void thousands_of_cgroups(void **state)
{
	struct policy *policy = *state;
	char dir[8300];

	policy_cgroup(policy, "many", 100);
	policy_cgroup(policy, "many/first", 100);
	for (int i = 0; i < CGROUPS; i++) {
		snprintf(dir, sizeof(dir), "%s/many/%d", policy->world.root, i);
		assert_int_equal(mkdir(dir, 0755), 0);
	}
	world_enter(&policy->world, "many/0");
	sched_yield();
	world_enter(&policy->world, NULL);
	for (int i = 0; i < CGROUPS; i++) {
		snprintf(dir, sizeof(dir), "%s/many/%d", policy->world.root, i);
		assert_int_equal(rmdir(dir), 0);
	}
	policy_in_force(policy);
}

/* A real-time task holds a CPU on which others had been queued. They run elsewhere. */
static void real_time_tasks(void **state)
{
	struct policy *policy = *state;
	const struct sched_param first = {.sched_priority = 10};
	struct talker talker;
	uint64_t id;
	pid_t pid;

	need_cpus(policy, 2);
	id = policy_cgroup(policy, "one", 100);
	policy_publish(policy, id, CHILD, PRISM_CLASS_CRITICAL, 64);
	flood(policy, PRISM_CLASS_BATCH);
	talker_start(policy, "one", &talker);
	pid = hog_start(policy, "one", 0);
	assert_int_equal(sched_setscheduler(pid, SCHED_FIFO, &first), 0);
	for (int i = 0; i < 200; i++)
		talker_wake(&talker);
	talker_end(&talker);
	policy_in_force(policy);
}

/* Two that do nothing but let others go first: both get on. */
static void yields(void **state)
{
	struct policy *policy = *state;
	volatile unsigned long *turns = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pids[2];

	assert_ptr_not_equal((void *)turns, MAP_FAILED);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (!pids[i]) {
			pin_to(0, 0);
			for (;; turns[i]++)
				sched_yield();
		}
	}
	while (turns[0] < 1000 || turns[1] < 1000)
		let_run(10);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	}
	munmap((void *)turns, 4096);
	policy_in_force(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(affinity, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(kernel_threads_of_each_cpu, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(cpus_come_and_go, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(fork_storm, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(thousands_of_cgroups, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(real_time_tasks, policy_up, policy_down),
		cmocka_unit_test_setup_teardown(yields, policy_up, policy_down),
	};

	world_require();
	scx_require();
	return cmocka_run_group_tests_name("sched_robust", tests, NULL, NULL);
}
