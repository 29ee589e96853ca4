/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <uv.h>

#include "base/util.h"
#include "host/handles.h"
#include "host/module.h"

struct handle {
	uint64_t id;
	struct module *module;
	bool watch;
	bool forgotten; /* a one-shot timer that nobody can stop: it goes when it has fired */
	union {
		uv_handle_t any;
		uv_timer_t timer;
		uv_poll_t poll;
	} uv;
	union {
		prism_timer_fn timer;
		prism_watch_fn watch;
	} fn;
	void *arg;
	int fd, own_fd;
	uint32_t events;
	UT_hash_handle hh;
};

/* The ABI's stop functions carry no host, so that one table serves every host of the process. */
static struct handle *table;
static uint64_t last_id;

static struct handle *find(const void *token, bool watch)
{
	uint64_t id = (uint64_t)(uintptr_t)token;
	struct handle *h;

	HASH_FIND(hh, table, &id, sizeof(id), h);
	return h && h->watch == watch ? h : NULL;
}

static void closed(uv_handle_t *uv)
{
	struct handle *h = uv->data;

	if (h->own_fd >= 0)
		close(h->own_fd);
	free(h);
}

static void stop(struct handle *h)
{
	HASH_DEL(table, h);
	h->module->n_handles--;
	if (!uv_is_closing(&h->uv.any))
		uv_close(&h->uv.any, closed);
}

static int reserve(struct module *m, bool watch, void *arg, struct handle **ret)
{
	struct handle *h;

	if (m->n_handles >= HANDLES_MAX)
		return -EMFILE;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->id = ++last_id;
	h->module = m;
	h->watch = watch;
	h->arg = arg;
	h->own_fd = -1;
	*ret = h;
	return 0;
}

/* From here on the handle is the loop's too, and goes by uv_close(). */
static int publish(struct handle *h)
{
	h->uv.any.data = h;
	HASH_ADD(hh, table, id, sizeof(h->id), h);
	if (!h->hh.tbl) {
		uv_close(&h->uv.any, closed);
		return -ENOMEM;
	}
	h->module->n_handles++;
	return 0;
}

static void timer_fired(uv_timer_t *timer)
{
	struct handle *h = timer->data;
	struct module *m = h->module;
	struct call call = call_enter(m, CALLBACK_TIMER);

	if (h->forgotten)
		stop(h);
	h->fn.timer(h->arg);
	call_leave(&call);
	module_after(m);
}

int handle_timer(struct module *m, uint64_t delay_ms, uint64_t repeat_ms, prism_timer_fn fn, void *arg,
		 struct prism_timer **ret)
{
	uv_loop_t *loop = module_loop(m);
	struct handle *h;
	int r;

	if (!fn)
		return -EINVAL;
	r = reserve(m, false, arg, &h);
	if (r)
		return r;
	h->fn.timer = fn;
	h->forgotten = !ret && !repeat_ms;
	uv_timer_init(loop, &h->uv.timer);
	r = publish(h);
	if (r)
		return r;
	/* The loop's idea of now is as old as this turn of it; a replay may have taken a while. */
	uv_update_time(loop);
	uv_timer_start(&h->uv.timer, timer_fired, delay_ms, repeat_ms);
	if (ret)
		*ret = (struct prism_timer *)(uintptr_t)h->id;
	return 0;
}

/* On an error condition of the fd libuv ends the polling and says nothing more: the module gets every event it waits
 * for, once, so that its read or write meets the error. */
static void fd_ready(uv_poll_t *poll, int status, int events)
{
	struct handle *h = poll->data;
	struct module *m = h->module;
	uint32_t now = ((events & UV_READABLE) ? PRISM_READABLE : 0) | ((events & UV_WRITABLE) ? PRISM_WRITABLE : 0);
	struct call call = call_enter(m, CALLBACK_WATCH);

	h->fn.watch(h->arg, h->fd, status < 0 ? h->events : now);
	call_leave(&call);
	module_after(m);
}

/*
 * The duplicate is what is polled. A module that closes its fd first, against the rules, would otherwise make libuv
 * abort the process on the stale number; and two watches of one fd are no problem.
 */
int handle_watch(struct module *m, int fd, uint32_t events, prism_watch_fn fn, void *arg, struct prism_watch **ret)
{
	int wanted = ((events & PRISM_READABLE) ? UV_READABLE : 0) | ((events & PRISM_WRITABLE) ? UV_WRITABLE : 0);
	struct handle *h;
	int r;

	if (!fn || !wanted || (events & ~(PRISM_READABLE | PRISM_WRITABLE)))
		return -EINVAL;
	r = reserve(m, true, arg, &h);
	if (r)
		return r;
	h->own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	r = h->own_fd < 0 ? -errno : uv_poll_init(module_loop(m), &h->uv.poll, h->own_fd);
	if (r) {
		if (h->own_fd >= 0)
			close(h->own_fd);
		free(h);
		return r;
	}
	h->fn.watch = fn;
	h->fd = fd;
	h->events = events;
	r = publish(h);
	if (r)
		return r;
	r = uv_poll_start(&h->uv.poll, wanted, fd_ready);
	if (r) {
		stop(h);
		return r;
	}
	if (ret)
		*ret = (struct prism_watch *)(uintptr_t)h->id;
	return 0;
}

void handle_timer_stop(struct prism_timer *timer)
{
	struct handle *h = find(timer, false);

	if (h)
		stop(h);
}

void handle_watch_stop(struct prism_watch *watch)
{
	struct handle *h = find(watch, true);

	if (h)
		stop(h);
}

void handles_stop(struct module *m)
{
	struct handle *h, *next;

	HASH_ITER (hh, table, h, next) {
		if (h->module == m)
			stop(h);
	}
}
