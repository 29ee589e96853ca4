/* SPDX-License-Identifier: Apache-2.0 */
/* `config check` without a daemon: what host_apply() would say of the modules, and nothing is started. */
#include <errno.h>

#include "base/util.h"
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
	r = r ? problems_add(p, e.code, e.where, "%s", e.text) : report_checked(prepare, p);
	prepare_free(prepare);
	while (images) {
		struct image *next = images->next;

		image_free(images);
		images = next;
	}
	return r;
}
