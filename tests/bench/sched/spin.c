// SPDX-License-Identifier: Apache-2.0
#include "spin.h"

#include <err.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define TURNS 2000000
#define TRIES 25
#define CPUS_MAX 64

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		err(1, "pinning to CPU %d", cpu);
}

static pid_t occupy(int cpu)
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(cpu);
	for (;;)
		spin(TURNS);
}

uint64_t spin_turns_a_us(void)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	struct samples took = {0};
	pid_t pids[CPUS_MAX];
	cpu_set_t before;
	uint64_t result;

	cpus = cpus > CPUS_MAX ? CPUS_MAX : cpus;
	if (sched_getaffinity(0, sizeof(before), &before) < 0)
		err(1, "sched_getaffinity");
	for (int i = 1; i < cpus; i++)
		pids[i] = occupy(i);
	pin(0);
	for (int i = 0; i < TRIES; i++) {
		uint64_t start = bench_now_ns();

		spin(TURNS);
		samples_add(&took, (double)(bench_now_ns() - start));
	}
	for (int i = 1; i < cpus; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	sched_setaffinity(0, sizeof(before), &before);
	result = (uint64_t)(1000.0 * TURNS / samples_median(&took));
	samples_done(&took);
	return result ? result : 1;
}
