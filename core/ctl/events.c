/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl events, and identity watch, which is the same for one type of event after a list. */
#include "ctl/events.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/follow.h"

#define FOLLOW_LINES 10 /* shown before following, as tail does */

/* ---- one event as a line ---------------------------------------------------------------------------------------- */

static void append_value(struct text *out, const json_t *v)
{
	_cleanup_free_ char *dump = NULL;
	const char *s = json_string_value(v);

	if (s && *s && !strpbrk(s, " \"=")) {
		text_append(out, s);
		return;
	}
	dump = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	text_append(out, dump ? dump : "?");
}

/* What every event has, and what therefore has a column. */
static bool has_column(const char *key)
{
	static const char *const keys[] = {"schema_version", "seq",       "time",   "type",  "identity",
					   "workload",       "namespace", "facets", "class", "weight"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

void event_summary(const json_t *event, struct text *out)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)event, key, value)
	{
		if (has_column(key))
			continue;
		text_appendf(out, "%s%s=", out->len ? " " : "", key);
		append_value(out, value);
	}
}

/* s, escaped, padded to `columns`. */
static void append_padded(struct text *out, const char *s, size_t columns)
{
	size_t start = out->len, have;

	escape_terminal(out, s, strlen(s));
	have = out->failed ? columns : text_columns(out->data + start, out->len - start);
	text_appendf(out, "%*s", have < columns ? (int)(columns - have) : 0, "");
	text_append(out, "  ");
}

void event_line(const json_t *event, bool wide, struct text *out)
{
	_cleanup_text_ struct text summary = {0};
	char time[64], number[24];

	text_append(out, "");
	if (wide)
		append_padded(out, json_text(event, "time"), 30);
	else
		append_padded(out, event_time(json_text(event, "time"), time, sizeof(time)), 12);
	append_padded(out, json_text(event, "type"), 14);
	snprintf(number, sizeof(number), "%8" PRId64, json_number(event, "identity"));
	append_padded(out, json_number(event, "identity") ? number : "       -", 8);
	append_padded(out, *json_text(event, "workload") ? json_text(event, "workload") : "-", 24);
	event_summary(event, &summary);
	if (summary.data)
		escape_terminal(out, summary.data, summary.len);
}

static int print_event(struct ctl *ctl, const json_t *event, const char *raw, size_t len)
{
	_cleanup_text_ struct text line = {0};
	FILE *out = ctl->style.out;

	if (ctl->style.format == OUTPUT_YAML) {
		fputs("---\n", out);
		output_yaml(event, out);
	} else if (ctl->style.format == OUTPUT_JSON) {
		escape_json(&line, raw, len);
		fprintf(out, "%s\n", line.data ? line.data : "");
	} else {
		event_line(event, ctl->style.format == OUTPUT_WIDE, &line);
		fprintf(out, "%s\n", line.data ? line.data : "");
	}
	return fflush(out) == EOF ? -errno : 0;
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

/* The last n events, as lines, in a ring. */
struct tail {
	struct ctl *ctl;
	char **line;
	size_t n, next, count;
};

static int keep(void *arg, const json_t *event, const char *raw, size_t len)
{
	struct tail *t = arg;

	(void)event;
	if (!t->n)
		return 0;
	free(t->line[t->next]);
	t->line[t->next] = strndup(raw, len);
	if (!t->line[t->next])
		return -ENOMEM;
	t->next = (t->next + 1) % t->n;
	t->count++;
	return 0;
}

static int print_now(void *arg, const json_t *event, const char *raw, size_t len)
{
	return print_event(arg, event, raw, len);
}

static int print_kept(const struct tail *t)
{
	size_t have = t->count < t->n ? t->count : t->n;
	int r = 0;

	for (size_t i = 0; i < have && r == 0; i++) {
		const char *raw = t->line[(t->next + t->n - have + i) % t->n];
		_cleanup_json_ json_t *event = json_loads(raw, 0, NULL);

		r = print_event(t->ctl, event, raw, strlen(raw));
	}
	return r;
}

static int print_tail(struct ctl *ctl, const struct event_filter *filter, size_t n, uint64_t *ret_last, struct error *e)
{
	struct tail t = {.ctl = ctl, .n = n, .line = calloc(n + 1, sizeof(*t.line))};
	int r;

	if (!t.line)
		return error_set(e, ENOMEM, NULL, "out of memory");
	r = events_read(ctl, filter, 1, keep, &t, ret_last, e);
	if (r == 0)
		r = print_kept(&t);
	for (size_t i = 0; i < n; i++)
		free(t.line[i]);
	free(t.line);
	return r;
}

static int show(struct ctl *ctl, const struct event_filter *filter, uint64_t since, const uint64_t *lines, bool follow,
		struct error *e)
{
	uint64_t last = since ? since - 1 : 0;
	int r;

	if (lines)
		r = print_tail(ctl, filter, *lines, &last, e);
	else
		r = events_read(ctl, filter, since ? since : 1, print_now, ctl, &last, e);
	if (r == 0 && follow)
		r = events_follow(ctl, filter, last + 1, print_now, ctl, e);
	return r;
}

static int parse_numbers(const struct invocation *inv, uint64_t *since, uint64_t *lines, bool *tail)
{
	const char *s = invocation_value(inv, "since"), *n = invocation_value(inv, "lines");

	if (s && ctl_parse_number(s, INT64_MAX, since) < 0)
		return ctl_usage("--since=%s: not a sequence number", s);
	if (n && ctl_parse_number(n, 1000000, lines) < 0)
		return ctl_usage("-n %s: not a number up to 1000000", n);
	*tail = n || (invocation_has(inv, "follow") && !s);
	return 0;
}

static int run_events(struct ctl *ctl, const struct invocation *inv)
{
	const char *identity = invocation_value(inv, "identity");
	struct event_filter filter = {.type = invocation_value(inv, "type"), .by_identity = identity != NULL};
	uint64_t since = 0, lines = FOLLOW_LINES;
	struct error e = {0};
	bool tail = false;
	int r;

	r = parse_numbers(inv, &since, &lines, &tail);
	if (r)
		return r;
	if (identity)
		r = identity_resolve(ctl, identity, &filter.identity, &e);
	if (r == 0)
		r = show(ctl, &filter, since, tail ? &lines : NULL, invocation_has(inv, "follow"), &e);
	if (r < 0 && !e.code)
		error_set(&e, -r, NULL, "%s", strerror(-r));
	return r < 0 ? ctl_fail(&e) : CTL_OK;
}

const struct command events_command = {
	.noun = "events",
	.summary = "What modules and prismd report",
	.detail = "Prints what prismd keeps; with -f the last 10 (see -n) and then what comes, until Ctrl-C. When "
		  "prismd\n"
		  "restarts, -f says so on stderr and goes on. -o json gives one object a line.",
	.examples = "  prismctl events -f\n"
		    "  prismctl events -f --type trace.exec --identity system/ssh\n"
		    "  prismctl events -n 100 -o json | jq -c 'select(.identity == 4711)'\n",
	.options =
		(const struct ctl_option[]){
			{"follow", 'f', ARGUMENT_NONE, NULL, "go on with events as they come", NULL},
			{"identity", 0, ARGUMENT_REQUIRED, "N|NAME", "only this identity's", "@identity"},
			{"type", 0, ARGUMENT_REQUIRED, "PREFIX", "only types that begin so: trace., trace.exec", NULL},
			{"since", 0, ARGUMENT_REQUIRED, "SEQ", "from this sequence number on", NULL},
			{"lines", 'n', ARGUMENT_REQUIRED, "N", "only the last N of what is kept", NULL},
			{0}},
	.run = run_events,
};

/* ---- identity watch --------------------------------------------------------------------------------------------- */

/* An identity of the list in the shape of the events that follow. */
static int print_present(struct ctl *ctl, const json_t *id)
{
	_cleanup_json_ json_t *event = json_document();
	_cleanup_free_ char *raw = NULL;

	json_object_set_new(event, "type", json_string("prism.identity"));
	json_object_set_new(event, "identity", json_integer(json_number(id, "number")));
	json_object_set_new(event, "workload", json_string(json_text(id, "name")));
	json_object_set_new(event, "namespace", json_string(json_text(id, "namespace")));
	json_object_set(event, "facets", json_object_get(id, "facets"));
	json_object_set(event, "class", json_object_get(id, "class"));
	json_object_set(event, "weight", json_object_get(id, "weight"));
	json_object_set_new(event, "change", json_string("present"));
	json_object_set(event, "service_account", json_object_get(id, "service_account"));
	json_object_set(event, "canonical", json_object_get(id, "canonical"));
	json_object_set(event, "cgroups", json_object_get(id, "cgroups"));
	raw = json_dumps(event, JSON_COMPACT);
	return raw ? print_event(ctl, event, raw, strlen(raw)) : -ENOMEM;
}

static int run_watch(struct ctl *ctl, const struct invocation *inv)
{
	const struct event_filter filter = {.type = "prism.identity"};
	_cleanup_json_ json_t *status = NULL;
	_cleanup_json_ json_t *doc = NULL;
	struct error e = {0};
	const json_t *id;
	int64_t last = 0;
	size_t i;
	int r;

	(void)inv;
	/* First where the stream stands, then the list, so that no change falls between the two. */
	r = client_get(ctl, "/v1/status", &status, &e);
	if (r == 0)
		r = client_get(ctl, "/v1/identities", &doc, &e);
	last = json_number(json_object_get(status, "events"), "last_seq");
	json_array_foreach(json_object_get(doc, "identities"), i, id)
	{
		if (r == 0)
			r = print_present(ctl, id);
	}
	if (r == 0)
		r = events_follow(ctl, &filter, (uint64_t)last + 1, print_now, ctl, &e);
	if (r < 0 && !e.code)
		error_set(&e, -r, NULL, "%s", strerror(-r));
	return r < 0 ? ctl_fail(&e) : CTL_OK;
}

const struct command identity_watch_command = {
	.noun = "identity",
	.verb = "watch",
	.summary = "Identities as they come, change and go",
	.detail = "First every identity there is (change=present), then each change until Ctrl-C.",
	.examples = "  prismctl identity watch\n"
		    "  prismctl identity watch -o json | jq -c '[.change, .identity, .workload]'\n",
	.run = run_watch,
};
