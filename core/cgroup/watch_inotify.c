/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without BPF tracing: one inotify watch a directory. It sees only what happens in directories that are watched
 * already, so a directory made inside a new one can be missed: watch.c looks into each new directory itself.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include <uthash.h>

#include "base/util.h"
#include "cgroup/watch_source.h"

#define MASK (IN_CREATE | IN_DELETE | IN_MOVE | IN_ONLYDIR | IN_EXCL_UNLINK)

struct tracked {
	uint64_t id;
	int wd;
	UT_hash_handle hh;
};

struct inotify_source {
	struct watch_source source;
	int fd;
	char root[256];
	struct tracked *by_id;
};

static int inotify_source_fd(struct watch_source *source)
{
	return container_of(source, struct inotify_source, source)->fd;
}

/* Says only that something changed: names and ids are read from the tree itself, which cannot be out of date. */
static int inotify_source_read(struct watch_source *source, void (*fn)(void *arg, const struct watch_event *e),
			       void *arg, bool *ret_lost)
{
	struct inotify_source *s = container_of(source, struct inotify_source, source);
	_Alignas(struct inotify_event) char buf[16384];
	ssize_t n;

	(void)fn;
	(void)arg;
	*ret_lost = false;
	while ((n = read(s->fd, buf, sizeof(buf))) > 0)
		*ret_lost = true;
	return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}

static int track(struct watch_source *source, uint64_t id, const char *path)
{
	struct inotify_source *s = container_of(source, struct inotify_source, source);
	char full[PATH_MAX + 256];
	struct tracked *t;
	int wd;

	HASH_FIND(hh, s->by_id, &id, sizeof(id), t);
	if (t)
		return 0;
	snprintf(full, sizeof(full), "%s%s", s->root, path);
	wd = inotify_add_watch(s->fd, full, MASK);
	if (wd < 0)
		return errno == ENOENT ? 0 : -errno;
	t = calloc(1, sizeof(*t));
	if (!t) {
		inotify_rm_watch(s->fd, wd);
		return -ENOMEM;
	}
	t->id = id;
	t->wd = wd;
	HASH_ADD(hh, s->by_id, id, sizeof(t->id), t);
	return 0;
}

static void untrack(struct watch_source *source, uint64_t id)
{
	struct inotify_source *s = container_of(source, struct inotify_source, source);
	struct tracked *t;

	HASH_FIND(hh, s->by_id, &id, sizeof(id), t);
	if (!t)
		return;
	inotify_rm_watch(s->fd, t->wd); /* gone with the directory as a rule */
	HASH_DELETE(hh, s->by_id, t);
	free(t);
}

static void inotify_source_free(struct watch_source *source)
{
	struct inotify_source *s = container_of(source, struct inotify_source, source);
	struct tracked *t, *next;

	HASH_ITER (hh, s->by_id, t, next) {
		HASH_DELETE(hh, s->by_id, t);
		free(t);
	}
	close(s->fd);
	free(s);
}

static const struct watch_source_ops ops = {
	.name = "inotify",
	.fd = inotify_source_fd,
	.read = inotify_source_read,
	.track = track,
	.untrack = untrack,
	.free = inotify_source_free,
};

int watch_inotify_new(const char *root, struct watch_source **ret, struct error *e)
{
	struct inotify_source *s = calloc(1, sizeof(*s));

	if (!s)
		return error_set(e, ENOMEM, "cgroup events", "out of memory");
	s->source.ops = &ops;
	snprintf(s->root, sizeof(s->root), "%s", root);
	s->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->fd < 0) {
		free(s);
		return error_set(e, errno, "cgroup events", "inotify is not to be had: %s", strerror(errno));
	}
	*ret = &s->source;
	return 0;
}
