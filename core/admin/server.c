/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/util.h"

/* For the request line and headers, and the buffer that answers are sent from. */
#define CONNECTION_MEMORY (64u << 10)
#define LAST_RUNS 4

struct server {
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	int fd;
	void (*stopped)(void *arg);
	void *arg;
	unsigned int requests;
	unsigned int closing; /* handles that the loop has not let go of */
	bool kicked;
	bool retired;
};

__attribute__((format(printf, 2, 0))) static void log_mhd(void *arg, const char *format, va_list args)
{
	char line[512];

	(void)arg;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	log_debug("admin", "http: %s", line);
}

static void on_timer(uv_timer_t *timer);

static unsigned int connections(const struct server *s)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info ? info->num_connections : 0;
}

void server_kick(struct server *s)
{
	s->kicked = true;
	uv_timer_start(&s->timer, on_timer, 0, 0);
}

static void run(struct server *s)
{
	unsigned int before = connections(s);
	MHD_UNSIGNED_LONG_LONG ms;

	s->kicked = false;
	MHD_run(s->daemon);
	if (s->retired && !s->requests) {
		server_stop(s);
		return;
	}
	/* At its limit it listens no more, and begins again in the run after the one that closed a connection. */
	if (s->kicked || connections(s) < before)
		server_kick(s);
	else if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
		uv_timer_start(&s->timer, on_timer, ms, 0);
	else
		uv_timer_stop(&s->timer);
}

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	run(poll->data);
}

static struct MHD_Daemon *start_daemon(const struct server_options *o)
{
	/* The logger comes first: libmicrohttpd uses it while it reads the others. */
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, o->handler,
				o->arg, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL, MHD_OPTION_LISTEN_SOCKET, o->fd,
				MHD_OPTION_CONNECTION_LIMIT, o->connections, MHD_OPTION_CONNECTION_TIMEOUT,
				o->idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, o->completed, o->arg,
				MHD_OPTION_END);
}

static void on_closed(uv_handle_t *handle)
{
	struct server *s = handle->data;

	if (--s->closing == 0)
		free(s);
}

int server_start(const struct server_options *options, struct server **ret, struct error *e)
{
	const union MHD_DaemonInfo *info;
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return error_set(e, ENOMEM, "admin", "out of memory");
	s->fd = options->fd;
	s->stopped = options->stopped;
	s->arg = options->arg;
	s->daemon = start_daemon(options);
	info = s->daemon ? MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
	if (!info || info->epoll_fd < 0 || uv_poll_init(options->loop, &s->poll, info->epoll_fd) < 0) {
		if (s->daemon) {
			MHD_quiesce_daemon(s->daemon); /* the socket stays the caller's */
			MHD_stop_daemon(s->daemon);
		}
		free(s);
		return error_set(e, EIO, "admin", "the HTTP server cannot be started: out of memory or descriptors");
	}
	uv_timer_init(options->loop, &s->timer);
	s->poll.data = s;
	s->timer.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_poll);
	server_kick(s);
	*ret = s;
	return 0;
}

int server_fd(const struct server *s)
{
	return s->fd;
}

void server_request_begin(struct server *s)
{
	s->requests++;
}

void server_request_end(struct server *s)
{
	s->requests--;
}

static void listen_no_more(struct server *s)
{
	if (s->retired)
		return;
	s->retired = true;
	if (MHD_quiesce_daemon(s->daemon) != MHD_INVALID_SOCKET)
		close(s->fd);
}

void server_retire(struct server *s)
{
	if (s->retired)
		return;
	listen_no_more(s);
	/* Its end comes from the loop, not from the handler that may be on the stack. */
	server_kick(s);
}

bool server_is_retired(const struct server *s)
{
	return s->retired;
}

void server_stop(struct server *s)
{
	unsigned int i;

	if (!s || s->closing)
		return;
	s->closing = 2;
	/* A request that came now could wait, and libmicrohttpd does not survive to be stopped while one does. */
	listen_no_more(s);
	/* What was ended or finished just now is sent as far as it goes without waiting. */
	for (i = 0; i < LAST_RUNS; i++)
		MHD_run(s->daemon);
	/* The loop lets go of the epoll fd before libmicrohttpd closes it. */
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->timer, on_closed);
	MHD_stop_daemon(TAKE_PTR(s->daemon));
	s->stopped(s->arg);
}
