/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What prismctl asks for one module, and test-loads ahead of a configuration. The child runs while the loop goes on;
 * what was asked is looked at again when it has answered, for the configuration may be another one by then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "host/host.h"
#include "host/set.h"
#include "host/setting.h"

static void unlink_prepare(struct host *host, struct prepare *p)
{
	struct prepare **at = &host->prepares;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
}

struct request {
	struct host *host;
	struct module *module; /* NULL: only test-load */
};

static void requested(struct prepare *p)
{
	struct request *request = p->arg;
	struct host *host = request->host;
	struct module *m = request->module;

	unlink_prepare(host, p);
	/* The configuration or prismctl may have changed its mind while the child ran. */
	if (m && m->listed && host_wanted(host, m, m->setting)) {
		bool again = m->state == MODULE_RUNNING && p->item[0].image == m->image;

		apply_aim(m, &p->item[0]);
		if (again)
			apply_replace(m, m->image);
	}
	prepare_free(p);
	host_settle(host);
}

/* Takes p, also on failure. done is called if, and only if, it was begun. */
static int request_prepare(struct host *host, struct module *m, struct prepare *p, void (*done)(void *arg), void *arg)
{
	struct request *request = p ? malloc(sizeof(*request)) : NULL;

	if (!request || host_wait(host, done, arg)) {
		free(request);
		prepare_free(p);
		return -ENOMEM;
	}
	*request = (struct request){.host = host, .module = m};
	p->arg = request;
	p->own_arg = true;
	p->done = requested;
	p->next = host->prepares;
	host->prepares = p;
	prepare_start(p);
	return 0;
}

static int bring_up(struct host *host, struct module *m, struct error *e, void (*done)(void *arg), void *arg)
{
	struct prepare *p = apply_prepare(host, 1);

	if (p && setting_copy(m->setting, &p->item[0].own)) {
		prepare_free(p);
		p = NULL;
	}
	if (p) {
		p->item[0].setting = p->item[0].own;
		p->item[0].known = m->image;
	}
	return request_prepare(host, m, p, done, arg) ? error_set(e, ENOMEM, "host", "no memory") : 0;
}

int host_prepare(struct host *host, const struct settings *settings, void (*done)(void *arg), void *arg)
{
	/* What is wrong is said by host_apply(); what it refuses is not looked at here. */
	bool refused = settings->n_modules > HOST_MAX_MODULES;
	struct problems ignored = {};
	struct prepare *p = apply_prepare(host, refused ? 0 : settings->n_modules);
	int r = p ? apply_copy_dirs(settings->module_dirs, &p->own_dirs) : -ENOMEM;

	if (!r && !refused)
		apply_fill(host, settings, p, &ignored);
	problems_done(&ignored);
	for (size_t i = 0; !r && i < p->n; i++) {
		r = setting_copy(p->item[i].setting, &p->item[i].own);
		p->item[i].setting = p->item[i].own;
	}
	if (r) {
		prepare_free(p);
		return r;
	}
	p->dirs = (const char *const *)p->own_dirs;
	p->load = false;
	return request_prepare(host, NULL, p, done, arg);
}

static struct module *named(struct host *host, const char *name, struct error *e)
{
	struct module *m = host_find(host, name);

	if (m && m->listed)
		return m;
	error_set(e, ENOENT, NULL, "no module \"%.64s\" is configured: add it to `modules:`", name);
	return NULL;
}

static int begin_request(struct host *host, const char *name, struct module **ret, struct error *e)
{
	*ret = host->stopping ? NULL : named(host, name, e);
	if (*ret)
		return 0;
	return host->stopping ? error_set(e, ESHUTDOWN, NULL, "prismd is stopping") : -ENOENT;
}

int host_module_enable(struct host *host, const char *name, struct error *e, void (*done)(void *arg), void *arg)
{
	struct module *m;
	int r = begin_request(host, name, &m, e);

	if (r)
		return r;
	ledger_set_override(host->ledger, m->slot, OVERRIDE_ENABLED, setting_fingerprint(m->setting));
	ledger_reset(host->ledger, m->slot);
	host_count_crashes(host, m);
	if (m->state != MODULE_RUNNING || m->goal != GOAL_UP)
		return bring_up(host, m, e, done, arg);
	if (host_wait(host, done, arg))
		return error_set(e, ENOMEM, "host", "no memory");
	host_settle(host);
	return 0;
}

int host_module_disable(struct host *host, const char *name, struct error *e, void (*done)(void *arg), void *arg)
{
	struct error left = {};
	struct module *m;
	int r = begin_request(host, name, &m, e);

	if (r)
		return r;
	ledger_set_override(host->ledger, m->slot, OVERRIDE_DISABLED, setting_fingerprint(m->setting));
	if (host_wait(host, done, arg))
		return error_set(e, ENOMEM, "host", "no memory");
	/* One that does not run may have links of an earlier run in the kernel. */
	if (m->state != MODULE_RUNNING && m->state != MODULE_STOPPING &&
	    pins_remove(host->env.pin_root, m->name, NULL, &left))
		log_problem(LOG_LEVEL_WARNING, m->room, &left);
	apply_down(m, MODULE_DISABLED);
	host_settle(host);
	return 0;
}

int host_module_reload(struct host *host, const char *name, struct error *e, void (*done)(void *arg), void *arg)
{
	struct module *m;
	int r = begin_request(host, name, &m, e);

	if (r)
		return r;
	if (!host_wanted(host, m, m->setting))
		return error_set(e, EINVAL, NULL, "module %s is disabled: `prismctl module enable %s` first", name,
				 name);
	return bring_up(host, m, e, done, arg);
}
