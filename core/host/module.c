/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "config/option.h"
#include "host/set.h"
#include "host/setting.h"
#include "metric/program.h"

struct module *module_new(struct host *host, const char *name, unsigned int index, int slot)
{
	struct module *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->host.api = &host_services;
	m->magic = MODULE_MAGIC;
	m->thread = pthread_self();
	m->owner = host;
	m->index = index;
	m->slot = slot;
	m->facet_bit = -1;
	m->state = MODULE_LISTED;
	m->since_ns = monotonic_ns();
	snprintf(m->name, sizeof(m->name), "%s", name);
	snprintf(m->room, sizeof(m->room), "module %s", name);
	snprintf(m->pin_dir, sizeof(m->pin_dir), "%s/%s", host->env.pin_root, name);
	return m;
}

void module_free(struct module *m)
{
	if (!m)
		return;
	handles_stop(m);
	m->magic = 0;
	setting_free(m->setting);
	setting_free(m->applied);
	setting_free(m->fallback_setting);
	free(m);
}

uv_loop_t *module_loop(const struct module *m)
{
	return m->owner->env.loop;
}

struct call call_enter(struct module *m, enum callback callback)
{
	if (!m->depth++) {
		m->report.code = 0;
		m->report_located = false;
	}
	return (struct call){.module = m, .before = ledger_enter(m->owner->ledger, m->slot, callback)};
}

void call_leave(const struct call *call)
{
	ledger_leave(call->module->owner->ledger, call->before);
	call->module->depth--;
}

/* `where: text` of the report, or that there was none. Every step of a module's life ends here when it fails. */
static int step_failed(struct module *m, const char *step, int r, struct error *e)
{
	char text[sizeof(e->text)];
	int code = m->report.code ? m->report.code : -r;

	if (r > 0)
		error_set(e, EINVAL, NULL, "%s returned %d where 0 or a negative errno is due", step, r);
	else if (!m->report.code)
		error_set(e, code, NULL, "%s failed: %s (it gave no reason)", step, strerror(code));
	else if (m->report_located)
		*e = m->report;
	else
		error_set(e, code, NULL, "%s failed: %s", step,
			  m->report.where[0] ? error_format(&m->report, text, sizeof(text)) : m->report.text);
	m->report.code = 0;
	return -e->code;
}

#define STEP(m, callback, expression, e)                                                                               \
	({                                                                                                             \
		struct call call_ = call_enter(m, callback);                                                           \
		int r_ = (expression);                                                                                 \
		call_leave(&call_);                                                                                    \
		r_ || (m)->report.code ? step_failed(m, callback_name(callback), r_, e) : 0;                           \
	})

/* ---- up ---------------------------------------------------------------------------------------------------------- */

int module_check_config(const struct image *image, const struct module_setting *setting, struct problems *p)
{
	struct prism_config *config = NULL;
	int r = option_check(image->desc.options, image->desc.n_options, image->desc.option_size, setting->config,
			     &config, p);

	if (!r)
		option_config_free(config);
	return r;
}

/* Errors in the configuration say their own line and column; others get the entry's, and keep a path as text. */
static void locate(const struct module_setting *setting, struct error *e)
{
	char path[sizeof(e->where)];

	if (e->where[0] && e->where[0] != '/')
		return;
	memcpy(path, e->where, sizeof(path));
	module_error_at(e, setting, path);
}

static int call_configure(struct module *m, const struct prism_config *config, const struct module_setting *setting,
			  struct error *e)
{
	struct lent before = services_lend((struct lent){.config = config});
	int r;

	m->config_node = setting->config ? setting->config : setting->node;
	r = STEP(m, CALLBACK_CONFIGURE, m->image->desc.configure(m->self, config), e);
	m->config_node = NULL;
	services_lend(before);
	return r;
}

/* -EINVAL: e is the first thing that is wrong; p (may be NULL) gets all. */
static int configure(struct module *m, const struct module_setting *setting, struct problems *p, struct error *e)
{
	const struct prism_module *d = &m->image->desc;
	struct prism_config *config = NULL;
	struct problems local = {};
	int r = option_check(d->options, d->n_options, d->option_size, setting->config, &config, p ? p : &local);

	if (r) {
		if (local.n)
			*e = local.list[0];
		else
			error_set(e, -r, NULL, "the configuration does not fit");
		problems_done(&local);
		return r;
	}
	if (d->configure)
		r = call_configure(m, config, setting, e);
	option_config_free(config);
	if (r)
		locate(setting, e);
	if (r && p)
		problems_add(p, e->code, e->where, "%s", e->text);
	return r;
}

static void replay_one(void *arg, const struct prism_workload *workload)
{
	module_tell(arg, PRISM_IDENTITY_ADDED, workload);
}

static int replay(struct module *m, struct error *e)
{
	struct host *host = m->owner;
	struct call call;

	m->live = true;
	if (!m->image->desc.identity)
		return 0;
	if (host->env.identities)
		host->env.identities(host->env.arg, replay_one, m);
	if (m->report.code)
		return step_failed(m, callback_name(CALLBACK_IDENTITY), 0, e);
	call = call_enter(m, CALLBACK_IDENTITY);
	m->image->desc.identity(m->self, PRISM_IDENTITY_SYNCED, NULL);
	call_leave(&call);
	return m->report.code ? step_failed(m, callback_name(CALLBACK_IDENTITY), 0, e) : 0;
}

static void call_close(struct module *m)
{
	if (m->open && m->image->desc.close) {
		struct call call = call_enter(m, CALLBACK_CLOSE);

		m->image->desc.close(m->self);
		call_leave(&call);
	}
	m->open = false;
	m->self = NULL;
	m->condition[0] = '\0';
	handles_stop(m);
	if (m->owner->env.metrics)
		program_drop(m->owner->env.metrics, m->name, NULL);
}

static void remove_pins(struct module *m, const struct pins_list *keep)
{
	struct error e = {};

	if (pins_remove(m->owner->env.pin_root, m->name, keep, &e))
		log_problem(LOG_LEVEL_WARNING, m->room, &e);
}

static int claim_facet(struct module *m, struct error *e)
{
	return m->image->desc.facet ? facets_claim(m->owner->facets, m->image->desc.facet, m->name, &m->facet_bit, e)
				    : 0;
}

/* The steps in their order; what has to be undone is seen from m->open. */
static int run_steps(struct module *m, const struct module_setting *setting, bool *ret_ran, struct error *e)
{
	const struct prism_module *d = &m->image->desc;
	int r = d->probe ? STEP(m, CALLBACK_PROBE, d->probe(&m->host), e) : 0;

	if (!r)
		r = claim_facet(m, e);
	if (!r)
		r = pins_make(m->owner->env.pin_root, m->name, e);
	if (!r && d->open)
		r = STEP(m, CALLBACK_OPEN, d->open(&m->host, &m->self), e);
	if (r)
		return r;
	m->open = true;
	module_enter(m, MODULE_OPEN, NULL);
	r = configure(m, setting, NULL, e);
	if (r)
		return r;
	module_enter(m, MODULE_CONFIGURED, NULL);
	if (d->start)
		r = STEP(m, CALLBACK_START, d->start(m->self), e);
	if (r)
		return r;
	*ret_ran = true;
	return replay(m, e);
}

static void call_stop(struct module *m, enum prism_stop why)
{
	struct call call = call_enter(m, CALLBACK_STOP);

	if (m->image->desc.stop)
		m->image->desc.stop(m->self, why);
	call_leave(&call);
}

static void undo(struct module *m, bool ran, bool keep_before, const struct pins_list *before)
{
	m->live = false;
	/* It started and refused the replay: there is no time to wait for an asynchronous stop. */
	if (ran)
		call_stop(m, keep_before ? PRISM_STOP_REPLACE : PRISM_STOP_REMOVE);
	call_close(m);
	m->report.code = 0;
	if (!keep_before)
		module_drop_claims(m);
	remove_pins(m, keep_before ? before : NULL);
}

int module_up(struct module *m, const struct module_setting *setting, bool keep_before)
{
	uint64_t began = monotonic_ns();
	struct module_setting *copy = NULL;
	struct pins_list before;
	struct error e = {};
	bool ran = false;
	int r = setting_copy(setting, &copy);

	if (r) {
		error_set(&e, ENOMEM, NULL, "module %s: no memory", m->name);
		module_enter(m, MODULE_FAILED, &e);
		return r;
	}
	pins_list(m->owner->env.pin_root, m->name, &before);
	ledger_content(m->owner->ledger, m->slot, m->image->file.digest);
	m->loads++;
	module_enter(m, MODULE_PROBED, NULL);
	module_begin_claims(m);
	r = run_steps(m, setting, &ran, &e);
	if (r) {
		undo(m, ran, keep_before, &before);
		locate(setting, &e);
		setting_free(copy);
		module_enter(m, e.code == EOPNOTSUPP ? MODULE_UNSUPPORTED : MODULE_FAILED, &e);
	} else {
		module_settle_claims(m);
		setting_free(m->applied);
		m->applied = copy;
		m->load_ns = monotonic_ns() - began;
		m->pinned = pins_any(m->owner->env.pin_root, m->name);
		module_enter(m, MODULE_RUNNING, NULL);
	}
	pins_list_done(&before);
	return r;
}

int module_reconfigure(struct module *m, const struct module_setting *setting, struct problems *p)
{
	struct module_setting *copy = NULL;
	struct error e = {};
	int r = setting_copy(setting, &copy);

	if (r)
		return problems_add(p, ENOMEM, NULL, "module %s: no memory", m->name);
	r = configure(m, setting, p, &e);
	if (r) {
		setting_free(copy);
		return r;
	}
	setting_free(m->applied);
	m->applied = copy;
	return 0;
}

/* ---- down -------------------------------------------------------------------------------------------------------- */

static void deadline_closed(uv_handle_t *handle)
{
	free(handle);
}

static void drop_deadline(struct module *m)
{
	if (!m->deadline)
		return;
	uv_close((uv_handle_t *)m->deadline, deadline_closed);
	m->deadline = NULL;
}

static void finish_down(struct module *m)
{
	bool replaced = m->restart && m->goal == GOAL_UP;
	struct error reason = m->rest_reason;

	drop_deadline(m);
	call_close(m);
	m->report.code = 0;
	m->stop_done = false;
	if (!replaced && m->why != PRISM_STOP_SHUTDOWN)
		module_drop_claims(m);
	if (m->why == PRISM_STOP_REMOVE)
		remove_pins(m, NULL);
	memset(&m->rest_reason, 0, sizeof(m->rest_reason));
	module_enter(m, replaced ? MODULE_CLOSED : m->rest, reason.code ? &reason : NULL);
}

static void late(uv_timer_t *timer)
{
	struct module *m = timer->data;
	struct error e = {};

	error_set(&e, ETIMEDOUT, NULL,
		  "did not stop within %llu ms (stop_deadline): its timers and watches were taken from it and it was "
		  "closed",
		  (unsigned long long)m->applied->stop_deadline_ms);
	module_error_at(&e, m->applied, NULL);
	log_problem(LOG_LEVEL_ERROR, m->room, &e);
	/* A restart goes on with the next file; a module that only went away keeps why it is not closed but failed. */
	if (m->rest == MODULE_CLOSED) {
		m->rest = MODULE_FAILED;
		m->rest_reason = e;
	}
	handles_stop(m);
	finish_down(m);
	host_settle(m->owner);
}

static int start_deadline(struct module *m)
{
	uv_timer_t *timer = malloc(sizeof(*timer));

	if (!timer)
		return -ENOMEM;
	uv_timer_init(module_loop(m), timer);
	timer->data = m;
	uv_update_time(module_loop(m));
	uv_timer_start(timer, late, m->applied->stop_deadline_ms, 0);
	m->deadline = timer;
	return 0;
}

void module_down(struct module *m)
{
	struct call call;
	int r = 0;

	m->live = false;
	m->stop_done = false;
	module_enter(m, MODULE_STOPPING, NULL);
	call = call_enter(m, CALLBACK_STOP);
	if (m->image->desc.stop)
		r = m->image->desc.stop(m->self, m->why);
	call_leave(&call);
	if (r == PRISM_STOPPING && !m->stop_done && !start_deadline(m))
		return;
	if (r && r != PRISM_STOPPING) {
		struct error e = {};

		step_failed(m, callback_name(CALLBACK_STOP), r, &e);
		module_error_at(&e, m->applied, NULL);
		log_problem(LOG_LEVEL_WARNING, m->room, &e);
	}
	finish_down(m);
}

/* ---- while it runs ----------------------------------------------------------------------------------------------- */

static void fail_running(struct module *m)
{
	struct error e = {};
	char text[sizeof(e.text)];

	error_set(&e, m->report.code, NULL, "gave up while it was running: %s",
		  m->report.where[0] ? error_format(&m->report, text, sizeof(text)) : m->report.text);
	module_error_at(&e, m->applied, NULL);
	m->report.code = 0;
	m->goal = GOAL_DOWN;
	m->start = m->restart = false;
	m->why = PRISM_STOP_REMOVE;
	m->rest = e.code == EOPNOTSUPP ? MODULE_UNSUPPORTED : MODULE_FAILED;
	m->rest_reason = e;
	module_down(m);
}

void module_after(struct module *m)
{
	if (m->depth)
		return;
	if (m->state == MODULE_STOPPING && m->stop_done)
		finish_down(m);
	else if (m->state == MODULE_RUNNING && m->report.code)
		fail_running(m);
	else
		return;
	host_settle(m->owner);
}

static bool take_note(struct module *m, enum prism_change change, uint32_t number)
{
	uint64_t bit = 1ull << m->index;
	struct known *k = known_find(&m->owner->known, number);
	bool told = k && (k->told & bit);

	switch (change) {
	case PRISM_IDENTITY_ADDED:
		if (told)
			return false;
		k = known_get(&m->owner->known, number);
		if (k)
			k->told |= bit;
		return true;
	case PRISM_IDENTITY_CHANGED:
		return told;
	case PRISM_IDENTITY_REMOVED:
		if (told) {
			k->told &= ~bit;
			known_put(&m->owner->known, k);
		}
		return told;
	default:
		return true;
	}
}

void module_tell(struct module *m, enum prism_change change, const struct prism_workload *workload)
{
	struct call call;

	if (!m->live || !m->image->desc.identity || !take_note(m, change, workload->identity))
		return;
	/* A module that refused an identity of its replay hears of no more: it is on its way down. */
	if (m->state != MODULE_RUNNING && m->report.code)
		return;
	call = call_enter(m, CALLBACK_IDENTITY);
	m->image->desc.identity(m->self, change, workload);
	call_leave(&call);
}
