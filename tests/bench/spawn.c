/* SPDX-License-Identifier: Apache-2.0 */
/* A fork+exec loop: bench_spawn COUNT [CPU]. Prints how many /bin/true it started and reaped a second. */
#include <err.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

int main(int argc, char **argv)
{
	char *command[] = {(char[]){"true"}, NULL};
	uint64_t start;
	cpu_set_t cpu;
	pid_t pid;
	int n, i;

	if (argc < 2)
		errx(2, "Usage: bench_spawn COUNT [CPU]");
	n = atoi(argv[1]);
	if (argc > 2) {
		CPU_ZERO(&cpu);
		CPU_SET((size_t)atoi(argv[2]), &cpu);
		if (sched_setaffinity(0, sizeof(cpu), &cpu) < 0)
			err(1, "CPU %s", argv[2]);
	}
	start = bench_now_ns();
	for (i = 0; i < n; i++)
		if (posix_spawn(&pid, "/bin/true", NULL, NULL, command, environ) || waitpid(pid, NULL, 0) != pid)
			err(1, "/bin/true");
	printf("%.1f\n", n / ((double)(bench_now_ns() - start) / 1e9));
	return 0;
}
