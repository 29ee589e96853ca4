/* SPDX-License-Identifier: Apache-2.0 */
/* A module's state, and everybody who is told when it changes: log, event stream, metrics, the rest of prismd. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "host/set.h"

static const char *const states[] = {
	[MODULE_LISTED] = "listed",           [MODULE_PROBED] = "probed",     [MODULE_OPEN] = "open",
	[MODULE_CONFIGURED] = "configured",   [MODULE_RUNNING] = "running",   [MODULE_STOPPING] = "stopping",
	[MODULE_CLOSED] = "closed",           [MODULE_FAILED] = "failed",     [MODULE_UNSUPPORTED] = "unsupported",
	[MODULE_QUARANTINED] = "quarantined", [MODULE_DISABLED] = "disabled",
};

const char *module_state_name(enum module_state state)
{
	return (size_t)state < ARRAY_SIZE(states) ? states[state] : "?";
}

const char *module_reason_text(const struct error *reason, const char *name)
{
	char prefix[PRISM_NAME_MAX + 16];
	size_t len = (size_t)snprintf(prefix, sizeof(prefix), "module %s: ", name);

	return strncmp(reason->text, prefix, len) == 0 ? reason->text + len : reason->text;
}

/* reason, condition: NULL leaves the field out. */
static void put_event(struct module *m, const char *reason, const char *condition)
{
	const struct stream_tag tag = {.source = "prism", .type = "module"};
	struct prism_field fields[4] = {
		{.key = "module", .kind = PRISM_FIELD_TEXT, .v.text = m->name},
		{.key = "state", .kind = PRISM_FIELD_TEXT, .v.text = module_state_name(m->state)},
	};
	struct prism_event event = {
		.size = sizeof(event),
		.fields = fields,
		.n_fields = 2,
		.field_size = sizeof(fields[0]),
	};

	if (reason)
		fields[event.n_fields++] =
			(struct prism_field){.key = "reason", .kind = PRISM_FIELD_TEXT, .v.text = reason};
	if (condition)
		fields[event.n_fields++] =
			(struct prism_field){.key = "condition", .kind = PRISM_FIELD_TEXT, .v.text = condition};

	if (m->owner->env.stream)
		stream_put(m->owner->env.stream, &tag, &event);
}

static void count_state(struct module *m, enum module_state state, double value)
{
	char label[64];

	if (!m->owner->env.metrics)
		return;
	snprintf(label, sizeof(label), "%s\t%s", m->name, module_state_name(state));
	metric_set(m->owner->env.metrics, METRIC_MODULE_STATE, label, value);
}

static enum log_level level_of(const struct module *m)
{
	if (m->state == MODULE_FAILED || m->state == MODULE_QUARANTINED)
		return LOG_LEVEL_ERROR;
	if (m->state == MODULE_UNSUPPORTED)
		return LOG_LEVEL_WARNING;
	return m->state == MODULE_RUNNING || m->state == MODULE_DISABLED ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

/* The line begins with the module's name: not a second time in the reason. */
static void log_state(const struct module *m)
{
	const struct error *e = &m->reason;

	if (e->code)
		log_line(level_of(m), m->room, "%s: %s%s%s", module_state_name(m->state), e->where,
			 e->where[0] ? ": " : "", module_reason_text(e, m->name));
	else
		log_line(level_of(m), m->room, "%s", module_state_name(m->state));
}

static void log_condition(const struct module *m)
{
	if (m->condition[0])
		log_warning(m->room, "degraded: %s", m->condition);
	else
		log_info(m->room, "no longer degraded");
}

void module_set_condition(struct module *m, const char *text)
{
	struct host *host = m->owner;

	if (!strcmp(m->condition, text))
		return;
	snprintf(m->condition, sizeof(m->condition), "%s", text);
	/* One that is not up yet says it when it is. */
	if (m->state != MODULE_RUNNING)
		return;
	log_condition(m);
	put_event(m, NULL, m->condition);
	if (host->env.state_changed)
		host->env.state_changed(host->env.arg);
}

void module_enter(struct module *m, enum module_state state, const struct error *reason)
{
	struct host *host = m->owner;
	bool degraded = state == MODULE_RUNNING && m->condition[0];
	char text[1400] = "";

	count_state(m, m->state, 0);
	m->state = state;
	m->since_ns = monotonic_ns();
	if (reason)
		m->reason = *reason;
	else
		memset(&m->reason, 0, sizeof(m->reason));
	count_state(m, state, m->listed ? 1 : 0);
	if (m->reason.code)
		error_format(&m->reason, text, sizeof(text));
	log_state(m);
	if (degraded)
		log_condition(m);
	put_event(m, text[0] ? text : NULL, degraded ? m->condition : NULL);
	if (host->env.state_changed)
		host->env.state_changed(host->env.arg);
}
