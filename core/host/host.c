/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "host/set.h"
#include "host/setting.h"

static void host_dispose(struct host *host)
{
	for (unsigned int i = 0; i < host->n_modules; i++)
		module_free(host->module[i]);
	while (host->images) {
		struct image *image = host->images;

		host->images = image->next;
		image_free(image);
	}
	known_free(&host->known);
	facets_free(host->facets);
	ledger_close(host->ledger);
	for (char **dir = host->dirs; dir && *dir; dir++)
		free(*dir);
	free(host->dirs);
	free(host->self_exe);
	free(host->state_dir);
	free(host->pin_root);
	free(host->cgroup_path);
	free(host);
}

static int own_strings(struct host *host)
{
	host->self_exe = strdup(host->env.self_exe);
	host->state_dir = strdup(host->env.state_dir);
	host->pin_root = strdup(host->env.pin_root);
	host->cgroup_path = host->env.cgroup_path ? strdup(host->env.cgroup_path) : NULL;
	if (!host->self_exe || !host->state_dir || !host->pin_root || (host->env.cgroup_path && !host->cgroup_path))
		return -ENOMEM;
	host->env.self_exe = host->self_exe;
	host->env.state_dir = host->state_dir;
	host->env.pin_root = host->pin_root;
	host->env.cgroup_path = host->cgroup_path;
	return 0;
}

int host_new(const struct host_env *env, struct host **ret, struct error *e)
{
	struct host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return error_set(e, ENOMEM, "host", "no memory");
	host->env = *env;
	r = own_strings(host);
	if (r)
		error_set(e, ENOMEM, "host", "no memory");
	if (!r)
		r = file_make_dirs(host->state_dir, 0700, e);
	if (!r)
		r = ledger_open(host->state_dir, &host->ledger, e);
	if (!r)
		r = facets_new(host->state_dir, &host->facets, e);
	if (r) {
		host_dispose(host);
		return r;
	}
	*ret = host;
	return 0;
}

static void kick_closed(uv_handle_t *handle)
{
	free(handle);
}

void host_free(struct host *host)
{
	if (!host)
		return;
	while (host->prepares) {
		struct prepare *p = host->prepares;

		host->prepares = p->next;
		prepare_free(p);
	}
	while (host->waiters) {
		struct waiter *w = host->waiters;

		host->waiters = w->next;
		free(w);
	}
	if (host->kick)
		uv_close((uv_handle_t *)host->kick, kick_closed);
	host_dispose(host);
}

struct module *host_find(const struct host *host, const char *name)
{
	for (unsigned int i = 0; i < host->n_modules; i++)
		if (!strcmp(host->module[i]->name, name))
			return host->module[i];
	return NULL;
}

struct module *host_get(struct host *host, const char *name, struct error *e)
{
	struct module *m = host_find(host, name);
	int slot;

	if (m)
		return m;
	slot = host->n_modules < HOST_MAX_MODULES ? ledger_slot(host->ledger, name) : -ENOSPC;
	if (slot < 0) {
		error_set(e, ENOSPC, NULL, "more than %d modules since prismd started: restart it", HOST_MAX_MODULES);
		return NULL;
	}
	m = module_new(host, name, host->n_modules, slot);
	if (m)
		host->module[host->n_modules++] = m;
	else
		error_set(e, ENOMEM, NULL, "no memory");
	return m;
}

/* ---- coming to rest ---------------------------------------------------------------------------------------------- */

static bool in_transit(const struct host *host)
{
	if (host->prepares)
		return true;
	for (unsigned int i = 0; i < host->n_modules; i++)
		if (host->module[i]->state == MODULE_STOPPING)
			return true;
	return false;
}

static void call_waiters(uv_timer_t *timer)
{
	struct host *host = timer->data;
	struct waiter *list;

	uv_close((uv_handle_t *)host->kick, kick_closed);
	host->kick = NULL;
	if (in_transit(host))
		return;
	/* A waiter may free the host, so it is not touched again; what it adds waits for the next time. */
	list = host->waiters;
	host->waiters = NULL;
	while (list) {
		struct waiter w = *list;

		free(list);
		list = w.next;
		w.fn(w.arg);
	}
}

static void kick(struct host *host)
{
	if (host->kick || !host->waiters || in_transit(host))
		return;
	host->kick = malloc(sizeof(*host->kick));
	if (!host->kick) {
		log_error("host", "no memory to report that modules came to rest");
		return;
	}
	uv_timer_init(host->env.loop, host->kick);
	host->kick->data = host;
	uv_timer_start(host->kick, call_waiters, 0, 0);
}

int host_wait(struct host *host, void (*fn)(void *arg), void *arg)
{
	struct waiter **end = &host->waiters;
	struct waiter *w;

	if (!fn)
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->fn = fn;
	w->arg = arg;
	while (*end)
		end = &(*end)->next;
	*end = w;
	return 0;
}

static void begin_stops(struct host *host)
{
	for (unsigned int i = host->n_modules; i-- > 0;) {
		struct module *m = host->module[i];

		if (m->state != MODULE_RUNNING || (m->goal == GOAL_UP && !m->restart))
			continue;
		if (m->goal == GOAL_UP)
			m->why = PRISM_STOP_REPLACE;
		module_down(m);
	}
}

static void forget_fallback(struct module *m)
{
	m->fallback = NULL;
	setting_free(m->fallback_setting);
	m->fallback_setting = NULL;
}

/* The new file did not come up: the one that ran before does, and the reason stays to be seen. */
static void fall_back(struct module *m)
{
	struct error why = m->reason;

	m->image = m->fallback;
	if (module_up(m, m->fallback_setting, false)) {
		log_error(m->room, "the new file did not start, and the one before does not start again either");
		return;
	}
	m->reason = why;
	log_error(m->room, "the new file did not start, the one before goes on: %s", why.text);
}

static void start_one(struct host *host, struct module *m)
{
	struct error e = {};

	m->start = m->restart = false;
	m->image = m->next;
	/* The crash may have been counted since this was asked for; enable has set the count to 0 before. */
	if (host_quarantined(host, m->slot, m->setting, &e)) {
		module_enter(m, MODULE_QUARANTINED, &e);
		return;
	}
	if (module_up(m, m->setting, m->fallback != NULL) && m->fallback)
		fall_back(m);
	forget_fallback(m);
}

static bool to_start(const struct module *m)
{
	return m->goal == GOAL_UP && (m->start || m->restart) && m->next && m->next->loaded &&
	       m->state != MODULE_RUNNING && m->state != MODULE_STOPPING;
}

static bool any_stopping(const struct host *host)
{
	for (unsigned int i = 0; i < host->n_modules; i++)
		if (host->module[i]->state == MODULE_STOPPING)
			return true;
	return false;
}

/* Stops come first: what goes may hold the facet or the pins that what comes needs. */
void host_settle(struct host *host)
{
	if (host->settling)
		return;
	host->settling = true;
	begin_stops(host);
	if (!any_stopping(host))
		for (unsigned int i = 0; i < host->n_order; i++)
			if (to_start(host->order[i]))
				start_one(host, host->order[i]);
	host->settling = false;
	kick(host);
}

/* ---- identities and facets --------------------------------------------------------------------------------------- */

void host_identity(struct host *host, enum prism_change change, const struct prism_workload *workload)
{
	struct known *k;

	if (!workload)
		return;
	for (unsigned int i = 0; i < host->n_modules; i++) {
		module_tell(host->module[i], change, workload);
		module_after(host->module[i]);
	}
	if (change != PRISM_IDENTITY_RELEASED)
		return;
	/* The number may get another owner: nothing that was said of this one holds for that. */
	k = known_find(&host->known, workload->identity);
	if (k) {
		k->told = k->on = k->off = 0;
		known_put(&host->known, k);
	}
}

uint32_t host_facets(const struct host *host, uint32_t number)
{
	const struct known *k = known_find(&host->known, number);
	uint32_t flags = 0;

	for (unsigned int i = 0; i < host->n_modules; i++) {
		const struct module *m = host->module[i];
		uint64_t bit = 1ull << i;

		if (m->facet_bit >= 0 && ((k && (k->on & bit)) || (m->facet_all && !(k && (k->off & bit)))))
			flags |= PRISM_FACET_BIT(m->facet_bit);
	}
	return flags;
}

const char *host_facet_names(const struct host *host, uint32_t flags, char *buf, size_t size)
{
	return facets_format(host->facets, flags, buf, size);
}

void host_facet_list(const struct host *host, void (*fn)(void *arg, const struct facet_view *view), void *arg)
{
	for (int bit = 0; bit < 31; bit++) {
		struct facet_view view = {
			.name = facets_name(host->facets, bit),
			.bit = bit,
			.owner = facets_owner(host->facets, bit),
			.builtin = facets_builtin(bit),
		};
		if (view.name)
			fn(arg, &view);
	}
}

/* ---- what is known of the modules -------------------------------------------------------------------------------- */

static void view_of(const struct host *host, const struct module *m, struct module_view *view, char *where, size_t size)
{
	struct ledger_record record;

	ledger_get(host->ledger, m->slot, &record);
	if (m->setting->node)
		node_where(m->setting->node, false, where, size);
	*view = (struct module_view){
		.name = m->name,
		.version = m->image ? m->image->file.note.version : "",
		.summary = m->image && m->image->desc.summary ? m->image->desc.summary : "",
		.descriptor = m->image && m->image->loaded ? &m->image->desc : NULL,
		.file = m->image           ? m->image->file.path
			: m->setting->file ? m->setting->file
					   : "",
		.where = where,
		.state = m->state,
		.reason = &m->reason,
		.condition = m->state == MODULE_RUNNING ? m->condition : "",
		.facet = m->image && m->image->desc.facet ? m->image->desc.facet : "",
		.facet_bit = m->facet_bit,
		.required = m->setting->required,
		.facet_all = m->facet_all,
		.crashes = record.crashes,
		.loads = m->loads,
		.since_ns = m->since_ns,
		.abi_major = m->image ? m->image->file.note.abi_major : 0,
		.abi_minor = m->image ? m->image->file.note.abi_minor : 0,
		.load_ns = m->load_ns,
	};
}

void host_modules(const struct host *host, void (*fn)(void *arg, const struct module_view *view), void *arg)
{
	for (unsigned int i = 0; i < host->n_order; i++) {
		char where[256] = "";
		struct module_view view;

		view_of(host, host->order[i], &view, where, sizeof(where));
		fn(arg, &view);
	}
}

int host_health(const struct host *host)
{
	int worst = 0;

	for (unsigned int i = 0; i < host->n_order; i++) {
		const struct module *m = host->order[i];
		bool wanted = m->setting->enabled || m->setting->required;

		bool idle = m->state != MODULE_RUNNING || m->condition[0];

		if (m->setting->required && wanted && idle)
			return 2;
		if (m->state == MODULE_FAILED || m->state == MODULE_QUARANTINED ||
		    (m->state == MODULE_RUNNING && m->condition[0]))
			worst = 1;
	}
	return worst;
}

struct naming {
	struct host *host;
	char namespace_name[256], workload[512];
};

static void take_names(void *arg, const struct prism_workload *w)
{
	struct naming *n = arg;

	snprintf(n->namespace_name, sizeof(n->namespace_name), "%s", w->namespace_name ? w->namespace_name : "");
	snprintf(n->workload, sizeof(n->workload), "%s", w->name ? w->name : "");
}

static bool name_of(void *arg, uint32_t identity, const char **ret_namespace, const char **ret_workload)
{
	struct naming *n = arg;
	struct host *host = n->host;

	if (!host->env.identity || host->env.identity(host->env.arg, identity, take_names, n))
		return false;
	*ret_namespace = n->namespace_name;
	*ret_workload = n->workload;
	return true;
}

static void collect_one(struct module *m, const struct sink_names *names, struct text *out)
{
	struct prism_sink *sink = sink_new(&m->image->desc, names);
	struct lent before;
	struct call call;

	if (!sink) {
		log_error(m->room, "no memory to collect its metrics");
		return;
	}
	before = services_lend((struct lent){.sink = sink});
	call = call_enter(m, CALLBACK_COLLECT);
	m->image->desc.collect(m->self, sink);
	call_leave(&call);
	services_lend(before);
	sink_write(sink, out);
	if (m->owner->env.metrics && sink_dropped(sink))
		metric_add(m->owner->env.metrics, METRIC_SAMPLES_DROPPED, m->name, (double)sink_dropped(sink));
	sink_free(sink);
	module_after(m);
}

void host_collect(struct host *host, struct text *out)
{
	struct naming naming = {.host = host};
	struct sink_names names = {.name_of = name_of, .arg = &naming};

	for (unsigned int i = 0; i < host->n_order; i++) {
		struct module *m = host->order[i];

		if (m->state == MODULE_RUNNING && m->image->desc.collect && m->image->desc.n_metrics)
			collect_one(m, &names, out);
	}
}

static void explain_one(struct module *m, const struct prism_workload *workload, struct prism_text *out)
{
	struct lent before = services_lend((struct lent){.text = out});
	struct call call = call_enter(m, CALLBACK_EXPLAIN);

	m->image->desc.explain(m->self, workload, out);
	call_leave(&call);
	services_lend(before);
	module_after(m);
}

void host_explain(struct host *host, const struct prism_workload *workload,
		  void (*fn)(void *arg, const char *module, const char *line), void *arg)
{
	for (unsigned int i = 0; i < host->n_order; i++) {
		struct module *m = host->order[i];
		struct prism_text out = {.fn = fn, .arg = arg, .module = m->name};
		char line[1400];

		if (m->state == MODULE_RUNNING && m->image->desc.explain) {
			explain_one(m, workload, &out);
			continue;
		}
		if (m->state == MODULE_RUNNING)
			continue;
		snprintf(line, sizeof(line), "does nothing: it is %s%s%s", module_state_name(m->state),
			 m->reason.code ? ": " : "", m->reason.code ? m->reason.text : "");
		fn(arg, m->name, line);
	}
}

void host_keep_pins(struct host *host)
{
	for (unsigned int i = 0; i < host->n_order; i++) {
		struct module *m = host->order[i];

		if (m->state != MODULE_RUNNING || m->goal != GOAL_UP || m->restart || !m->pinned ||
		    pins_any(host->env.pin_root, m->name))
			continue;
		log_error(m->room,
			  "its pins in %s were removed by another process, and its programs went with them: "
			  "it is started again",
			  m->pin_dir);
		apply_replace(m, m->image);
	}
	host_settle(host);
}

void host_stop(struct host *host, enum prism_stop why, void (*done)(void *arg), void *arg)
{
	host->stopping = true;
	while (host->prepares) {
		struct prepare *p = host->prepares;

		host->prepares = p->next;
		prepare_free(p);
	}
	for (unsigned int i = 0; i < host->n_modules; i++) {
		struct module *m = host->module[i];

		m->start = m->restart = false;
		m->goal = GOAL_DOWN;
		/* One on its way down for good goes that way; one that was to come back does not. */
		if (m->state == MODULE_RUNNING || (m->state == MODULE_STOPPING && m->why == PRISM_STOP_REPLACE)) {
			m->why = why;
			m->rest = MODULE_CLOSED;
		}
	}
	if (host_wait(host, done, arg))
		log_error("host", "no memory to wait for modules to stop");
	host_settle(host);
}
