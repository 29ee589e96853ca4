/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "host/prepare.h"
#include "host/probe.h"
#include "host/setting.h"

struct prepare *prepare_new(size_t n)
{
	struct prepare *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->item = calloc(n ? n : 1, sizeof(*p->item));
	if (!p->item) {
		free(p);
		return NULL;
	}
	p->n = n;
	for (size_t i = 0; i < n; i++)
		p->item[i].owner = p;
	return p;
}

static bool same_file(const struct image *image, const struct prepare_item *item, const char *const *dirs)
{
	struct module_stamp stamp;

	/* A pinned digest is always read again: the pin may be what changed. */
	return image && image->loaded && !item->setting->sha256 && !module_file_stamp(item->setting, dirs, &stamp) &&
	       !memcmp(&stamp, &image->file.stamp, sizeof(stamp));
}

static struct image *find_image(struct image *list, const struct module_file *file)
{
	for (; list; list = list->next)
		if (!strcmp(list->file.note.name, file->note.name) &&
		    !memcmp(list->file.digest, file->digest, MODULE_DIGEST_SIZE))
			return list;
	return NULL;
}

/* The bytes decide: known ones keep their image (and its fd), under the path and stamp they have now. */
static int take_file(struct prepare *p, struct prepare_item *item)
{
	struct module_file file;
	struct image *image;
	int r = module_file_open(item->setting, p->dirs, &file, &item->e);

	if (r)
		return r;
	image = find_image(*p->images, &file);
	if (image) {
		module_file_close(&file);
		memcpy(image->file.path, file.path, sizeof(file.path));
		image->file.stamp = file.stamp;
	} else {
		image = calloc(1, sizeof(*image));
		if (!image) {
			module_file_close(&file);
			error_set(&item->e, ENOMEM, NULL, "no memory");
			return module_error_at(&item->e, item->setting, NULL);
		}
		image->file = file;
		image->next = *p->images;
		*p->images = image;
	}
	item->image = image;
	return 0;
}

static void refuse_item(struct prepare_item *item, const struct error *why)
{
	item->e = *why;
	module_error_at(&item->e, item->setting, item->image ? item->image->file.path : NULL);
	item->image = NULL;
}

static void load(struct prepare *p, struct prepare_item *item)
{
	int slot = p->ledger ? ledger_slot(p->ledger, item->setting->name) : -1;
	uint64_t before = slot >= 0 ? ledger_enter(p->ledger, slot, CALLBACK_LOAD) : 0;

	image_load(item->image, &item->image->failure);
	if (slot >= 0)
		ledger_leave(p->ledger, before);
}

static void conclude(struct prepare *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct prepare_item *item = &p->item[i];

		if (!item->image || item->image->loaded)
			continue;
		if (p->load && !item->image->failure.code)
			load(p, item);
		/* A failure is looked at again the next time: a missing library may have come. */
		if (p->load)
			item->image->fresh = false;
		if (item->image->failure.code)
			refuse_item(item, &item->image->failure);
	}
}

static void advance(struct prepare *p);

static void probed(void *arg, const struct error *e)
{
	struct prepare_item *item = arg;

	item->probe = NULL;
	item->image->failure = *e;
	item->image->probed = !e->code;
	item->image->fresh = true;
	item->owner->pending--;
	advance(item->owner);
}

static void begin(struct prepare *p, struct prepare_item *item)
{
	struct error e = {};

	if (same_file(item->known, item, p->dirs)) {
		item->image = item->known;
		return;
	}
	if (take_file(p, item))
		return;
	if (p->refuse && p->refuse(p->refuse_arg, item)) {
		item->image = NULL;
		return;
	}
	if (item->image->loaded || item->image->fresh)
		return;
	item->image->failure.code = 0;
	if (probe_start(p->loop, p->self_exe, &item->image->file, probed, item, &item->probe, &e))
		refuse_item(item, &e);
	else
		p->pending++;
}

/* Some at a time: each child's time limit is a wall clock's, and sixty-four at once would run each other out of it. */
static void advance(struct prepare *p)
{
	while (p->begun < p->n && p->pending < PREPARE_PARALLEL)
		begin(p, &p->item[p->begun++]);
	if (p->pending)
		return;
	conclude(p);
	p->done(p);
}

void prepare_start(struct prepare *p)
{
	advance(p);
}

void prepare_free(struct prepare *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n; i++) {
		if (p->item[i].probe)
			probe_cancel(p->item[i].probe);
		setting_free(p->item[i].own);
	}
	for (char **dir = p->own_dirs; dir && *dir; dir++)
		free(*dir);
	free(p->own_dirs);
	if (p->own_arg)
		free(p->arg);
	free(p->item);
	free(p);
}

static void nothing(struct prepare *p)
{
	(void)p;
}

int prepare_run(struct prepare *p, struct error *e)
{
	uv_loop_t loop;
	int r = uv_loop_init(&loop);

	if (r)
		return error_set(e, -r, NULL, "no event loop for the test-load: %s", uv_strerror(r));
	p->loop = &loop;
	p->done = nothing;
	prepare_start(p);
	/* Until the last child is reaped and its handles are closed. */
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return 0;
}
