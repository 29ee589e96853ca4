// SPDX-License-Identifier: Apache-2.0
#include "processes.h"

#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char *const no_environment[] = {NULL};

int run_program(void *args)
{
	char **argv = args;

	execve(argv[0], argv, no_environment);
	err(1, "%s", argv[0]);
}

int run_descriptor(void *arg)
{
	char *argv[] = {(char[]){"by descriptor"}, NULL};
	int fd = open("/bin/true", O_RDONLY | O_CLOEXEC);

	(void)arg;
	syscall(SYS_execveat, fd, "", argv, no_environment, AT_EMPTY_PATH);
	err(1, "execveat");
}

static void *exec_true(void *arg)
{
	(void)arg;
	execl("/bin/true", "from a thread", NULL);
	err(1, "execl");
}

int run_from_thread(void *arg)
{
	pthread_t thread;

	(void)arg;
	if (pthread_create(&thread, NULL, exec_true, NULL))
		errx(1, "pthread_create");
	for (;;)
		pause();
}

int run_and_die(void *signal)
{
	const struct rlimit no_core = {0, 0};
	char command[32];

	setrlimit(RLIMIT_CORE, &no_core);
	snprintf(command, sizeof(command), "kill -%d $$", *(int *)signal);
	execl("/bin/sh", "sh", "-c", command, NULL);
	err(1, "execl");
}

static void reap(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		errx(1, "a child failed");
}

int fork_many(void *arg)
{
	for (volatile int n = *(int *)arg; n > 0; n--) { /* volatile: vfork */
		pid_t pid = vfork(); /* a process of its own, without the cost of copying this one */

		if (pid == 0)
			_exit(0);
		reap(pid);
	}
	return 0;
}

int exec_many(void *arg)
{
	for (volatile int n = *(int *)arg; n > 0; n--) { /* volatile: vfork */
		pid_t pid = vfork();

		if (pid == 0) {
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		reap(pid);
	}
	return 0;
}

#define LEAVERS 4

static pthread_barrier_t leaving;

static void *leave(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&leaving);
	syscall(SYS_exit, 0); /* the thread alone */
	return NULL;
}

int leave_together(void *arg)
{
	pthread_t threads[LEAVERS];

	(void)arg;
	pthread_barrier_init(&leaving, NULL, LEAVERS + 1);
	for (int i = 0; i < LEAVERS; i++) {
		if (pthread_create(&threads[i], NULL, leave, NULL))
			errx(1, "pthread_create");
	}
	leave(NULL);
	return 1;
}

int just_exit(void *code)
{
	return *(int *)code;
}

int wait_in_shell(void *arg)
{
	dup2(*(int *)arg, STDIN_FILENO);
	execl("/bin/sh", "sh", "-c", "read line; exit 0", NULL);
	err(1, "execl");
}
