/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl status: is this node all right, and if not, what is to be done. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/offline.h"

#define DEFAULT_WAIT_MS 60000
#define RETRY_MS 200

static int exit_of(const json_t *doc)
{
	if (json_flag(doc, "offline"))
		return CTL_DOWN;
	return strcmp(json_text(doc, "health"), "healthy") == 0 ? CTL_OK : CTL_DEGRADED;
}

/* ---- for people ------------------------------------------------------------------------------------------------- */

static void add_conditions(struct table *t, const json_t *doc)
{
	const char *title = "Conditions";
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(doc, "conditions"), i, c)
	{
		fields_add(t, title, TONE_WARN, "%s: %s", json_text(c, "subject"), json_text(c, "text"));
		title = "";
	}
}

static void add_bus(struct table *t, const json_t *bus)
{
	fields_add(t, "Bus", TONE_PLAIN, "%s: %" PRId64 " of %" PRId64 " entries, generation %" PRId64 ", %s%s",
		   json_text(bus, "dir"), json_number(bus, "entries"), json_number(bus, "capacity"),
		   json_number(bus, "generation"), json_flag(bus, "lean") ? "lean" : "v1-exact",
		   json_flag(bus, "adopted") ? ", adopted" : "");
	if (json_flag(bus, "full"))
		fields_add(t, "", TONE_BAD, "the bus is full: raise bus.capacity");
	if (json_number(bus, "staged"))
		fields_add(t, "", TONE_WARN, "%" PRId64 " changes wait to be written", json_number(bus, "staged"));
	if (*json_text(bus, "note"))
		fields_add(t, "", TONE_WARN, "%s", json_text(bus, "note"));
}

static void add_heartbeat(struct table *t, const json_t *bus)
{
	bool stale = json_flag(bus, "stale");
	char age[32];

	fields_add(t, "Heartbeat", stale ? TONE_WARN : TONE_GOOD, "%s ago: %s",
		   duration_text(json_decimal(bus, "heartbeat_age"), age, sizeof(age)),
		   stale ? "stale, consumers see it" : "not stale yet");
	if (json_number(bus, "writer_pid"))
		fields_add(t, "", TONE_WARN, "pid %" PRId64 " was the writer and did not stop cleanly",
			   json_number(bus, "writer_pid"));
	else
		fields_add(t, "", TONE_PLAIN, "the writer stopped cleanly");
}

static void add_cgroups(struct table *t, const json_t *cgroup)
{
	const char *why = json_text(cgroup, "why_not_bpf");

	if (!*json_text(cgroup, "mechanism"))
		fields_add(t, "Cgroups", TONE_PLAIN, "%s", json_text(cgroup, "root"));
	else
		fields_add(t, "Cgroups", TONE_PLAIN, "%" PRId64 " below %s, watched by %s%s%s",
			   json_number(cgroup, "count"), json_text(cgroup, "root"), json_text(cgroup, "mechanism"),
			   *why ? ": " : "", why);
}

static void add_sources(struct table *t, const json_t *doc)
{
	const json_t *source;
	size_t i;

	json_array_foreach(json_object_get(doc, "sources"), i, source)
	{
		if (*json_text(source, "text"))
			fields_add(t, "Source", TONE_PLAIN, "%s: %s", json_text(source, "name"),
				   json_text(source, "text"));
	}
}

static void add_propagation(struct table *t, const json_t *p)
{
	char p50[32], p99[32];

	if (!json_number(p, "count"))
		return;
	fields_add(t, "Propagation", TONE_PLAIN, "p50 %s, p99 %s (%" PRId64 " changes)",
		   duration_text(json_decimal(p, "p50"), p50, sizeof(p50)),
		   duration_text(json_decimal(p, "p99"), p99, sizeof(p99)), json_number(p, "count"));
}

/* A reason that stands among the conditions is not repeated; that of an unsupported module is said here alone. */
static bool is_condition(const json_t *doc, const char *module)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(doc, "conditions"), i, c)
	{
		if (strcmp(json_text(c, "subject"), module) == 0)
			return true;
	}
	return false;
}

static void add_modules(struct table *t, const json_t *doc)
{
	const char *title = "Modules";
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(doc, "modules"), i, m)
	{
		const char *state = module_state_word(m);
		const char *reason = is_condition(doc, json_text(m, "name")) ? "" : module_reason(m);
		size_t pins = json_array_size(json_object_get(m, "pins"));

		if (strcmp(state, "pinned") == 0)
			fields_add(t, title, TONE_PLAIN, "%s: %zu pinned, goes on without prismd", json_text(m, "name"),
				   pins);
		else
			fields_add(t, title, tone_of(state), "%s %s%s%s%s", json_text(m, "name"), state,
				   json_flag(m, "required") ? " (required)" : "", *reason ? ": " : "", reason);
		title = "";
	}
}

static void add_files(struct table *t, const json_t *doc)
{
	const json_t *reload = json_object_get(doc, "last_reload");
	const char *title = "Config";
	const json_t *file;
	size_t i;

	json_array_foreach(json_object_get(doc, "config_files"), i, file)
	{
		fields_add(t, title, TONE_PLAIN, "%s", json_string_value(file) ? json_string_value(file) : "");
		title = "";
	}
	if (*json_text(reload, "text"))
		fields_add(t, "Last reload", TONE_WARN, "refused: %s: %s", json_text(reload, "where"),
			   json_text(reload, "text"));
}

static void print_status(struct ctl *ctl, const json_t *doc)
{
	const json_t *identities = json_object_get(doc, "identities");
	const char *health = json_text(doc, "health");
	bool offline = json_flag(doc, "offline");
	struct table t;
	char up[32];

	fields_init(&t);
	fields_add(&t, "Health", tone_of(health), "%s%s", health,
		   !offline && !json_flag(doc, "ready") ? ", not ready" : "");
	if (!offline)
		fields_add(&t, "prismd", TONE_PLAIN, "%s, pid %" PRId64 ", up %s", json_text(doc, "version"),
			   json_number(doc, "pid"), duration_text(json_decimal(doc, "uptime"), up, sizeof(up)));
	add_conditions(&t, doc);
	add_bus(&t, json_object_get(doc, "bus"));
	if (offline)
		add_heartbeat(&t, json_object_get(doc, "bus"));
	if (offline)
		fields_add(&t, "Identities", TONE_PLAIN, "%" PRId64 " on the bus", json_number(identities, "live"));
	else
		fields_add(&t, "Identities", TONE_PLAIN, "%" PRId64 " live, %" PRId64 " held back",
			   json_number(identities, "live"), json_number(identities, "held"));
	add_cgroups(&t, json_object_get(doc, "cgroup"));
	add_sources(&t, doc);
	add_propagation(&t, json_object_get(doc, "propagation"));
	add_modules(&t, doc);
	add_files(&t, doc);
	fields_print(&t, &ctl->style);
	table_done(&t);
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

static int status_offline(struct ctl *ctl, struct error *e)
{
	_cleanup_offline_ struct offline *o = NULL;
	int r = offline_instead(ctl, e, &o);

	if (r < 0)
		return ctl_fail(e);
	r = ctl_print(ctl, offline_status(ctl, o), print_status);
	return r ? r : CTL_DOWN;
}

/* Asks until prismd is ready or the time is over; then as status alone. */
static int wait_ready(struct ctl *ctl, uint64_t wait_ms, json_t **ret, struct error *e)
{
	uint64_t end = monotonic_ns() + wait_ms * NS_PER_MS;
	bool said = false;

	for (;;) {
		json_t *doc = NULL;
		int r = client_get(ctl, "/v1/status", &doc, e);

		if ((r < 0 && r != -ENOTCONN && r != -ETIMEDOUT) || monotonic_ns() >= end ||
		    (r == 0 && json_flag(doc, "ready"))) {
			*ret = doc;
			return r;
		}
		if (!said)
			ctl_note(ctl, "waiting for prismd: %s", r < 0 ? e->text : "its first sync is not done");
		said = true;
		json_decref(doc);
		poll(NULL, 0, RETRY_MS);
	}
}

static int run_status(struct ctl *ctl, const struct invocation *inv)
{
	const char *wait = invocation_value(inv, "wait");
	uint64_t wait_ms = DEFAULT_WAIT_MS;
	struct error e = {0};
	json_t *doc = NULL;
	int r, code;

	if (wait && ctl_parse_duration(wait, &wait_ms) < 0)
		return ctl_usage("--wait=%s: not a time such as 500ms, 30s or 2m", wait);
	if (invocation_has(inv, "wait"))
		r = wait_ready(ctl, wait_ms, &doc, &e);
	else
		r = client_get(ctl, "/v1/status", &doc, &e);
	if (r == -ENOTCONN)
		return status_offline(ctl, &e);
	if (r < 0)
		return ctl_fail(&e);
	code = exit_of(doc);
	r = ctl_print(ctl, doc, print_status);
	return r ? r : code;
}

const struct command status_command = {
	.noun = "status",
	.summary = "Health of prismd, the bus and the modules",
	.detail = "Exit code: 0 healthy, 3 prismd is not running (what is pinned is shown), 4 starting or degraded.\n"
		  "--wait waits until prismd is ready, that is synced and written to the bus, and then reports.",
	.examples = "  prismctl status\n"
		    "  prismctl status --wait=30s && echo ready\n"
		    "  prismctl status -o json | jq .modules\n",
	.options = (const struct ctl_option[]){{"wait", 0, ARGUMENT_OPTIONAL, "TIMEOUT",
						"wait until ready, at most TIMEOUT (default 60s)", NULL},
					       {0}},
	.run = run_status,
};
