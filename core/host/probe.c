/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "host/probe.h"

#define ANSWER_MAX 2048

enum end {
	END_NONE,
	END_EXITED,
	END_TIME,
	END_CANCELLED,
};

struct probe {
	uv_process_t process;
	uv_pipe_t out;
	uv_timer_t timer;
	unsigned int open; /* handles that still have to close */
	enum end end;
	bool eof;
	int64_t status;
	int signal;
	char answer[ANSWER_MAX];
	size_t len;
	char name[PRISM_NAME_MAX];
	probe_fn fn;
	void *arg;
};

static void closed(uv_handle_t *handle)
{
	struct probe *p = handle->data;

	if (!--p->open)
		free(p);
}

static void close_all(struct probe *p)
{
	uv_close((uv_handle_t *)&p->process, closed);
	uv_close((uv_handle_t *)&p->out, closed);
	uv_close((uv_handle_t *)&p->timer, closed);
}

/* The value of the last line that begins with key, or NULL. */
static const char *answer_line(struct probe *p, const char *key, char *buf, size_t size)
{
	const char *found = NULL;
	size_t n = strlen(key);

	for (const char *line = p->answer; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, n) && (line[n] == ' ' || line[n] == '\n'))
			found = line + n + (line[n] == ' ');
	}
	if (!found)
		return NULL;
	snprintf(buf, size, "%.*s", (int)strcspn(found, "\n"), found);
	return buf;
}

/* A crash after the constructors is in the tables that the descriptor points to. */
static const char *stage_of(struct probe *p)
{
	char buf[8];

	return answer_line(p, "loaded", buf, sizeof(buf)) ? "while its descriptor was read: a table points nowhere"
							  : "in a constructor";
}

static void judge(struct probe *p, struct error *e)
{
	char line[1024], *text;
	long code;

	if (p->end == END_TIME) {
		error_set(e, ETIMEDOUT, NULL, "did not load within %d s (test-load): a wait %s",
			  PROBE_TIME_LIMIT_MS / 1000, stage_of(p));
	} else if (p->signal == SIGXCPU) {
		error_set(e, ETIMEDOUT, NULL, "did not load within %d s of CPU time (test-load): an endless loop %s",
			  PROBE_CPU_LIMIT_S, stage_of(p));
	} else if (p->signal) {
		error_set(e, EFAULT, NULL,
			  "crashed with SIG%s in the test-load, %s: install a build of it that works, or report it to "
			  "its author",
			  sigabbrev_np(p->signal) ? sigabbrev_np(p->signal) : "?", stage_of(p));
	} else if (answer_line(p, "error", line, sizeof(line))) {
		code = strtol(line, &text, 10);
		error_set(e, code > 0 && code < 4096 ? (int)code : EINVAL, NULL, "%s", text + (*text == ' '));
	} else if (p->status || !answer_line(p, "ok", line, sizeof(line))) {
		error_set(e, ECHILD, NULL,
			  "ended the test-load with status %d and no answer: a constructor must not exit the process",
			  (int)p->status);
	}
}

static void finish(struct probe *p)
{
	struct error e = {};
	probe_fn fn = p->fn;
	void *arg = p->arg;

	judge(p, &e);
	close_all(p);
	if (fn)
		fn(arg, &e);
}

static void expired(uv_timer_t *timer);

static void exited(uv_process_t *process, int64_t status, int signal)
{
	struct probe *p = process->data;

	p->status = status;
	p->signal = signal;
	/* Whatever a constructor forked into the session goes too, which ends the pipe even if a grandchild holds it.
	 */
	kill(-process->pid, SIGKILL);
	if (p->end) {
		finish(p);
		return;
	}
	p->end = END_EXITED;
	if (p->eof)
		finish(p);
}

/* Its exit ends the probe, so that the loop reaps it; the timer does when the child hangs in the kernel. */
static void end_child(struct probe *p, enum end why)
{
	p->end = why;
	kill(-p->process.pid, SIGKILL);
	uv_timer_start(&p->timer, expired, PROBE_TIME_LIMIT_MS, 0);
}

static void expired(uv_timer_t *timer)
{
	struct probe *p = timer->data;

	/* Ended: only its pipe is held open, by something that left the session. */
	if (p->end)
		finish(p);
	else
		end_child(p, END_TIME);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct probe *p = handle->data;

	(void)suggested;
	*buf = uv_buf_init(p->answer + p->len, (unsigned int)(ANSWER_MAX - 1 - p->len));
}

static void got(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct probe *p = stream->data;

	(void)buf;
	if (n > 0) {
		p->len += (size_t)n;
		p->answer[p->len] = 0;
		return;
	}
	if (n == 0)
		return;
	uv_read_stop(stream); /* end of file, an error, or more than any answer has */
	p->eof = true;
	if (p->end == END_EXITED)
		finish(p);
}

static int spawn(struct probe *p, uv_loop_t *loop, const char *self_exe, int fd)
{
	/* The sanitizers would turn a crash's signal into an exit status, and a leak at exit into a finding. */
	static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C",
					  "ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_abort=0:handle_sigbus=0:"
					  "handle_sigill=0:handle_sigfpe=0",
					  NULL};
	const char *argv[] = {self_exe, PROBE_ARGUMENT, "3", p->name, NULL};
	uv_stdio_container_t stdio[] = {
		{.flags = UV_IGNORE},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->out},
		{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = fd},
	};
	uv_process_options_t options = {
		.exit_cb = exited,
		.file = self_exe,
		.args = (char **)argv,
		.env = (char **)env,
		.cwd = "/",
		.flags = UV_PROCESS_DETACHED,
		.stdio_count = (int)ARRAY_SIZE(stdio),
		.stdio = stdio,
	};
	return uv_spawn(loop, &p->process, &options);
}

int probe_start(uv_loop_t *loop, const char *self_exe, const struct module_file *file, probe_fn fn, void *arg,
		struct probe **ret, struct error *e)
{
	struct probe *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return error_set(e, ENOMEM, NULL, "cannot be test-loaded: no memory");
	memcpy(p->name, file->note.name, sizeof(p->name));
	p->open = 3;
	uv_pipe_init(loop, &p->out, 0);
	uv_timer_init(loop, &p->timer);
	p->process.data = p->out.data = p->timer.data = p;
	r = spawn(p, loop, self_exe, file->fd);
	p->process.data = p;
	if (r) {
		p->process.pid = 0;
		close_all(p);
		return error_set(e, -r, NULL, "cannot be test-loaded: starting %s: %s", self_exe, uv_strerror(r));
	}
	p->fn = fn;
	p->arg = arg;
	uv_read_start((uv_stream_t *)&p->out, give_room, got);
	uv_update_time(loop);
	uv_timer_start(&p->timer, expired, PROBE_TIME_LIMIT_MS, 0);
	if (ret)
		*ret = p;
	return 0;
}

void probe_cancel(struct probe *p)
{
	p->fn = NULL;
	if (p->end == END_EXITED)
		close_all(p);
	else
		end_child(p, END_CANCELLED);
}
