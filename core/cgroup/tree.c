/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

struct node {
	struct cgroup cg;
	UT_hash_handle hh;
};

struct cgroups {
	struct node *by_id;
	struct cgroup *root;
};

static struct node *node_of(struct cgroup *cg)
{
	return (struct node *)cg; /* its first member */
}

struct cgroups *cgroups_new(uint64_t root_id)
{
	struct cgroups *t = calloc(1, sizeof(*t));

	if (t && cgroup_add(t, NULL, root_id, "", &t->root) < 0) {
		free(t);
		return NULL;
	}
	return t;
}

void cgroups_free(struct cgroups *t)
{
	struct node *n, *next;

	if (!t)
		return;
	HASH_ITER (hh, t->by_id, n, next) {
		HASH_DELETE(hh, t->by_id, n);
		free(n->cg.name);
		free(n);
	}
	free(t);
}

struct cgroup *cgroups_root(const struct cgroups *t)
{
	return t->root;
}

struct cgroup *cgroup_by_id(const struct cgroups *t, uint64_t id)
{
	struct node *n;

	HASH_FIND(hh, t->by_id, &id, sizeof(id), n);
	return n ? &n->cg : NULL;
}

struct cgroup *cgroup_by_path(const struct cgroups *t, const char *path)
{
	struct cgroup *cg = t->root, *child;
	size_t len;

	for (path += strspn(path, "/"); *path && cg; path += strspn(path, "/")) {
		len = strcspn(path, "/");
		for (child = cg->child; child; child = child->next)
			if (strncmp(child->name, path, len) == 0 && !child->name[len])
				break;
		cg = child;
		path += len;
	}
	return cg;
}

int cgroup_add(struct cgroups *t, struct cgroup *parent, uint64_t id, const char *name, struct cgroup **ret)
{
	struct cgroup *known = cgroup_by_id(t, id);
	struct node *n;

	if (known) {
		*ret = known;
		return -EEXIST;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->cg.name = strdup(name);
	if (!n->cg.name) {
		free(n);
		return -ENOMEM;
	}
	n->cg.id = id;
	n->cg.parent = parent;
	if (parent) {
		n->cg.level = parent->level + 1;
		n->cg.next = parent->child;
		if (parent->child)
			parent->child->prev = &n->cg;
		parent->child = &n->cg;
	}
	HASH_ADD(hh, t->by_id, cg.id, sizeof(n->cg.id), n);
	*ret = &n->cg;
	return 0;
}

int cgroup_rename(struct cgroup *cg, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		return -ENOMEM;
	free(cg->name);
	cg->name = copy;
	return 0;
}

void cgroup_remove(struct cgroups *t, struct cgroup *cg)
{
	struct node *n = node_of(cg);

	if (cg->prev)
		cg->prev->next = cg->next;
	else if (cg->parent)
		cg->parent->child = cg->next;
	if (cg->next)
		cg->next->prev = cg->prev;
	HASH_DELETE(hh, t->by_id, n);
	free(cg->name);
	free(n);
}

size_t cgroups_count(const struct cgroups *t)
{
	return HASH_COUNT(t->by_id);
}

int cgroup_path(const struct cgroup *cg, char *buf, size_t size)
{
	size_t len = 0, at;
	const struct cgroup *c;

	for (c = cg; c->parent; c = c->parent)
		len += strlen(c->name) + 1;
	if (!len)
		len = 1;
	if (len + 1 > size)
		return -ENAMETOOLONG;
	buf[0] = '/';
	buf[len] = '\0';
	at = len;
	for (c = cg; c->parent; c = c->parent) {
		at -= strlen(c->name);
		memcpy(buf + at, c->name, strlen(c->name));
		buf[--at] = '/';
	}
	return 0;
}

/* The next one in depth-first order below top; NULL at the end. */
static struct cgroup *following(struct cgroup *cg, const struct cgroup *top)
{
	if (cg->child)
		return cg->child;
	while (cg != top && !cg->next)
		cg = cg->parent;
	return cg == top ? NULL : cg->next;
}

void cgroup_walk(struct cgroup *cg, void (*fn)(void *arg, struct cgroup *cg), void *arg)
{
	struct cgroup *c;

	for (c = cg; c; c = following(c, cg))
		fn(arg, c);
}
