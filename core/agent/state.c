/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/writer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "identity/store.h"

#define DELAY_MS 1000
#define RETRY_MS 10000
/* At most one part in so many of the time goes into writing. */
#define DUTY 20
#define FILE_MODE 0640

struct state_saver {
	struct agent *agent;
	char path[512];
	uv_timer_t timer;
	uv_poll_t poll; /* of the writer */
	struct writer *writer;
	bool writing;
	struct text snapshot;
	uint64_t snapshot_version, saved_version;
	unsigned int closing; /* handles */
	void (*closed)(void *arg);
	void *closed_arg;
};

static void set_aside(const char *path, const struct error *e)
{
	char aside[600];

	snprintf(aside, sizeof(aside), "%s.damaged", path);
	if (rename(path, aside) < 0)
		log_error("identity", "%s: %s; it cannot be set aside: %s", path, e->text, strerror(errno));
	else
		log_error(
			"identity",
			"%s: %s; set aside as %s. Numbers come back from their hash; only those that had stepped over "
			"a collision may change",
			path, e->text, aside);
}

static int write_snapshot(struct state_saver *s, struct error *e)
{
	return file_write_atomic(s->path, s->snapshot.data, s->snapshot.len, FILE_MODE, e);
}

static void format(struct state_saver *s)
{
	text_clear(&s->snapshot);
	identity_store_format(s->agent->identities, agent_clock_ns(s->agent), &s->snapshot);
	s->snapshot_version = identity_table_version(s->agent->identities);
}

static void on_timer(uv_timer_t *timer);

static void schedule(struct state_saver *s, uint64_t delay_ms)
{
	if (!uv_is_active((uv_handle_t *)&s->timer) && !s->writing)
		uv_timer_start(&s->timer, on_timer, delay_ms, 0);
}

static void on_written(uv_poll_t *poll, int status, int events)
{
	struct state_saver *s = poll->data;
	struct error result;
	uint64_t took_ns;
	bool failed;

	(void)status;
	(void)events;
	failed = writer_finish(s->writer, &result, &took_ns) < 0;
	s->writing = false;
	if (failed) {
		if (!s->agent->state_error.code)
			log_problem(LOG_LEVEL_ERROR, "identity", &result);
		metric_add(s->agent->metrics, METRIC_STATE_WRITE_FAILURES, NULL, 1);
	} else {
		if (s->agent->state_error.code)
			log_info("identity", "%s can be written again", s->path);
		s->saved_version = s->snapshot_version;
	}
	s->agent->state_error = result;
	if (s->saved_version != identity_table_version(s->agent->identities))
		schedule(s, failed ? RETRY_MS : DELAY_MS + took_ns * DUTY / NS_PER_MS);
}

static void on_timer(uv_timer_t *timer)
{
	struct state_saver *s = timer->data;

	format(s);
	if (s->snapshot.failed) {
		error_set(&s->agent->state_error, ENOMEM, s->path, "out of memory while formatting the identity table");
		schedule(s, RETRY_MS);
		return;
	}
	s->writing = true;
	writer_start(s->writer, s->path, s->snapshot.data, s->snapshot.len, FILE_MODE);
}

void state_changed(struct state_saver *s)
{
	if (s->saved_version != identity_table_version(s->agent->identities))
		schedule(s, DELAY_MS);
}

int state_saver_new(struct agent *agent, struct state_saver **ret, struct error *e)
{
	struct state_saver *s = calloc(1, sizeof(*s));
	struct error damage = {0};
	int r;

	if (!s)
		return error_set(e, ENOMEM, "identity table", "out of memory");
	s->agent = agent;
	snprintf(s->path, sizeof(s->path), "%s/identities", agent->settings->state_dir);
	r = file_make_dirs(agent->settings->state_dir, 0750, e);
	if (r == 0) {
		r = identity_store_load(agent->identities, s->path, agent_clock_ns(agent), &damage);
		if (r == -EBADMSG) {
			set_aside(s->path, &damage);
			/* What it had given before it turned out to be damaged is not to be trusted either. */
			identity_table_free(agent->identities);
			agent->identities = identity_table_new(agent->settings->hold_back_ms * NS_PER_MS);
			r = agent->identities ? 0 : -ENOMEM;
		} else if (r == -ENOENT) {
			r = 0;
		} else if (r < 0) {
			*e = damage;
		}
	}
	if (r == 0) {
		/* Written back at once: a directory that cannot be written is known now and not when it matters. */
		format(s);
		r = s->snapshot.failed ? -ENOMEM : write_snapshot(s, e);
	}
	if (r == 0) {
		r = writer_new(&s->writer);
		if (r == 0)
			r = uv_poll_init(agent->loop, &s->poll, writer_fd(s->writer));
		if (r < 0)
			error_set(e, -r, "identity table", "the writer's thread cannot be started: %s", strerror(-r));
	}
	if (r < 0) {
		error_prefix(e, "the identity table must be kept here (node.state_dir)");
		writer_free(s->writer);
		text_done(&s->snapshot);
		free(s);
		return r;
	}
	s->saved_version = s->snapshot_version;
	uv_timer_init(agent->loop, &s->timer);
	uv_poll_start(&s->poll, UV_READABLE, on_written);
	s->timer.data = s->poll.data = s;
	*ret = s;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct state_saver *s = handle->data;

	if (--s->closing)
		return;
	writer_free(s->writer);
	if (s->closed)
		s->closed(s->closed_arg);
	text_done(&s->snapshot);
	free(s);
}

/* An older snapshot on its way must not arrive after the last one. */
static void finish_writing(struct state_saver *s)
{
	struct error result;
	uint64_t took_ns;

	if (!s->writing)
		return;
	if (writer_finish(s->writer, &result, &took_ns) == 0)
		s->saved_version = s->snapshot_version;
	s->writing = false;
}

void state_saver_stop(struct state_saver *s, void (*closed)(void *arg), void *arg)
{
	struct error e = {0};

	s->closed = closed;
	s->closed_arg = arg;
	uv_timer_stop(&s->timer);
	uv_poll_stop(&s->poll);
	finish_writing(s);
	if (s->saved_version != identity_table_version(s->agent->identities)) {
		format(s);
		if (write_snapshot(s, &e) < 0)
			log_problem(LOG_LEVEL_ERROR, "identity", &e);
	}
	s->closing = 2;
	uv_close((uv_handle_t *)&s->timer, on_closed);
	uv_close((uv_handle_t *)&s->poll, on_closed);
}
