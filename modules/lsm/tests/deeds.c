// SPDX-License-Identifier: Apache-2.0
#include "deeds.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uring.h"

static int do_deed(char **argv);

static int result(long r)
{
	return r < 0 ? errno : 0;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static int do_ok(char **argv)
{
	(void)argv;
	return 0;
}

static int do_exec(char **argv)
{
	execv(argv[0], argv);
	return errno;
}

/* By a descriptor that was never open for reading. */
static int do_fexec(char **argv)
{
	char *const environment[] = {NULL};
	int fd = open(argv[0], O_PATH);

	syscall(SYS_execveat, fd, "", argv, environment, AT_EMPTY_PATH);
	return errno;
}

/* A copy of the program that has no file. */
static int do_memfd(char **argv)
{
	char *const environment[] = {NULL};
	int to = (int)syscall(SYS_memfd_create, "copy", 0), from = open(argv[0], O_RDONLY);
	struct stat st;

	if (to < 0 || from < 0 || fstat(from, &st) < 0 || sendfile(to, from, NULL, (size_t)st.st_size) != st.st_size)
		return DEED_FAILED;
	syscall(SYS_execveat, to, "", argv, environment, AT_EMPTY_PATH);
	return errno;
}

static int do_unlinked(char **argv)
{
	char *const environment[] = {NULL};
	int fd = open(argv[0], O_PATH);

	if (fd < 0 || unlink(argv[0]) < 0)
		return DEED_FAILED;
	syscall(SYS_execveat, fd, "", argv, environment, AT_EMPTY_PATH);
	return errno;
}

static int do_open(char **argv)
{
	int fd = open(argv[0], (int)strtol(argv[1], NULL, 0) | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int do_uring_open(char **argv)
{
	return uring_open(argv[0], (int)strtol(argv[1], NULL, 0));
}

static int do_truncate(char **argv)
{
	return result(truncate(argv[0], 0));
}

static int do_unlink(char **argv)
{
	return result(unlink(argv[0]));
}

static int do_mkdir(char **argv)
{
	return result(mkdir(argv[0], 0755));
}

static int do_rmdir(char **argv)
{
	return result(rmdir(argv[0]));
}

static int do_symlink(char **argv)
{
	return result(symlink(argv[0], argv[1]));
}

static int do_link(char **argv)
{
	return result(link(argv[0], argv[1]));
}

static int do_rename(char **argv)
{
	return result(rename(argv[0], argv[1]));
}

static int do_chroot(char **argv)
{
	return result(chroot(argv[0]));
}

static int do_userns_chroot(char **argv)
{
	if (unshare(CLONE_NEWUSER) < 0)
		return DEED_FAILED;
	return do_chroot(argv);
}

/* ---- sockets ------------------------------------------------------------------------------------------------------
 */

union address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
	struct sockaddr_un local;
};

/* argv: an address and a port; a path. */
static socklen_t read_address(char **argv, union address *to)
{
	memset(to, 0, sizeof(*to));
	if (argv[0][0] == '/') {
		to->local.sun_family = AF_UNIX;
		snprintf(to->local.sun_path, sizeof(to->local.sun_path), "%.100s", argv[0]);
		return sizeof(to->local);
	}
	if (inet_pton(AF_INET, argv[0], &to->ipv4.sin_addr) == 1) {
		to->ipv4.sin_family = AF_INET;
		to->ipv4.sin_port = htons((uint16_t)atoi(argv[1]));
		return sizeof(to->ipv4);
	}
	if (inet_pton(AF_INET6, argv[0], &to->ipv6.sin6_addr) != 1)
		exit(DEED_FAILED);
	to->ipv6.sin6_family = AF_INET6;
	to->ipv6.sin6_port = htons((uint16_t)atoi(argv[1]));
	return sizeof(to->ipv6);
}

static int new_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		exit(DEED_FAILED);
	return fd;
}

static int do_connect(char **argv)
{
	union address address;
	socklen_t size = read_address(argv, &address);

	return result(connect(new_socket(address.any.sa_family, SOCK_STREAM, 0), &address.any, size));
}

static int do_disconnect(char **argv)
{
	struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	(void)argv;
	return result(connect(new_socket(AF_INET, SOCK_DGRAM, 0), &nobody, sizeof(nobody)));
}

static int do_bind(char **argv)
{
	union address address;
	socklen_t size = read_address(argv, &address);

	return result(bind(new_socket(address.any.sa_family, SOCK_STREAM, 0), &address.any, size));
}

static int do_sendto(char **argv)
{
	union address address;
	socklen_t size = read_address(argv, &address);

	return result(sendto(new_socket(address.any.sa_family, SOCK_DGRAM, 0), "x", 1, 0, &address.any, size));
}

/* IPv4 takes it for AF_INET. */
static int do_sendto_unspec(char **argv)
{
	union address address;
	socklen_t size = read_address(argv, &address);

	address.any.sa_family = AF_UNSPEC;
	return result(sendto(new_socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, &address.any, size));
}

static int do_fastopen(char **argv)
{
	union address address;
	socklen_t size = read_address(argv, &address);
	int fd = new_socket(address.any.sa_family, SOCK_STREAM, 0);

	return result(sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, &address.any, size));
}

static int do_with_address(int fd, const char *deed, const union address *address, socklen_t size)
{
	if (!strcmp(deed, "bind"))
		return result(bind(fd, &address->any, size));
	if (!strcmp(deed, "connect"))
		return result(connect(fd, &address->any, size));
	return result(sendto(fd, "x", 1, MSG_NOSIGNAL, &address->any, size));
}

/*
 * argv: the socket's family, type and protocol; where it is bound to before, `-`: nowhere; bind, connect or sendto; the
 * family that the address says it is of, 0 being one to say, too, `-`: its own; address and port.
 */
static int do_socket(char **argv)
{
	int fd = socket(atoi(argv[0]), atoi(argv[1]) | SOCK_CLOEXEC, atoi(argv[2]));
	union address address;
	socklen_t size;

	if (fd < 0)
		return errno;
	if (strcmp(argv[3], "-")) {
		size = read_address((char *[]){argv[3], (char[]){"0"}}, &address);
		if (bind(fd, &address.any, size) < 0)
			return DEED_FAILED;
	}
	size = read_address(argv + 6, &address);
	if (strcmp(argv[5], "-"))
		address.any.sa_family = (sa_family_t)atoi(argv[5]);
	return do_with_address(fd, argv[4], &address, size);
}

/* To the kernel: asks for nothing, and gets an answer that nobody reads. */
static int do_netlink(char **argv)
{
	struct sockaddr kernel = {.sa_family = AF_NETLINK};
	char nothing[16] = {16};

	(void)argv;
	return result(sendto(new_socket(AF_NETLINK, SOCK_RAW, 0), nothing, sizeof(nothing), 0, &kernel, 12));
}

/* ---- who does it ---------------------------------------------------------------------------------------------------
 */

static void *in_thread(void *argv)
{
	_exit(do_deed(argv)); /* of the process */
}

static int do_thread(char **argv)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, in_thread, argv))
		return DEED_FAILED;
	pthread_join(thread, NULL);
	return DEED_FAILED;
}

static int do_child(char **argv)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(do_deed(argv));
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : DEED_FAILED;
}

/* The last result. */
static int do_times(char **argv)
{
	int r = 0;

	for (long n = strtol(argv[0], NULL, 0); n > 0; n--)
		r = do_deed(argv + 1);
	return r;
}

/* The result, if it is the same each time. */
static int do_always(char **argv)
{
	int r = do_deed(argv + 1);

	for (long n = strtol(argv[0], NULL, 0); n > 1; n--) {
		if (do_deed(argv + 1) != r)
			return DEED_FAILED;
	}
	return r;
}

static int do_join(char **argv)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%.4000s/cgroup.procs", argv[0]);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return DEED_FAILED;
	close(fd);
	return do_deed(argv + 1);
}

static int do_wait(char **argv)
{
	char c = 'r';

	if (write(DEED_READY, &c, 1) != 1 || read(DEED_GO, &c, 1) != 1)
		return DEED_FAILED;
	return do_deed(argv);
}

/* On this processor. */
static int do_cpu(char **argv)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)atoi(argv[0]), &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus); /* there may be no such one */
	return do_deed(argv + 1);
}

static int do_deed(char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(char **argv);
	} deeds[] = {
		{"ok", do_ok},
		{"exec", do_exec},
		{"fexec", do_fexec},
		{"memfd", do_memfd},
		{"unlinked", do_unlinked},
		{"open", do_open},
		{"uring_open", do_uring_open},
		{"truncate", do_truncate},
		{"unlink", do_unlink},
		{"mkdir", do_mkdir},
		{"rmdir", do_rmdir},
		{"symlink", do_symlink},
		{"link", do_link},
		{"rename", do_rename},
		{"chroot", do_chroot},
		{"userns_chroot", do_userns_chroot},
		{"connect", do_connect},
		{"disconnect", do_disconnect},
		{"bind", do_bind},
		{"sendto", do_sendto},
		{"sendto_unspec", do_sendto_unspec},
		{"fastopen", do_fastopen},
		{"socket", do_socket},
		{"netlink", do_netlink},
		{"thread", do_thread},
		{"child", do_child},
		{"times", do_times},
		{"always", do_always},
		{"join", do_join},
		{"wait", do_wait},
		{"cpu", do_cpu},
	};

	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		if (argv[0] && !strcmp(argv[0], deeds[i].name))
			return deeds[i].fn(argv + 1);
	}
	if (argv[0] && argv[0][0] == '/')
		return 0; /* interprets a script */
	fprintf(stderr, "no such deed: %s\n", argv[0] ? argv[0] : "");
	return DEED_FAILED;
}

void deed_main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "deed"))
		_exit(do_deed(argv + 2));
}
