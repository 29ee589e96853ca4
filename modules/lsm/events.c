// SPDX-License-Identifier: Apache-2.0
#include "events.h"

#include <prism/capability.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#define FIELDS_MAX 20

enum { VERDICT, LOST };

const struct prism_event_type event_types[EVENT_TYPES] = {
	[VERDICT] = {.name = "verdict", .help = "A rule was to audit or to block what a task did."},
	[LOST] = {.name = "lost", .help = "Verdicts are missing here: how many, and why."},
};

const char *const error_names[LSM_ERRORS] = {
	[LSM_ERROR_NONE] = "none",
	[LSM_ERROR_PATH] = "no_path",
	[LSM_ERROR_RULES] = "no_rules",
	[LSM_ERROR_MARK] = "no_mark",
};

/* An event under construction. */
struct draft {
	struct prism_field fields[FIELDS_MAX];
	uint32_t n;
	char comm[LSM_COMM + 1];
	char subject[LSM_PATH_MAX + 1];
	char number[24];
};

static void add_text(struct draft *draft, const char *key, const char *text)
{
	draft->fields[draft->n++] = (struct prism_field){.key = key, .kind = PRISM_FIELD_TEXT, .v.text = text};
}

static void add_unsigned(struct draft *draft, const char *key, uint64_t value)
{
	draft->fields[draft->n++] = (struct prism_field){.key = key, .kind = PRISM_FIELD_UNSIGNED, .v.u = value};
}

static void add_bool(struct draft *draft, const char *key, bool value)
{
	draft->fields[draft->n++] = (struct prism_field){.key = key, .kind = PRISM_FIELD_BOOL, .v.u = value};
}

/* Of size bytes that may lack their NUL; to has room for one more. */
static const char *bounded(char *to, const char *from, size_t size)
{
	memcpy(to, from, size);
	to[size] = '\0';
	return to;
}

static const char *address_text(struct draft *draft, const struct lsm_event *record)
{
	char host[INET6_ADDRSTRLEN];

	if (record->address.family == AF_INET)
		snprintf(draft->subject, sizeof(draft->subject), "%s:%u",
			 inet_ntop(AF_INET, record->address.bytes, host, sizeof(host)), record->address.port);
	else if (record->address.family == AF_INET6)
		snprintf(draft->subject, sizeof(draft->subject), "[%s]:%u",
			 inet_ntop(AF_INET6, record->address.bytes, host, sizeof(host)), record->address.port);
	else
		address_family_name(record->address.family, draft->subject, sizeof(draft->subject));
	return draft->subject;
}

static size_t path_size(const struct lsm_event *record)
{
	return record->size < sizeof(record->path) ? record->size : sizeof(record->path);
}

static void add_subject(struct draft *draft, const struct lsm_event *record)
{

	switch (record->hook) {
	case LSM_EXEC:
	case LSM_OPEN:
		add_text(draft, "subject", bounded(draft->subject, record->path, path_size(record)));
		if (record->hook == LSM_OPEN)
			add_text(draft, "access", record->bits & LSM_OPEN_WRITE ? "write" : "read");
		if (record->bits & LSM_SUBJECT_CUT)
			add_bool(draft, "truncated", true);
		break;
	case LSM_CONNECT:
	case LSM_BIND:
		add_text(draft, "subject", address_text(draft, record));
		break;
	default:
		add_text(draft, "subject",
			 prism_capability_name(record->capability, draft->subject, sizeof(draft->subject)));
	}
}

static void add_reason(struct draft *draft, const struct lsm_event *record, const struct catalog_rule *rule)
{
	if (record->error) {
		add_text(draft, "error", record->error < LSM_ERRORS ? error_names[record->error] : "unknown");
		return;
	}
	if (rule) {
		add_text(draft, "rule_set", rule->set);
		add_text(draft, "rule", rule->id);
		return;
	}
	snprintf(draft->number, sizeof(draft->number), "%016" PRIx64, (uint64_t)record->rule);
	add_text(draft, "rule", draft->number);
}

static void emit(struct prism_host *host, struct draft *draft, struct prism_event *event)
{
	event->size = sizeof(*event);
	event->fields = draft->fields;
	event->n_fields = draft->n;
	event->field_size = sizeof(draft->fields[0]);
	prism_event_emit(host, event);
}

void event_verdict(struct prism_host *host, const struct lsm_event *record, const struct catalog_rule *rule)
{
	struct prism_event event = {
		.type = VERDICT,
		.identity = record->identity,
		.flags = record->flags,
		.ktime_ns = record->ktime_ns,
	};
	struct draft draft = {0};

	add_text(&draft, "hook", record->hook < LSM_HOOKS ? hook_names[record->hook] : "unknown");
	add_text(&draft, "action", record->action < LSM_ACTIONS ? action_names[record->action] : "unknown");
	add_bool(&draft, "enforced", record->bits & LSM_ENFORCED);
	add_subject(&draft, record);
	add_reason(&draft, record, rule);
	add_unsigned(&draft, "pid", record->pid);
	add_unsigned(&draft, "uid", record->uid);
	add_text(&draft, "comm", bounded(draft.comm, record->comm, sizeof(record->comm)));
	emit(host, &draft, &event);
}

void event_lost(struct prism_host *host, const char *reason, uint64_t count, uint64_t total)
{
	struct prism_event event = {.type = LOST};
	struct draft draft = {0};

	add_text(&draft, "reason", reason);
	add_unsigned(&draft, "count", count);
	add_unsigned(&draft, "total", total);
	emit(host, &draft, &event);
}
