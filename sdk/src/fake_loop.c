// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <time.h>

#include "fake.h"

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + ts.tv_nsec;
}

int fake_timer_start(struct prism_host *host, uint64_t delay_ms, uint64_t repeat_ms, prism_timer_fn fn, void *arg,
		     struct prism_timer **ret)
{
	struct prism_fake_host *fake = fake_of(host);
	struct prism_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return -ENOMEM;
	timer->fake = fake;
	timer->due_ns = now_ns() + delay_ms * 1000000u;
	timer->repeat_ns = repeat_ms * 1000000u;
	timer->fn = fn;
	timer->arg = arg;
	timer->next = fake->timers;
	fake->timers = timer;
	if (ret)
		*ret = timer;
	return 0;
}

/* Freed by the loop: it may be on the stack above us. */
void fake_timer_stop(struct prism_timer *timer)
{
	timer->dead = true;
}

int fake_watch_start(struct prism_host *host, int fd, uint32_t events, prism_watch_fn fn, void *arg,
		     struct prism_watch **ret)
{
	struct prism_fake_host *fake = fake_of(host);
	struct prism_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->fake = fake;
	watch->fd = fd;
	watch->events = events;
	watch->fn = fn;
	watch->arg = arg;
	watch->next = fake->watches;
	fake->watches = watch;
	if (ret)
		*ret = watch;
	return 0;
}

void fake_watch_stop(struct prism_watch *watch)
{
	watch->dead = true;
}

static void bury(struct prism_fake_host *fake)
{
	struct prism_timer **t = &fake->timers, *timer;
	struct prism_watch **w = &fake->watches, *watch;

	while ((timer = *t)) {
		if (!timer->dead) {
			t = &timer->next;
			continue;
		}
		*t = timer->next;
		free(timer);
	}
	while ((watch = *w)) {
		if (!watch->dead) {
			w = &watch->next;
			continue;
		}
		*w = watch->next;
		free(watch);
	}
}

static void run_timers(struct prism_fake_host *fake)
{
	uint64_t now = now_ns();
	struct prism_timer *timer;

	/* New timers go to the front: this turn does not see them. */
	for (timer = fake->timers; timer; timer = timer->next) {
		if (timer->dead || timer->due_ns > now)
			continue;
		if (timer->repeat_ns)
			timer->due_ns = now + timer->repeat_ns;
		else
			timer->due_ns = UINT64_MAX; /* a one-shot timer stays the module's to stop */
		timer->fn(timer->arg);
	}
}

static int fill(struct prism_fake_host *fake, struct pollfd **ret_fds, struct prism_watch ***ret_watches)
{
	struct prism_watch *watch, **watches;
	struct pollfd *fds;
	int n = 0;

	for (watch = fake->watches; watch; watch = watch->next)
		n++;
	fds = calloc(n + 1, sizeof(*fds));
	watches = calloc(n + 1, sizeof(struct prism_watch *));
	if (!fds || !watches) {
		free(fds);
		free(watches);
		return -ENOMEM;
	}
	n = 0;
	for (watch = fake->watches; watch; watch = watch->next) {
		fds[n].fd = watch->fd;
		fds[n].events =
			(watch->events & PRISM_READABLE ? POLLIN : 0) | (watch->events & PRISM_WRITABLE ? POLLOUT : 0);
		watches[n++] = watch;
	}
	*ret_fds = fds;
	*ret_watches = watches;
	return n;
}

static void run_watches(struct prism_fake_host *fake, int wait_ms)
{
	struct prism_watch **watches;
	struct pollfd *fds;
	int i, n = fill(fake, &fds, &watches);

	if (n < 0)
		return;
	if (poll(fds, n, wait_ms) > 0) {
		for (i = 0; i < n; i++) {
			uint32_t events = (fds[i].revents & (POLLIN | POLLHUP | POLLERR) ? PRISM_READABLE : 0) |
					  (fds[i].revents & (POLLOUT | POLLERR) ? PRISM_WRITABLE : 0);

			events &= watches[i]->events;
			if (events && !watches[i]->dead)
				watches[i]->fn(watches[i]->arg, watches[i]->fd, events);
		}
	}
	free(fds);
	free(watches);
}

/* How long a turn may wait: until the next timer or the deadline, at most 20 ms so that done() is asked again. */
static int wait_ms(const struct prism_fake_host *fake, uint64_t deadline)
{
	uint64_t now = now_ns(), until = deadline;
	const struct prism_timer *timer;

	for (timer = fake->timers; timer; timer = timer->next)
		if (!timer->dead && timer->due_ns < until)
			until = timer->due_ns;
	if (until <= now)
		return 0;
	return until - now > 20000000u ? 20 : (int)((until - now + 999999u) / 1000000u);
}

bool prism_fake_host_run(struct prism_fake_host *fake, int timeout_ms, bool (*done)(void *arg), void *arg)
{
	uint64_t deadline = now_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000u;

	for (;;) {
		if (done && done(arg))
			return true;
		bury(fake);
		run_watches(fake, done ? wait_ms(fake, deadline) : 0);
		run_timers(fake);
		bury(fake);
		if (!done)
			return false;
		if (now_ns() >= deadline)
			return done(arg);
	}
}

void fake_loop_done(struct prism_fake_host *fake)
{
	struct prism_timer *timer;
	struct prism_watch *watch;

	for (timer = fake->timers; timer; timer = timer->next)
		timer->dead = true;
	for (watch = fake->watches; watch; watch = watch->next)
		watch->dead = true;
	bury(fake);
}
