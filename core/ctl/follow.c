/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/follow.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "ctl/client.h"

#define RETRY_MS 500

struct reader {
	struct ctl *ctl;
	event_fn fn;
	void *arg;
	uint64_t from, last;
};

/* What the ring no longer had when it was asked for. From the very beginning nobody expects all. */
static int take_missed(struct reader *r, const json_t *event, const char *text, size_t len)
{
	if (r->from <= 1)
		return 0;
	ctl_note(r->ctl, "%" PRId64 " events were missed: prismd no longer has them", json_number(event, "missed"));
	if (r->ctl->style.format == OUTPUT_JSON || r->ctl->style.format == OUTPUT_YAML)
		return r->fn(r->arg, event, text, len);
	return 0;
}

static int take_line(void *arg, const char *text, size_t len)
{
	struct reader *r = arg;
	_cleanup_json_ json_t *event = json_loadb(text, len, 0, NULL);
	int64_t seq = json_number(event, "seq");

	if (!json_is_object(event)) {
		ctl_note(r->ctl, "prismd sent a line that is not a JSON object; it is left out");
		return 0;
	}
	if (strcmp(json_text(event, "type"), "prism.missed") == 0)
		return take_missed(r, event, text, len);
	if (seq > 0)
		r->last = (uint64_t)seq;
	return r->fn(r->arg, event, text, len);
}

static int run(struct reader *r, const struct event_filter *filter, uint64_t from, bool follow, int stop_fd,
	       struct error *e)
{
	_cleanup_text_ struct text path = {0};

	r->from = from;
	text_appendf(&path, "/v1/events?from=%" PRIu64, from);
	if (filter->type) {
		text_append(&path, "&type=");
		client_escape(&path, filter->type);
	}
	if (filter->by_identity)
		text_appendf(&path, "&identity=%u", filter->identity);
	if (follow)
		text_append(&path, "&follow=1");
	if (path.failed)
		return error_set(e, ENOMEM, NULL, "out of memory");
	return client_follow(r->ctl, path.data, stop_fd, take_line, r, e);
}

int events_read(struct ctl *ctl, const struct event_filter *filter, uint64_t from, event_fn fn, void *arg,
		uint64_t *ret_last, struct error *e)
{
	struct reader reader = {.ctl = ctl, .fn = fn, .arg = arg, .last = from ? from - 1 : 0};
	int r = run(&reader, filter, from, false, -1, e);

	if (r == 0 && ret_last)
		*ret_last = reader.last;
	return r;
}

/* SIGINT and SIGTERM as something to poll, so that a quiet stream ends at once too. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* When the prismd that answers began, which tells its runs apart: one that was restarted in place keeps its pid. */
static int daemon_started(struct ctl *ctl, int64_t *ret, struct error *e)
{
	json_t *status = NULL;
	int r = client_get(ctl, "/v1/status", &status, e);

	if (r == 0)
		*ret = json_number(status, "started_ns");
	json_decref(status);
	return r;
}

/* Until prismd answers again: 0, or -EINTR. */
static int wait_for_daemon(struct reader *r, int stop_fd, int64_t *started)
{
	struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
	int64_t before = *started;
	struct error e;

	ctl_note(r->ctl, "prismd has gone away; waiting for it");
	while (daemon_started(r->ctl, started, &e) < 0) {
		if (poll(&stop, 1, RETRY_MS) > 0)
			return -EINTR;
	}
	if (*started != before) {
		ctl_note(r->ctl, "prismd was started anew; its events are numbered anew");
		r->last = 0;
	} else {
		ctl_note(r->ctl, "prismd is back");
	}
	return 0;
}

int events_follow(struct ctl *ctl, const struct event_filter *filter, uint64_t from, event_fn fn, void *arg,
		  struct error *e)
{
	struct reader reader = {.ctl = ctl, .fn = fn, .arg = arg, .last = from ? from - 1 : 0};
	_cleanup_close_ int stop_fd = open_signals();
	int64_t started = 0;
	int r;

	if (stop_fd < 0)
		return error_set(e, errno, NULL, "signalfd: %s", strerror(errno));
	r = daemon_started(ctl, &started, e);
	while (r == 0) {
		r = run(&reader, filter, reader.last + 1, true, stop_fd, e);
		if (r == 0 || r == -ENOTCONN)
			r = wait_for_daemon(&reader, stop_fd, &started);
	}
	return r == -EINTR ? 0 : r;
}

const char *event_time(const char *rfc3339, char *buf, size_t size)
{
	struct tm utc = {0}, local;
	const char *rest = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &utc);
	char clock[16], ms[4] = "000";
	time_t t;

	if (!rest) {
		snprintf(buf, size, "%s", rfc3339);
		return buf;
	}
	t = timegm(&utc);
	for (int i = 0; *rest == '.' && i < 3 && rest[i + 1] >= '0' && rest[i + 1] <= '9'; i++)
		ms[i] = rest[i + 1];
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&t, &local));
	snprintf(buf, size, "%s.%s", clock, ms);
	return buf;
}
