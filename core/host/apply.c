/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one configuration to the next. Everything that can be found wrong is found before anything changes: files are
 * test-loaded and loaded, every configuration is checked against the options its module declares, and running modules
 * take (or refuse) their new configuration first of all, because that alone can be taken back without a trace.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "host/host.h"
#include "host/set.h"
#include "host/setting.h"

bool host_wanted(const struct host *host, const struct module *m, const struct module_setting *setting)
{
	enum ledger_override o = ledger_get_override(host->ledger, m->slot, setting_fingerprint(setting));

	return o == OVERRIDE_NONE ? setting->enabled : o == OVERRIDE_ENABLED;
}

bool host_quarantined(const struct host *host, int slot, const struct module_setting *setting, struct error *e)
{
	struct ledger_record record;
	char latest[160];

	ledger_get(host->ledger, slot, &record);
	if (!setting->max_crashes || record.crashes < setting->max_crashes)
		return false;
	error_set(e, EOWNERDEAD, NULL,
		  "is quarantined: its code took prismd down %u time%s (max_crashes %u), the last time by %s; what it "
		  "has "
		  "in the kernel stays. Install a corrected file, or try again with `prismctl module enable %s`",
		  record.crashes, record.crashes == 1 ? "" : "s", setting->max_crashes,
		  ledger_describe(&record, latest, sizeof(latest)), setting->name);
	module_error_at(e, setting, NULL);
	return true;
}

void host_count_crashes(struct host *host, const struct module *m)
{
	struct ledger_record record;

	ledger_get(host->ledger, m->slot, &record);
	if (host->env.metrics)
		metric_set(host->env.metrics, METRIC_MODULE_CRASHES, m->name, record.crashes);
}

/* Before its constructors run here: other bytes have a clean record, the same bytes do not get another chance. */
static bool refuse_quarantined(void *arg, struct prepare_item *item)
{
	struct host *host = arg;
	struct module *m = host_find(host, item->setting->name);

	if (!m)
		return false;
	ledger_content(host->ledger, m->slot, item->image->file.digest);
	return !item->image->loaded && host_quarantined(host, m->slot, item->setting, &item->e);
}

struct prepare *apply_prepare(struct host *host, size_t n)
{
	struct prepare *p = prepare_new(n);

	if (!p)
		return NULL;
	p->loop = host->env.loop;
	p->self_exe = host->env.self_exe;
	p->dirs = (const char *const *)host->dirs;
	p->images = &host->images;
	p->ledger = host->ledger;
	p->load = true;
	p->refuse = refuse_quarantined;
	p->refuse_arg = host;
	return p;
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* One item for each module that is to run, in order. */
int apply_fill(struct host *host, const struct settings *settings, struct prepare *p, struct problems *problems)
{
	p->n = 0;
	for (size_t i = 0; i < settings->n_modules; i++) {
		const struct module_setting *s = &settings->modules[i];
		struct error e = {};
		struct module *m;

		if (!note_name_valid(s->name))
			return node_problem(problems, s->node, "\"%.64s\" is no module name: [a-z][a-z0-9_-]*",
					    s->name);
		m = host_get(host, s->name, &e);
		if (!m)
			return problems_add(problems, e.code, NULL, "module %s: %s", s->name, e.text);
		if (!host_wanted(host, m, s))
			continue;
		p->item[p->n].setting = s;
		p->item[p->n++].known = m->image;
	}
	return 0;
}

/* The image that the setting will be read by: the new one, or the running one when the new one was refused. */
static const struct image *image_for(const struct host *host, const struct prepare_item *item)
{
	const struct module *m = host_find(host, item->setting->name);

	return item->image ? item->image : m && m->state == MODULE_RUNNING ? m->image : NULL;
}

static int check_configs(struct host *host, const struct prepare *p, struct problems *problems)
{
	int r = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct image *image = image_for(host, &p->item[i]);

		if (image && module_check_config(image, p->item[i].setting, problems))
			r = -EINVAL;
	}
	return r;
}

static bool reconfigures(const struct host *host, const struct prepare_item *item, struct module **ret)
{
	struct module *m = host_find(host, item->setting->name);

	*ret = m;
	return m->state == MODULE_RUNNING && m->goal == GOAL_UP && image_for(host, item) == m->image &&
	       !setting_same_config(item->setting, m->applied);
}

static void take_back(struct module *m, const struct module_setting *before)
{
	struct problems p = {};

	if (module_reconfigure(m, before, &p))
		log_error(m->room, "refused the configuration it had: %s", p.n ? p.list[0].text : "");
	problems_done(&p);
}

/* All or none: those that had taken their new configuration get the old one back. */
static int reconfigure_running(struct host *host, const struct prepare *p, struct problems *problems)
{
	struct module_setting *before[HOST_MAX_MODULES] = {};
	struct module *changed[HOST_MAX_MODULES];
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < p->n && !r; i++) {
		struct module *m;

		if (!reconfigures(host, &p->item[i], &m))
			continue;
		r = setting_copy(m->applied, &before[n]);
		if (r)
			break;
		r = module_reconfigure(m, p->item[i].setting, problems);
		changed[n++] = m;
	}
	if (r)
		for (size_t i = n - 1; n && i-- > 0;)
			take_back(changed[i], before[i]);
	for (size_t i = 0; i < n; i++) {
		if (!r)
			log_info(changed[i]->room, "reconfigured");
		setting_free(before[i]);
	}
	return r;
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

void apply_down(struct module *m, enum module_state rest)
{
	m->goal = GOAL_DOWN;
	m->start = m->restart = false;
	m->rest = rest;
	memset(&m->rest_reason, 0, sizeof(m->rest_reason));
	if (m->state == MODULE_RUNNING || m->state == MODULE_STOPPING)
		m->why = PRISM_STOP_REMOVE;
	else if (m->state != rest)
		module_enter(m, rest, NULL);
}

static void refused(struct module *m, const struct error *e)
{
	if (m->state == MODULE_RUNNING || m->state == MODULE_STOPPING) {
		log_error(m->room, "the new file is refused, the one before goes on: %s", e->text);
		m->reason = *e;
		return;
	}
	m->goal = GOAL_UP;
	m->start = m->restart = false;
	module_enter(m, e->code == EOWNERDEAD ? MODULE_QUARANTINED : MODULE_FAILED, e);
}

void apply_replace(struct module *m, struct image *image)
{
	setting_free(m->fallback_setting);
	m->fallback_setting = NULL;
	m->fallback = NULL;
	if (!setting_copy(m->applied, &m->fallback_setting))
		m->fallback = m->image;
	m->next = image;
	m->restart = true;
}

static void go_up(struct module *m, struct image *image)
{
	m->goal = GOAL_UP;
	if (m->state == MODULE_RUNNING && m->image == image) {
		m->restart = false;
		memset(&m->reason, 0, sizeof(m->reason));
	} else if (m->state == MODULE_RUNNING) {
		apply_replace(m, image);
	} else {
		m->next = image;
		m->start = true;
	}
}

static const struct prepare_item *item_of(const struct prepare *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->item[i].setting->name, name))
			return &p->item[i];
	return NULL;
}

void apply_aim(struct module *m, const struct prepare_item *item)
{
	if (!item)
		apply_down(m, MODULE_DISABLED);
	else if (item->image)
		go_up(m, item->image);
	else
		refused(m, &item->e);
}

static bool is_listed(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->n_modules; i++)
		if (!strcmp(settings->modules[i].name, name))
			return true;
	return false;
}

static void drop_unlisted(struct host *host, const struct settings *settings)
{
	for (unsigned int i = 0; i < host->n_modules; i++) {
		struct module *m = host->module[i];

		if (!m->listed || is_listed(settings, m->name))
			continue;
		m->listed = false;
		apply_down(m, MODULE_CLOSED);
	}
}

static bool keep_pins(void *arg, const char *name)
{
	const struct module *m = host_find(arg, name);

	return m && m->listed && m->goal == GOAL_UP;
}

/* Allocated before anything changes, so that nothing can fail half way. */
struct next {
	struct module_setting *setting[HOST_MAX_MODULES];
	char **dirs;
};

static void next_done(struct next *next)
{
	for (size_t i = 0; i < HOST_MAX_MODULES; i++)
		setting_free(next->setting[i]);
	for (char **dir = next->dirs; dir && *dir; dir++)
		free(*dir);
	free(next->dirs);
}

int apply_copy_dirs(const char *const *from, char ***ret)
{
	size_t n = 0;

	while (from && from[n])
		n++;
	*ret = calloc(n + 1, sizeof(char *));
	for (size_t i = 0; *ret && i < n; i++) {
		(*ret)[i] = strdup(from[i]);
		if (!(*ret)[i])
			return -ENOMEM;
	}
	return *ret ? 0 : -ENOMEM;
}

static int next_fill(struct next *next, const struct settings *settings)
{
	int r = apply_copy_dirs(settings->module_dirs, &next->dirs);

	for (size_t i = 0; i < settings->n_modules && !r; i++)
		r = setting_copy(&settings->modules[i], &next->setting[i]);
	return r;
}

static void commit(struct host *host, const struct settings *settings, struct next *next, const struct prepare *p)
{
	char **dirs = host->dirs;

	host->dirs = next->dirs;
	next->dirs = dirs;
	drop_unlisted(host, settings);
	host->n_order = 0;
	for (size_t i = 0; i < settings->n_modules; i++) {
		struct module *m = host_find(host, settings->modules[i].name);

		setting_free(m->setting);
		m->setting = TAKE_PTR(next->setting[i]);
		m->listed = true;
		host->order[host->n_order++] = m;
		host_count_crashes(host, m);
		apply_aim(m, item_of(p, m->name));
	}
	if (!host->swept)
		pins_sweep(host->env.pin_root, keep_pins, host);
	host->swept = true;
	ledger_watch(host->ledger, settings->callback_deadline_ms);
}

static int check_and_commit(struct host *host, const struct settings *settings, struct prepare *p,
			    struct problems *problems)
{
	_cleanup_(next_done) struct next next = {};
	struct error e = {};
	int r = next_fill(&next, settings);

	if (r)
		return problems_add(problems, ENOMEM, NULL, "no memory");
	r = apply_fill(host, settings, p, problems);
	if (!r && prepare_run(p, &e))
		r = problems_add(problems, e.code, e.where, "%s", e.text);
	if (!r)
		r = check_configs(host, p, problems);
	if (!r)
		r = reconfigure_running(host, p, problems);
	if (!r)
		commit(host, settings, &next, p);
	return r ? -EINVAL : 0;
}

int host_apply(struct host *host, const struct settings *settings, struct problems *p, void (*done)(void *arg),
	       void *arg)
{
	struct prepare *prepare;
	int r;

	if (host->stopping)
		return problems_add(p, ESHUTDOWN, NULL, "prismd is stopping");
	if (settings->n_modules > HOST_MAX_MODULES)
		return problems_add(p, E2BIG, NULL, "%zu modules: at most %d", settings->n_modules, HOST_MAX_MODULES);
	prepare = apply_prepare(host, settings->n_modules);
	if (!prepare)
		return problems_add(p, ENOMEM, NULL, "no memory");
	prepare->dirs = settings->module_dirs;
	r = check_and_commit(host, settings, prepare, p);
	prepare_free(prepare);
	if (r)
		return r;
	if (host_wait(host, done, arg))
		log_error("host", "no memory to wait for modules");
	host_settle(host);
	return 0;
}
