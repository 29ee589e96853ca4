/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets and their owners, peers and their rights, sd_notify. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "admin/listen.h"
#include "admin/notify.h"
#include "admin/request.h"
#include "base/util.h"

/* After the headers: it has a macro fail(). */
#include <cmocka.h>

struct fixture {
	char dir[64], socket[96], other[96];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/prism-test-listen-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->socket, sizeof(f->socket), "%s/run/a/prismd.sock", f->dir);
	snprintf(f->other, sizeof(f->other), "%s/other.sock", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];

	unlink(f->socket);
	unlink(f->other);
	snprintf(path, sizeof(path), "%s/run/a", f->dir);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/run", f->dir);
	rmdir(path);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static int dial(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void the_socket_file(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	struct error e = {0};
	struct listen_file file;
	int fd;
	char not_a_socket[96], long_path[200];
	int live;

	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_int_equal(listen_unix(long_path, (gid_t)-1, &fd, &file, &e), -ENAMETOOLONG);

	assert_int_equal(listen_unix(f->socket, (gid_t)-1, &live, &file, &e), 0);
	assert_int_equal(stat(f->socket, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(listen_unix(f->socket, (gid_t)-1, &fd, &file, &e), -EADDRINUSE);
	assert_non_null(strstr(e.text, "another prismd"));
	close(live);

	/* One that nobody serves any more. */
	assert_int_equal(listen_unix(f->other, 12, &fd, &file, &e), 0);
	close(fd);
	assert_int_equal(listen_unix(f->other, 12, &fd, &file, &e), 0);
	assert_int_equal(stat(f->other, &st), 0);
	assert_int_equal(st.st_gid, 12);
	listen_unlink(&file);
	assert_int_equal(access(f->other, F_OK), -1);
	close(fd);

	snprintf(not_a_socket, sizeof(not_a_socket), "%s/file", f->dir);
	fd = open(not_a_socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(listen_unix(not_a_socket, (gid_t)-1, &fd, &file, &e), -EEXIST);
	assert_int_equal(access(not_a_socket, F_OK), 0);
	unlink(not_a_socket);
}

static void tcp_addresses(void **state)
{
	static const char *const bad[] = {
		"",         "9464",      "127.0.0.1",          "127.0.0.1:", "127.0.0.1:99999",
		"::1:9464", "[::1]9464", "example.invalid:80", "[::1:80"};
	struct error e = {0};
	char name[160];
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		e.code = 0;
		if (listen_tcp(bad[i], &fd, &e) >= 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_not_equal(e.code, 0);
	}
	assert_int_equal(listen_tcp("localhost:0", &fd, &e), 0);
	assert_memory_equal(listen_name(fd, name, sizeof(name)), "127.0.0.1:", 10);
	i = (size_t)listen_tcp(name, &(int){-1}, &e);
	assert_int_equal((int)i, -EADDRINUSE);
	close(fd);
}

/* A successor that bound the same path keeps its file when we go. */
static void a_file_that_another_took(void **state)
{
	struct fixture *f = *state;
	struct listen_file ours, theirs;
	int one, two;

	assert_int_equal(listen_unix(f->other, (gid_t)-1, &one, &ours, NULL), 0);
	close(one);
	/* Kept open so that the file system does not give its inode to the next one. */
	one = open(f->other, O_PATH | O_CLOEXEC);
	assert_int_equal(listen_unix(f->other, (gid_t)-1, &two, &theirs, NULL), 0);
	listen_unlink(&ours);
	assert_int_equal(access(f->other, F_OK), 0);
	listen_unlink(&theirs);
	assert_int_equal(access(f->other, F_OK), -1);
	close(one);
	close(two);
}

static void groups(void **state)
{
	struct error e = {0};
	gid_t gid = 7;

	(void)state;
	assert_int_equal(listen_group(NULL, &gid, &e), 0);
	assert_int_equal(gid, (gid_t)-1);
	assert_int_equal(listen_group("root", &gid, &e), 0);
	assert_int_equal(gid, 0);
	assert_int_equal(listen_group("no-such-group-here", &gid, &e), -ENOENT);
	assert_non_null(strstr(e.text, "groupadd"));
}

/* The peer of a connection, as another user. */
static enum access access_of(const char *path, int listener, uid_t uid, gid_t gid, gid_t extra, gid_t admin_group)
{
	enum access have;
	int fd, status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(1, &extra) || setgid(gid) || setuid(uid))
			_exit(1);
		fd = dial(path);
		_exit(read(fd, &status, 1) == -1 && poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 10000) != 1);
	}
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	have = request_access(fd, admin_group);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return have;
}

static void peers(void **state)
{
	struct fixture *f = *state;
	struct listen_file file;
	struct error e = {0};
	int listener;

	if (geteuid() != 0)
		skip();
	chmod(f->dir, 0755);
	assert_int_equal(listen_unix(f->other, (gid_t)-1, &listener, &file, &e), 0);
	fcntl(listener, F_SETFL, 0);
	chmod(f->other, 0666);
	assert_int_equal(access_of(f->other, listener, 0, 0, 0, (gid_t)-1), ACCESS_WRITE);
	assert_int_equal(access_of(f->other, listener, 65534, 65534, 65534, (gid_t)-1), ACCESS_NONE);
	assert_int_equal(access_of(f->other, listener, 65534, 65534, 65534, 4242), ACCESS_NONE);
	assert_int_equal(access_of(f->other, listener, 65534, 4242, 65534, 4242), ACCESS_READ);
	assert_int_equal(access_of(f->other, listener, 65534, 65534, 4242, 4242), ACCESS_READ);
	close(listener);
	listen_unlink(&file);
}

/* ---- sd_notify -------------------------------------------------------------------------------------------------- */

static void notify(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64], buf[64];
	socklen_t len;
	int fd;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1"), 0);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(name, sizeof(name), "@prism-test-%d", getpid());
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_send("READY=1\nSTATUS=well"), 0);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 19);
	assert_memory_equal(buf, "READY=1\nSTATUS=well", 19);
	close(fd);
	assert_int_equal(notify_send("READY=1"), -ECONNREFUSED);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify_send("READY=1"), -EAFNOSUPPORT);
	setenv("NOTIFY_SOCKET", "@", 1);
	assert_int_equal(notify_send("READY=1"), -EINVAL);
	unsetenv("NOTIFY_SOCKET");
}

static void notify_by_path(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char buf[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", f->other);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", f->other, 1);
	assert_int_equal(notify_send("WATCHDOG=1"), 0);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 10);
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}

static void watchdog(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(notify_watchdog_ms(), 15000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_ms(), 15000);
	setenv("WATCHDOG_USEC", "1", 1);
	assert_int_equal(notify_watchdog_ms(), 1);
	setenv("WATCHDOG_USEC", "-5", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIR(the_socket_file), WITH_DIR(a_file_that_another_took),
		cmocka_unit_test(groups),  cmocka_unit_test(tcp_addresses),
		WITH_DIR(peers),           cmocka_unit_test(notify),
		WITH_DIR(notify_by_path),  cmocka_unit_test(watchdog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
