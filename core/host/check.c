/* SPDX-License-Identifier: Apache-2.0 */
/* Modules without a daemon: what host_apply() would say of them, or what they declare, and nothing is started. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "host/facets.h"
#include "host/file.h"
#include "host/host.h"
#include "host/module.h"
#include "host/prepare.h"

static int report_checked(const struct prepare *p, struct problems *problems)
{
	int r = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct prepare_item *item = &p->item[i];

		if (!item->image)
			r = problems_add(problems, item->e.code, item->e.where, "%s", item->e.text);
		else if (module_check_config(item->image, item->setting, problems))
			r = -EINVAL;
	}
	return r ? -EINVAL : 0;
}

static const char *facet_of(const struct prepare_item *item)
{
	return item->image ? item->image->desc.facet : NULL;
}

/* The one that starts later would not get it. */
static int report_facets(const struct prepare *p, struct problems *problems)
{
	int r = 0;

	for (size_t i = 0; i < p->n; i++) {
		const char *facet = facet_of(&p->item[i]);

		for (size_t j = 0; facet && j < i; j++) {
			struct error e = {};

			if (!facet_of(&p->item[j]) || strcmp(facet, facet_of(&p->item[j])) != 0)
				continue;
			facets_conflict(&e, facet, p->item[j].setting->name, p->item[i].setting->name);
			module_error_at(&e, p->item[i].setting, NULL);
			r = problems_add(problems, e.code, e.where, "%s", e.text);
			break;
		}
	}
	return r ? -EINVAL : 0;
}

/* Loads the file of every enabled module; look() sees what became of them. */
static int load_enabled(const struct settings *settings, const char *self_exe,
			int (*look)(void *arg, const struct prepare *p, struct problems *problems), void *arg,
			struct problems *problems)
{
	struct prepare *prepare = prepare_new(settings->n_modules);
	struct image *images = NULL;
	struct error e = {};
	int r;

	if (!prepare)
		return problems_add(problems, ENOMEM, NULL, "no memory");
	prepare->self_exe = self_exe;
	prepare->dirs = settings->module_dirs;
	prepare->images = &images;
	prepare->load = true;
	prepare->n = 0;
	for (size_t i = 0; i < settings->n_modules; i++)
		if (settings->modules[i].enabled)
			prepare->item[prepare->n++].setting = &settings->modules[i];
	r = prepare_run(prepare, &e);
	if (r)
		r = problems_add(problems, e.code, e.where, "%s", e.text);
	else
		r = look(arg, prepare, problems);
	prepare_free(prepare);
	while (images) {
		struct image *next = images->next;

		image_free(images);
		images = next;
	}
	return r;
}

static int report_all(void *arg, const struct prepare *p, struct problems *problems)
{
	int r = report_checked(p, problems);

	(void)arg;
	return report_facets(p, problems) ? -EINVAL : r;
}

int host_check_modules(const struct settings *settings, const char *self_exe, struct problems *p)
{
	return load_enabled(settings, self_exe, report_all, NULL, p);
}

struct listener {
	void (*fn)(void *arg, const struct prism_module *declared);
	void *arg;
};

static int tell_declared(void *arg, const struct prepare *p, struct problems *problems)
{
	const struct listener *listener = arg;
	int r = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct prepare_item *item = &p->item[i];

		if (item->image)
			listener->fn(listener->arg, &item->image->desc);
		else
			r = problems_add(problems, item->e.code, item->e.where, "%s", item->e.text);
	}
	return r ? -EINVAL : 0;
}

int host_declared(const struct settings *settings, const char *self_exe,
		  void (*fn)(void *arg, const struct prism_module *declared), void *arg, struct problems *p)
{
	struct listener listener = {.fn = fn, .arg = arg};

	return load_enabled(settings, self_exe, tell_declared, &listener, p);
}
