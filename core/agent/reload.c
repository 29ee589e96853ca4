/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the configuration again: everything is checked before anything changes. */
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/pipeline.h"
#include "agent/priority.h"
#include "base/log.h"
#include "base/util.h"
#include "source/rules.h"

struct reload {
	struct agent *agent;
	struct settings *settings; /* the new ones, until they are taken */
	agent_reload_fn done;
	void *arg;
};

static bool differs(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") != 0;
}

/* What only a new start can change; said, not ignored. */
static void warn_restart(const struct settings *old, const struct settings *now)
{
	const struct {
		const char *key;
		bool changed;
	} fixed[] = {
		{"bus.dir", differs(old->bus_dir, now->bus_dir)},
		{"bus.capacity", old->bus_capacity != now->bus_capacity},
		{"bus.compat", old->bus_compat != now->bus_compat},
		{"bus.stale_after", old->stale_after_ms != now->stale_after_ms},
		{"node.state_dir", differs(old->state_dir, now->state_dir)},
		{"sources.cgroup.root", differs(old->cgroup_root, now->cgroup_root)},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		if (fixed[i].changed)
			log_warning("config", "%s has changed: it takes effect when prismd is started again",
				    fixed[i].key);
}

static bool same_list(const struct prism_node *a, const struct prism_node *b)
{
	uint32_t i;

	if (!a || !b || a->n_child != b->n_child)
		return a == b;
	for (i = 0; i < a->n_child; i++)
		if (differs(a->child[i]->text, b->child[i]->text))
			return false;
	return true;
}

static void apply_identity(struct agent *a, const struct settings *old)
{
	struct label_filter *filter;

	identity_table_set_hold_back(a->identities, a->settings->hold_back_ms * NS_PER_MS);
	if (same_list(old->label_exclude, a->settings->label_exclude) &&
	    same_list(old->label_include, a->settings->label_include))
		return;
	if (label_filter_from(a->settings->label_exclude, a->settings->label_include, &filter) < 0) {
		log_error("config", "out of memory: the label filters stay as they were");
		return;
	}
	label_filter_free(a->label_filter);
	a->label_filter = filter;
	pipeline_refilter(a->pipeline);
}

static void apply(struct agent *a, const struct settings *old)
{
	struct problems p = {0};
	unsigned int i;

	log_setup(a->settings->log_level, a->settings->log_format);
	warn_restart(old, a->settings);
	priority_apply(a->settings);
	stream_resize(a->stream, a->settings->event_buffer);
	apply_identity(a, old);
	for (i = 0; i < a->n_sources; i++)
		if (a->source[i]->ops->configure(a->source[i], a->settings, &p) < 0)
			log_error("config", "source %s keeps its old configuration: %s", a->source[i]->ops->name,
				  p.n ? p.list[0].text : "out of memory");
	problems_done(&p);
	pipeline_flush(a->pipeline);
	agent_start_timers(a);
	if (a->on_reload)
		a->on_reload(a);
}

/* The end of it, either way. */
static void finish(struct reload *reload, const struct problems *p)
{
	reload->agent->reloading = false;
	if (reload->done)
		reload->done(reload->arg, p);
	settings_free(reload->settings);
	free(reload);
}

static void modules_rested(void *arg)
{
	struct reload *reload = arg;
	struct problems none = {0};

	if (!reload->agent->stopping)
		pipeline_facets_changed(reload->agent->pipeline, 0);
	finish(reload, &none);
}

static int refuse(struct agent *a, const struct problems *p, int code)
{
	metric_add(a->metrics, METRIC_CONFIG_RELOADS, "failed", 1);
	if (p->n)
		a->last_reload = p->list[0];
	else
		error_set(&a->last_reload, -code, "reload", "%s", strerror(-code));
	return code;
}

/* Every file that the new configuration names has been test-loaded: nothing below waits. */
static void files_prepared(void *arg)
{
	struct reload *reload = arg;
	struct agent *a = reload->agent;
	struct settings *old = a->settings;
	struct problems p = {0};
	int r;

	if (a->stopping)
		r = problems_add(&p, ESHUTDOWN, "reload", "prismd is stopping");
	else
		r = host_apply(a->host, reload->settings, &p, modules_rested, reload);
	if (r < 0) {
		refuse(a, &p, r);
		finish(reload, &p);
		problems_done(&p);
		return;
	}
	a->settings = TAKE_PTR(reload->settings);
	apply(a, old);
	settings_free(old);
	a->last_reload = (struct error){0};
	metric_add(a->metrics, METRIC_CONFIG_RELOADS, "ok", 1);
	log_info("config", "configuration read again");
}

int agent_reload(struct agent *a, struct problems *p, agent_reload_fn done, void *arg)
{
	struct settings *now = NULL;
	struct reload *reload = NULL;
	struct rules *rules;
	int r;

	if (a->stopping)
		return problems_add(p, ESHUTDOWN, "reload", "prismd is stopping");
	if (a->reloading)
		return problems_add(p, EBUSY, "reload", "another reload is still being carried out; try again");
	r = settings_load(&a->settings_source, &now, p);
	if (r == 0)
		r = rules_compile(now->rules, &rules, p);
	if (r == 0) {
		rules_free(rules);
		reload = calloc(1, sizeof(*reload));
		r = reload ? 0 : -ENOMEM;
	}
	if (r == 0) {
		*reload = (struct reload){.agent = a, .settings = now, .done = done, .arg = arg};
		r = host_prepare(a->host, now, files_prepared, reload);
	}
	if (r < 0) {
		free(reload);
		settings_free(now);
		return refuse(a, p, r);
	}
	a->reloading = true;
	return 0;
}
