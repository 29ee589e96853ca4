/* SPDX-License-Identifier: Apache-2.0 */
/* What is well and what is not, in words an operator can act on. */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/priority.h"

struct sink {
	void (*fn)(void *arg, const char *subject, const char *text);
	void *arg;
	unsigned int n;
};

static void say(struct sink *s, const char *subject, const char *text)
{
	s->n++;
	if (s->fn)
		s->fn(s->arg, subject, text);
}

static void bus_conditions(const struct agent *a, struct sink *s)
{
	struct bus_stats stats;
	char text[1600];

	bus_stats(a->bus, &stats);
	if (stats.full) {
		snprintf(text, sizeof(text),
			 "the map is full: %u entries, %zu more wait; raise bus.capacity, stop prismd, run `prismctl "
			 "cleanup` and "
			 "start it again",
			 stats.entries, stats.staged);
		say(s, "bus", text);
	} else if (stats.staged) {
		snprintf(text, sizeof(text), "%zu changes could not be written and are tried again", stats.staged);
		say(s, "bus", text);
	}
	if (a->pin_error.code) {
		snprintf(text, sizeof(text), "%s: %s", a->pin_error.where, a->pin_error.text);
		say(s, "bus", text);
	}
	if (bus_note(a->bus))
		say(s, "bus", bus_note(a->bus));
	if (a->last_check.foreign) {
		snprintf(text, sizeof(text),
			 "%u entries that prismd did not write; `prismctl doctor` lists them: find the process that "
			 "writes this bus",
			 a->last_check.foreign);
		say(s, "bus", text);
	}
}

static void module_condition(void *arg, const struct module_view *m)
{
	char text[1600];

	if (m->condition[0]) {
		snprintf(text, sizeof(text), "%sdegraded: %s", m->required ? "required, " : "", m->condition);
		say(arg, m->name, text);
		return;
	}
	if (m->state != MODULE_FAILED && m->state != MODULE_QUARANTINED && !(m->required && m->state != MODULE_RUNNING))
		return;
	snprintf(text, sizeof(text), "%s%s: %s%s%s", m->required ? "required, " : "", module_state_name(m->state),
		 m->reason->where, m->reason->where[0] ? ": " : "", module_reason_text(m->reason, m->name));
	say(arg, m->name, text);
}

static void say_of_source(void *arg, const char *subject, const char *text)
{
	say(arg, subject, text);
}

void agent_conditions(const struct agent *a, void (*fn)(void *arg, const char *subject, const char *text), void *arg)
{
	struct sink s = {.fn = fn, .arg = arg};
	const char *why_not_bpf = NULL;
	char text[1600];
	unsigned int i;

	if (a->bus)
		bus_conditions(a, &s);
	if (a->watch && strcmp(watch_mechanism(a->watch, &why_not_bpf), "bpf") != 0) {
		snprintf(text, sizeof(text), "cgroup events come from inotify and are slower: %s", why_not_bpf);
		say(&s, "cgroup", text);
	}
	for (i = 0; i < a->n_sources; i++)
		if (a->source[i]->ops->conditions)
			a->source[i]->ops->conditions(a->source[i], say_of_source, &s);
	if (priority_problem())
		say(&s, "scheduling", priority_problem());
	if (a->state_error.code) {
		snprintf(text, sizeof(text), "the identity table is not on disk: %s: %s", a->state_error.where,
			 a->state_error.text);
		say(&s, "identity", text);
	}
	if (a->last_reload.code) {
		snprintf(text, sizeof(text), "the last reload was refused: %s: %s", a->last_reload.where,
			 a->last_reload.text);
		say(&s, "config", text);
	}
	if (a->host)
		host_modules(a->host, module_condition, &s);
}

static void count(void *arg, const char *subject, const char *text)
{
	(void)subject;
	(void)text;
	++*(unsigned int *)arg;
}

enum agent_health agent_health(const struct agent *a)
{
	unsigned int n = 0;

	if (!a->synced || !a->modules_rested)
		return AGENT_STARTING;
	agent_conditions(a, count, &n);
	return n ? AGENT_DEGRADED : AGENT_HEALTHY;
}

bool agent_ready(const struct agent *a)
{
	unsigned int i;

	if (!a->synced || !a->modules_rested || a->stopping || host_health(a->host) == 2)
		return false;
	for (i = 0; i < a->n_sources; i++)
		if (a->source[i]->ops->synced && !a->source[i]->ops->synced(a->source[i]))
			return false;
	return true;
}
