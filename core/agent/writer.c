/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "base/file.h"
#include "base/util.h"

struct writer {
	pthread_t thread;
	int asked, done; /* eventfds: what is written before one is read after it */
	bool busy;
	/* One request, and its outcome. path NULL: end. */
	const char *path;
	const void *data;
	size_t len;
	mode_t mode;
	struct error result;
	uint64_t took_ns;
};

static void wait_for(int fd)
{
	eventfd_t n;

	while (eventfd_read(fd, &n) < 0 && errno == EINTR)
		;
}

static void *run(void *arg)
{
	struct writer *w = arg;
	uint64_t start;

	for (;;) {
		wait_for(w->asked);
		if (!w->path)
			return NULL;
		start = monotonic_ns();
		w->result = (struct error){0};
		file_write_atomic(w->path, w->data, w->len, w->mode, &w->result);
		w->took_ns = monotonic_ns() - start;
		eventfd_write(w->done, 1);
	}
}

/* Signals are the loop's. */
static int start_thread(struct writer *w)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

int writer_new(struct writer **ret)
{
	struct writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->asked = eventfd(0, EFD_CLOEXEC);
	w->done = eventfd(0, EFD_CLOEXEC);
	r = w->asked < 0 || w->done < 0 ? -errno : start_thread(w);
	if (r < 0) {
		if (w->asked >= 0)
			close(w->asked);
		if (w->done >= 0)
			close(w->done);
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	if (w->busy)
		wait_for(w->done);
	w->path = NULL;
	eventfd_write(w->asked, 1);
	pthread_join(w->thread, NULL);
	close(w->asked);
	close(w->done);
	free(w);
}

int writer_fd(const struct writer *w)
{
	return w->done;
}

void writer_start(struct writer *w, const char *path, const void *data, size_t len, mode_t mode)
{
	w->path = path;
	w->data = data;
	w->len = len;
	w->mode = mode;
	w->busy = true;
	eventfd_write(w->asked, 1);
}

int writer_finish(struct writer *w, struct error *e, uint64_t *ret_took_ns)
{
	wait_for(w->done);
	w->busy = false;
	*e = w->result;
	*ret_took_ns = w->took_ns;
	return -w->result.code;
}
