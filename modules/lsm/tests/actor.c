// SPDX-License-Identifier: Apache-2.0
#include "actor.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDERS_FD 3
#define ANSWERS_FD 4
#define SUBJECT_MAX 256

struct order {
	char operation[16];
	char subject[SUBJECT_MAX];
	unsigned int port;
};

/* ---- in the process that was made -------------------------------------------------------------------------------- */

static int do_exec(const char *path)
{
	char *argv[] = {(char *)"tool", (char *)"--nothing", NULL};
	pid_t pid;
	int r = posix_spawn(&pid, path, NULL, NULL, argv, environ);

	if (r == 0)
		sandbox_wait(pid);
	return r;
}

static int do_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	if (flags & O_CREAT)
		unlink(path);
	return 0;
}

static socklen_t read_address(struct sockaddr_storage *to, const char *text, unsigned int port)
{
	struct sockaddr_in *in = (void *)to;
	struct sockaddr_in6 *in6 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		return sizeof(*in);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
		errx(1, "%s is no address", text);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	return sizeof(*in6);
}

static int do_socket(const struct order *order, int (*call)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_storage address;
	socklen_t size = read_address(&address, order->subject, order->port);
	int r, fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	r = call(fd, (void *)&address, size) < 0 ? errno : 0;
	close(fd);
	return r;
}

static int do_unix(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0prism-nobody-is-here"};
	int r, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return errno;
	r = connect(fd, (void *)&address, sizeof(address)) < 0 ? errno : 0;
	close(fd);
	return r;
}

static int do_raw(void)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int do_join(const char *path)
{
	struct sandbox_cgroup cgroup = {.id = 0};

	snprintf(cgroup.path, sizeof(cgroup.path), "%s", path);
	sandbox_join(&cgroup);
	return 0;
}

static int obey(const struct order *order)
{
	if (!strcmp(order->operation, "exec"))
		return do_exec(order->subject);
	if (!strcmp(order->operation, "read"))
		return do_open(order->subject, O_RDONLY);
	if (!strcmp(order->operation, "write"))
		return do_open(order->subject, O_WRONLY);
	if (!strcmp(order->operation, "create"))
		return do_open(order->subject, O_RDWR | O_CREAT);
	if (!strcmp(order->operation, "connect"))
		return do_socket(order, connect);
	if (!strcmp(order->operation, "bind"))
		return do_socket(order, bind);
	if (!strcmp(order->operation, "unix"))
		return do_unix();
	if (!strcmp(order->operation, "raw"))
		return do_raw();
	if (!strcmp(order->operation, "join"))
		return do_join(order->subject);
	errx(1, "%s is no operation", order->operation);
}

static void act(void)
{
	struct order order;
	int answer;

	while (read(ORDERS_FD, &order, sizeof(order)) == sizeof(order)) {
		answer = obey(&order);
		if (write(ANSWERS_FD, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
}

static void hammer(const char *path)
{
	volatile struct hammer_counts *counts =
		mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, ORDERS_FD, 0);

	if (counts == MAP_FAILED)
		err(1, "mmap");
	while (!counts->stop) {
		int r = do_open(path, O_WRONLY);

		counts->passed += r == 0;
		counts->tries++;
	}
}

void actor_main(int argc, char **argv)
{
	if (argc < 2)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!strcmp(argv[1], "--nothing"))
		_exit(0);
	if (!strcmp(argv[1], "--actor"))
		act();
	else if (!strcmp(argv[1], "--hammer") && argc > 2)
		hammer(argv[2]);
	else
		return;
	_exit(0);
}

/* ---- in the test ------------------------------------------------------------------------------------------------- */

/* A child with these two as its fds 3 and 4 (-1: none), as this program with these arguments. */
static pid_t run_self(const struct sandbox_cgroup *cgroup, int third, int fourth, char *const *argv)
{
	pid_t pid = fork();
	int a, b;

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cgroup)
		sandbox_join(cgroup);
	a = fcntl(third, F_DUPFD, 10);
	b = fourth < 0 ? -1 : fcntl(fourth, F_DUPFD, 10);
	dup2(a, ORDERS_FD);
	if (b >= 0)
		dup2(b, ANSWERS_FD);
	execv("/proc/self/exe", argv);
	_exit(127);
}

struct actor actor_start(const struct sandbox_cgroup *cgroup, enum actor_kind kind)
{
	char *argv[] = {(char *)"actor", (char *)"--actor", NULL};
	struct actor actor;
	int orders[2], answers[2];

	if (pipe2(orders, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0)
		err(1, "pipe");
	actor = (struct actor){
		.pid = run_self(kind == ACTOR_ARMED ? cgroup : NULL, orders[0], answers[1], argv),
		.orders_fd = orders[1],
		.answers_fd = answers[0],
	};
	close(orders[0]);
	close(answers[1]);
	if (kind == ACTOR_UNARMED && cgroup)
		actor_try(&actor, "join", cgroup->path, 0);
	return actor;
}

int actor_try(struct actor *actor, const char *operation, const char *subject, unsigned int port)
{
	struct order order = {.port = port};
	int answer;

	snprintf(order.operation, sizeof(order.operation), "%s", operation);
	snprintf(order.subject, sizeof(order.subject), "%s", subject);
	if (write(actor->orders_fd, &order, sizeof(order)) != sizeof(order) ||
	    read(actor->answers_fd, &answer, sizeof(answer)) != sizeof(answer))
		errx(1, "the process of the workload is gone");
	return answer;
}

void actor_stop(struct actor *actor)
{
	close(actor->orders_fd);
	close(actor->answers_fd);
	sandbox_wait(actor->pid);
}

struct hammer hammer_start(const struct sandbox_cgroup *cgroup, const char *path)
{
	char *argv[] = {(char *)"hammer", (char *)"--hammer", (char *)path, NULL};
	int fd = memfd_create("hammer", MFD_CLOEXEC);
	struct hammer hammer;

	if (fd < 0 || ftruncate(fd, sizeof(*hammer.counts)) < 0)
		err(1, "memfd");
	hammer.counts = mmap(NULL, sizeof(*hammer.counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (hammer.counts == MAP_FAILED)
		err(1, "mmap");
	hammer.pid = run_self(cgroup, fd, -1, argv);
	close(fd);
	hammer_wait(&hammer, 1);
	return hammer;
}

void hammer_wait(const struct hammer *hammer, unsigned long tries)
{
	unsigned long until = hammer->counts->tries + tries + 1;

	while (hammer->counts->tries < until) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t)hammer->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid)
			errx(1, "the hammer is gone");
		sched_yield();
	}
}

struct hammer_counts hammer_stop(struct hammer *hammer)
{
	struct hammer_counts counts;

	hammer->counts->stop = 1;
	sandbox_wait(hammer->pid);
	counts = (struct hammer_counts){.tries = hammer->counts->tries, .passed = hammer->counts->passed};
	munmap((void *)hammer->counts, sizeof(counts));
	return counts;
}
