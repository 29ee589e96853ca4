/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/util.h"
#include "cgroup/mount.h"
#include "cgroup/watch_source.h"

/* Of a scan, which holds a descriptor for each level. What is deeper is known from events alone. */
#define MAX_DEPTH 128
#define RETRY_MS 1000

struct watch {
	struct watch_options options;
	struct watch_callbacks callbacks;
	struct watch_source *source;
	char root[256];
	char why_not_bpf[512];
	uv_poll_t poll;
	uv_timer_t retry;
	unsigned int closing;
	bool doubtful;     /* tree and kernel may differ and no event will say so: looked at again in a while */
	bool told;         /* in the log */
	uint64_t turn;     /* counts the times that events are read */
	uint64_t event_ns; /* of the event in hand, or of the scan */
};

static void on_retry(uv_timer_t *timer)
{
	struct watch *w = timer->data;

	w->turn++;
	watch_rescan(w);
}

static void look_again(struct watch *w)
{
	if (!uv_is_active((uv_handle_t *)&w->retry))
		uv_timer_start(&w->retry, on_retry, RETRY_MS, 0);
}

/* Something other than its absence kept a cgroup from being seen: short of descriptors, memory, watches. */
static void doubt(struct watch *w, const char *what, int error)
{
	w->doubtful = true;
	if (!w->told)
		log_warning("cgroup", "%s: %s; the tree is compared every second until that is over", what,
			    strerror(error));
	w->told = true;
	look_again(w);
}

static void track(struct watch *w, const struct cgroup *cg, const char *path)
{
	int r = w->source->ops->track ? w->source->ops->track(w->source, cg->id, path) : 0;

	if (r < 0)
		doubt(w, "a cgroup cannot be watched", -r);
}

static void added(struct watch *w, struct cgroup *cg, const char *path)
{
	track(w, cg, path);
	w->callbacks.added(w->callbacks.arg, cg, w->event_ns);
}

/* Children first: what the callbacks hear of has no children any more. */
static void remove_subtree(struct watch *w, struct cgroup *cg)
{
	while (cg->child)
		remove_subtree(w, cg->child);
	if (w->source->ops->untrack)
		w->source->ops->untrack(w->source, cg->id);
	w->callbacks.removed(w->callbacks.arg, cg);
	cgroup_remove(w->options.tree, cg);
}

/* ---- the scan: makes the tree equal to what the kernel shows ---- */

static void scan_children(struct watch *w, struct cgroup *cg, int fd, const char *path, unsigned int depth);

static void mark(void *arg, struct cgroup *cg)
{
	(void)arg;
	cg->mark = true;
}

static bool gone(int error)
{
	return error == ENOENT || error == ENODEV;
}

/* What cannot be looked at stays in the tree as it is. */
static void keep(struct watch *w, struct cgroup *parent, const char *name, int error)
{
	struct cgroup *cg;

	for (cg = parent->child; cg; cg = cg->next)
		if (!name || strcmp(cg->name, name) == 0)
			cgroup_walk(cg, mark, NULL);
	doubt(w, "the cgroup tree cannot be read", error);
}

static void scan_child(struct watch *w, struct cgroup *parent, int parent_fd, const char *name, const char *parent_path,
		       unsigned int depth)
{
	char path[PATH_MAX];
	struct cgroup *cg;
	uint64_t id;
	int fd, r;

	if (strcmp(parent_path, "/") == 0)
		parent_path = "";
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", parent_path, name) >= sizeof(path))
		return;
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r = fd < 0 ? -errno : cgroup_id_of(fd, "", &id);
	if (r == 0)
		r = cgroup_add(w->options.tree, parent, id, name, &cg);
	if (r < 0 && r != -EEXIST) {
		if (!gone(-r))
			keep(w, parent, name, -r);
		if (fd >= 0)
			close(fd);
		return;
	}
	cg->mark = true;
	if (r == 0) {
		added(w, cg, path);
	} else {
		track(w, cg, path); /* tried again if it failed */
		if (strcmp(cg->name, name) != 0 && cgroup_rename(cg, name) == 0)
			w->callbacks.renamed(w->callbacks.arg, cg);
	}
	scan_children(w, cg, fd, path, depth + 1);
}

/* Takes fd. */
static void scan_children(struct watch *w, struct cgroup *cg, int fd, const char *path, unsigned int depth)
{
	DIR *dir = fd < 0 || depth > MAX_DEPTH ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (depth > MAX_DEPTH)
			cgroup_walk(cg, mark, NULL);
		else
			keep(w, cg, NULL, errno);
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((errno = 0, entry = readdir(dir)))
		if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			scan_child(w, cg, dirfd(dir), entry->d_name, path, depth);
	if (errno && !gone(errno))
		keep(w, cg, NULL, errno);
	closedir(dir);
}

static void unmark(void *arg, struct cgroup *cg)
{
	(void)arg;
	cg->mark = false;
}

static void remove_unmarked(struct watch *w, struct cgroup *cg)
{
	struct cgroup *child, *next;

	for (child = cg->child; child; child = next) {
		next = child->next;
		if (child->mark) {
			remove_unmarked(w, child);
		} else if (child->turn == w->turn) {
			/* The kernel tells of a cgroup before it shows it (cgroup_mkdir()): it may be about to. */
			look_again(w);
		} else {
			remove_subtree(w, child);
		}
	}
}

static void scan(struct watch *w)
{
	struct cgroup *root = cgroups_root(w->options.tree);

	w->event_ns = monotonic_ns();
	w->doubtful = false;
	cgroup_walk(root, unmark, NULL);
	track(w, root, "");
	scan_children(w, root, openat(w->options.root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "/", 0);
	remove_unmarked(w, root);
	if (!w->doubtful)
		w->told = false;
}

void watch_rescan(struct watch *w)
{
	metric_add(w->options.metrics, METRIC_CGROUP_RESCANS, NULL, 1);
	scan(w);
	w->callbacks.drained(w->callbacks.arg);
}

/* ---- live events ---- */

/* Adds what is missing on the way to path, which is whole again afterwards. */
static struct cgroup *adopt_path(struct watch *w, char *path)
{
	struct cgroup *cg = cgroups_root(w->options.tree), *child;
	char *end, stop;
	uint64_t id;

	for (end = path; *end && cg; *end = stop, cg = child) {
		end += 1 + strcspn(end + 1, "/");
		stop = *end;
		*end = '\0';
		child = cgroup_by_path(w->options.tree, path);
		if (child)
			continue;
		if (cgroup_id_of(w->options.root_fd, path + 1, &id) == 0 &&
		    cgroup_add(w->options.tree, cg, id, strrchr(path, '/') + 1, &child) == 0)
			added(w, child, path);
		else
			child = NULL;
	}
	return cg;
}

/* The parent may not be known: its own event was lost, or it came while nobody listened. */
static struct cgroup *find_parent(struct watch *w, const struct watch_event *e)
{
	struct cgroup *parent = cgroup_by_id(w->options.tree, e->parent);
	char path[PATH_MAX];

	if (parent || !e->parent)
		return parent;
	if (cgroup_path_of_id(w->options.root_fd, w->root, e->parent, path, sizeof(path)) < 0)
		return NULL;
	parent = adopt_path(w, path);
	return parent && parent->id == e->parent ? parent : NULL;
}

static void on_mkdir(struct watch *w, const struct watch_event *e)
{
	struct cgroup *parent, *cg;
	char path[PATH_MAX];

	if (cgroup_by_id(w->options.tree, e->id))
		return; /* the scan was faster */
	parent = find_parent(w, e);
	if (!parent)
		return; /* gone already, or not below this root */
	if (cgroup_add(w->options.tree, parent, e->id, e->name, &cg) < 0) {
		doubt(w, "a new cgroup", ENOMEM);
		return;
	}
	cg->turn = w->turn;
	if (cgroup_path(cg, path, sizeof(path)) < 0)
		path[0] = '\0';
	added(w, cg, path);
}

static void on_event(void *arg, const struct watch_event *e)
{
	static const char *const names[] = {
		[WATCH_MKDIR] = "mkdir", [WATCH_RMDIR] = "rmdir", [WATCH_RENAME] = "rename"};
	struct watch *w = arg;
	struct cgroup *cg = cgroup_by_id(w->options.tree, e->id);

	w->event_ns = e->time_ns;
	if (e->kind < ARRAY_SIZE(names) && names[e->kind])
		metric_add(w->options.metrics, METRIC_CGROUP_EVENTS, names[e->kind], 1);
	switch (e->kind) {
	case WATCH_MKDIR:
		on_mkdir(w, e);
		break;
	case WATCH_RMDIR:
		if (cg && cg->parent)
			remove_subtree(w, cg);
		break;
	case WATCH_RENAME:
		if (cg && strcmp(cg->name, e->name) != 0 && cgroup_rename(cg, e->name) == 0)
			w->callbacks.renamed(w->callbacks.arg, cg);
		break;
	}
}

static void drain(struct watch *w)
{
	bool lost = false;
	int r;

	w->turn++;
	r = w->source->ops->read(w->source, on_event, w, &lost);
	if (r < 0)
		log_warning("cgroup", "reading %s events: %s; comparing the whole tree", w->source->ops->name,
			    strerror(-r));
	if (lost || r < 0) {
		/* inotify says "something changed" this way all the time; for the ring buffer it is a loss. */
		if (!w->source->ops->track)
			metric_add(w->options.metrics, METRIC_CGROUP_LOST, NULL, 1);
		watch_rescan(w);
	}
	metric_set(w->options.metrics, METRIC_CGROUPS, NULL, (double)cgroups_count(w->options.tree));
	w->callbacks.drained(w->callbacks.arg);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	drain(poll->data);
}

/* ---- life ---- */

static int choose_source(struct watch *w, struct error *e)
{
	struct error why = {0};

	if (w->options.no_bpf)
		snprintf(w->why_not_bpf, sizeof(w->why_not_bpf), "switched off");
	else if (watch_bpf_new(w->options.metrics, &w->source, &why) == 0)
		return 0;
	else
		snprintf(w->why_not_bpf, sizeof(w->why_not_bpf), "%.500s", why.text);
	return watch_inotify_new(w->root, &w->source, e);
}

int watch_start(const struct watch_options *options, const struct watch_callbacks *callbacks, struct watch **ret,
		struct error *e)
{
	struct watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return error_set(e, ENOMEM, "cgroup events", "out of memory");
	w->options = *options;
	w->callbacks = *callbacks;
	snprintf(w->root, sizeof(w->root), "%s", options->root);
	r = choose_source(w, e);
	if (r < 0) {
		free(w);
		return r;
	}
	r = uv_poll_init(options->loop, &w->poll, w->source->ops->fd(w->source));
	if (r < 0) {
		w->source->ops->free(w->source);
		free(w);
		return error_set(e, -r, "cgroup events", "cannot be polled: %s", uv_strerror(r));
	}
	uv_timer_init(options->loop, &w->retry);
	w->poll.data = w->retry.data = w;
	uv_poll_start(&w->poll, UV_READABLE, on_readable);
	/* Attached already: what happens during the walk is read after it. */
	w->event_ns = monotonic_ns();
	w->callbacks.added(w->callbacks.arg, cgroups_root(options->tree), w->event_ns);
	scan(w);
	drain(w);
	*ret = w;
	return 0;
}

const char *watch_mechanism(const struct watch *w, const char **ret_why)
{
	if (ret_why)
		*ret_why = w->why_not_bpf[0] ? w->why_not_bpf : NULL;
	return w->source->ops->name;
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;

	if (--w->closing)
		return;
	w->source->ops->free(w->source);
	free(w);
}

void watch_stop(struct watch *w)
{
	if (!w)
		return;
	w->closing = 2;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_closed);
	uv_close((uv_handle_t *)&w->retry, on_closed);
}
