/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/util.h"

/* Fills an address from NOTIFY_SOCKET: a path, or `@name` in the abstract namespace. */
static int parse_address(const char *text, struct sockaddr_un *ret, socklen_t *ret_len)
{
	size_t len = strlen(text);

	if (text[0] != '/' && text[0] != '@')
		return -EAFNOSUPPORT;
	if (!text[1] || len >= sizeof(ret->sun_path))
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, text, len);
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (text[0] == '@')
		ret->sun_path[0] = '\0';
	else
		++*ret_len; /* the NUL belongs to a path, and must not be in an abstract name */
	return 0;
}

int notify_send(const char *state)
{
	const char *socket_name = getenv("NOTIFY_SOCKET");
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	socklen_t len;
	ssize_t n;
	int r;

	if (!socket_name || !*socket_name)
		return 0;
	r = parse_address(socket_name, &address, &len);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A manager whose queue is full must not stop the loop. */
	n = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&address, len);
	return n < 0 ? -errno : 0;
}

static int parse_number(const char *text, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	if (!text || *text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*ret = value;
	return 0;
}

uint64_t notify_watchdog_ms(void)
{
	const char *pid_text = getenv("WATCHDOG_PID");
	uint64_t usec, pid, ms;

	if (parse_number(getenv("WATCHDOG_USEC"), &usec) < 0 || !usec)
		return 0;
	if (pid_text && (parse_number(pid_text, &pid) < 0 || pid != (uint64_t)getpid()))
		return 0;
	ms = usec / 2 / 1000;
	return ms ? ms : 1;
}
