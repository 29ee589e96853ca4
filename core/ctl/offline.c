/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "bus/bus.h"
#include "cgroup/mount.h"
#include "identity/store.h"

static void take_entry(void *arg, uint64_t cgroup_id, const struct prism_identity *entry)
{
	struct offline *o = arg;

	if (o->n_entries == o->capacity) {
		size_t capacity = o->capacity ? o->capacity * 2 : 256;
		struct offline_entry *entries = reallocarray(o->entries, capacity, sizeof(*entries));

		if (!entries) {
			o->incomplete = true;
			return;
		}
		o->entries = entries;
		o->capacity = capacity;
	}
	o->entries[o->n_entries++] = (struct offline_entry){.cgroup_id = cgroup_id, .entry = *entry};
}

static int by_cgroup(const void *a, const void *b)
{
	const struct offline_entry *x = a, *y = b;

	return x->cgroup_id < y->cgroup_id ? -1 : x->cgroup_id > y->cgroup_id;
}

int offline_cgroup_root(struct ctl *ctl, char *ret_path, size_t size, int *ret_fd, struct error *e)
{
	const struct settings *s = ctl_settings(ctl);
	int fd, r;

	if (s && s->cgroup_root) {
		if ((size_t)snprintf(ret_path, size, "%s", s->cgroup_root) >= size)
			return error_set(e, ENAMETOOLONG, s->cgroup_root, "the configured cgroup root is too long");
	} else {
		r = cgroup_mount_find(NULL, ret_path, size, e);
		if (r < 0)
			return r;
	}
	fd = open(ret_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, errno, ret_path, "%s", strerror(errno));
	*ret_fd = fd;
	return 0;
}

struct identity_table *offline_identity_table(struct ctl *ctl, struct error *ret_bad)
{
	struct identity_table *t = identity_table_new(0);
	char path[512];

	if (!t)
		return NULL;
	snprintf(path, sizeof(path), "%s/identities", ctl_state_dir(ctl));
	if (identity_store_load(t, path, wall_ns(), ret_bad) == 0)
		return t;
	/* A file that is damaged half-way has left the identities before the damage in it. */
	identity_table_free(t);
	return identity_table_new(0);
}

int offline_open(struct ctl *ctl, struct offline **ret, struct error *e)
{
	struct offline *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return error_set(e, ENOMEM, NULL, "out of memory");
	o->cgroup_fd = -1;
	o->bus_dir = ctl_bus_dir(ctl);
	r = bus_read_meta(o->bus_dir, &o->meta, e);
	if (r == 0)
		r = bus_read_entries(o->bus_dir, take_entry, o, e);
	if (r == 0 && o->incomplete)
		r = error_set(e, ENOMEM, NULL, "out of memory");
	if (r < 0) {
		offline_free(o);
		return r;
	}
	if (o->n_entries)
		qsort(o->entries, o->n_entries, sizeof(*o->entries), by_cgroup);
	o->identities = offline_identity_table(ctl, &o->table_error);
	if (!o->identities) {
		offline_free(o);
		return error_set(e, ENOMEM, NULL, "out of memory");
	}
	if (offline_cgroup_root(ctl, o->cgroup_root, sizeof(o->cgroup_root), &o->cgroup_fd, NULL) < 0)
		o->cgroup_root[0] = '\0';
	*ret = o;
	return 0;
}

void offline_free(struct offline *o)
{
	if (!o)
		return;
	if (o->cgroup_fd >= 0)
		close(o->cgroup_fd);
	identity_table_free(o->identities);
	free(o->entries);
	free(o);
}

int offline_instead(struct ctl *ctl, struct error *why, struct offline **ret)
{
	struct error none = {0};
	int r;

	if (why->code != ENOTCONN)
		return -why->code;
	r = offline_open(ctl, ret, &none);
	if (r == 0) {
		ctl_note(ctl, "%s: %s; this is read from the maps pinned in %s and from %s/identities", why->where,
			 why->text, (*ret)->bus_dir, ctl_state_dir(ctl));
		if ((*ret)->table_error.code)
			ctl_note(ctl, "%s: %s: names and labels are not known", (*ret)->table_error.where,
				 (*ret)->table_error.text);
		return 0;
	}
	return error_set(why, r == -ENOMEM ? ENOMEM : ENOTCONN, ctl_socket(ctl),
			 "prismd is not running, and the pinned maps cannot be read: %.200s: %.600s", none.where,
			 none.text);
}

const struct prism_identity *offline_lookup(const struct offline *o, uint64_t cgroup_id)
{
	const struct offline_entry key = {.cgroup_id = cgroup_id}, *found;

	if (!o->n_entries)
		return NULL;
	found = bsearch(&key, o->entries, o->n_entries, sizeof(key), by_cgroup);
	return found ? &found->entry : NULL;
}

double offline_heartbeat_age(const struct prism_meta *meta, bool *ret_stale)
{
	uint64_t now = monotonic_ns();
	uint64_t age = now > meta->heartbeat_ns ? now - meta->heartbeat_ns : 0;

	*ret_stale = !meta->heartbeat_ns || age > meta->stale_after_ns;
	return (double)age / NS_PER_SEC;
}
