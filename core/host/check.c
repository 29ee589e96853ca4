/* SPDX-License-Identifier: Apache-2.0 */
/* `config check` without a daemon: what host_apply() would say of the modules, and nothing is started. */
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

int host_check_modules(const struct settings *settings, const char *self_exe, struct problems *p)
{
	struct prepare *prepare = prepare_new(settings->n_modules);
	struct image *images = NULL;
	struct error e = {};
	int r;

	if (!prepare)
		return problems_add(p, ENOMEM, NULL, "no memory");
	prepare->self_exe = self_exe;
	prepare->dirs = settings->module_dirs;
	prepare->images = &images;
	prepare->load = true;
	prepare->n = 0;
	for (size_t i = 0; i < settings->n_modules; i++)
		if (settings->modules[i].enabled)
			prepare->item[prepare->n++].setting = &settings->modules[i];
	r = prepare_run(prepare, &e);
	if (r) {
		r = problems_add(p, e.code, e.where, "%s", e.text);
	} else {
		r = report_checked(prepare, p);
		if (report_facets(prepare, p))
			r = -EINVAL;
	}
	prepare_free(prepare);
	while (images) {
		struct image *next = images->next;

		image_free(images);
		images = next;
	}
	return r;
}
