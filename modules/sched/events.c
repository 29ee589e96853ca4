// SPDX-License-Identifier: Apache-2.0
#include "events.h"

enum { ATTACHED, EXITED, FOREIGN };

const struct prism_event_type event_types[EVENT_TYPES] = {
	[ATTACHED] = {.name = "attached", .help = "The scheduler runs: how it came to, and what gap there was."},
	[EXITED] = {.name = "exited", .help = "The kernel let go of the scheduler: why, and what comes next."},
	[FOREIGN] = {.name = "foreign", .help = "Another scheduler is loaded; it is left alone."},
};

static void emit(struct prism_host *host, uint32_t type, uint64_t ktime_ns, const struct prism_field *fields,
		 uint32_t n)
{
	const struct prism_event event = {
		.size = sizeof(event),
		.type = type,
		.ktime_ns = ktime_ns,
		.fields = fields,
		.n_fields = n,
		.field_size = sizeof(fields[0]),
	};

	prism_event_emit(host, &event);
}

void event_attached(struct prism_host *host, const char *how, uint64_t gap_ns, uint64_t enable_seq)
{
	const struct prism_field fields[] = {
		{.key = "how", .kind = PRISM_FIELD_TEXT, .v.text = how},
		{.key = "gap_ns", .kind = PRISM_FIELD_UNSIGNED, .v.u = gap_ns},
		{.key = "enable_seq", .kind = PRISM_FIELD_UNSIGNED, .v.u = enable_seq},
	};

	emit(host, ATTACHED, 0, fields, sizeof(fields) / sizeof(fields[0]));
}

void event_exited(struct prism_host *host, const struct sched_exit *exit, const char *cause, const char *next)
{
	const struct prism_field fields[] = {
		{.key = "cause", .kind = PRISM_FIELD_TEXT, .v.text = cause},
		{.key = "kind", .kind = PRISM_FIELD_UNSIGNED, .v.u = exit->kind},
		{.key = "code", .kind = PRISM_FIELD_SIGNED, .v.i = exit->code},
		{.key = "reason", .kind = PRISM_FIELD_TEXT, .v.text = exit->reason},
		{.key = "message", .kind = PRISM_FIELD_TEXT, .v.text = exit->message},
		{.key = "next", .kind = PRISM_FIELD_TEXT, .v.text = next},
	};

	emit(host, EXITED, exit->ktime_ns, fields, sizeof(fields) / sizeof(fields[0]));
}

void event_foreign(struct prism_host *host, const char *name)
{
	const struct prism_field fields[] = {{.key = "name", .kind = PRISM_FIELD_TEXT, .v.text = name}};

	emit(host, FOREIGN, 0, fields, 1);
}
