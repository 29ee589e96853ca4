/* SPDX-License-Identifier: Apache-2.0 */
/* What machines ask: /metrics, /healthz, /readyz. */
#include <stdio.h>
#include <string.h>

#include "admin/room.h"
#include "base/util.h"
#include "metric/program.h"

#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PLAIN_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define PLAIN "text/plain; charset=utf-8"

/* ---- metrics ---------------------------------------------------------------------------------------------------- */

static void module_metrics(void *arg, const struct module_view *m)
{
	struct metrics *metrics = arg;
	char label[256];

	snprintf(label, sizeof(label), "%s\t%s", m->name, module_state_name(m->state));
	metric_set(metrics, METRIC_MODULE_STATE, label, 1);
	metric_set(metrics, METRIC_MODULE_DEGRADED, m->name, m->condition[0] != '\0');
	metric_set(metrics, METRIC_MODULE_CRASHES, m->name, m->crashes);
}

/* Values that others keep and that are read off when somebody asks. */
static void refresh(const struct agent *a)
{
	metric_set(a->metrics, METRIC_LIVE_IDENTITIES, NULL, identity_live(a->identities));
	metric_set(a->metrics, METRIC_HELD_IDENTITIES, NULL, identity_held(a->identities));
	metric_set(a->metrics, METRIC_CGROUPS, NULL, (double)cgroups_count(a->cgroups));
	metric_set(a->metrics, METRIC_EVENTS, NULL, (double)stream_last_seq(a->stream));
	metric_set(a->metrics, METRIC_EVENTS_LOST, NULL, (double)stream_lost(a->stream));
	programs_refresh(a->metrics);
	metric_reset(a->metrics, METRIC_MODULE_STATE);
	metric_reset(a->metrics, METRIC_MODULE_DEGRADED);
	metric_reset(a->metrics, METRIC_MODULE_CRASHES);
	if (a->host)
		host_modules(a->host, module_metrics, a->metrics);
}

static bool wants_openmetrics(const struct request *r)
{
	const char *accept = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);

	return accept && strcasestr(accept, "application/openmetrics-text");
}

enum MHD_Result get_metrics(struct request *r)
{
	_cleanup_(text_done) struct text page = {0};
	_cleanup_(text_done) struct text plain = {0};

	refresh(r->agent);
	metrics_write(r->agent->metrics, &page);
	if (r->agent->host)
		host_collect(r->agent->host, &page);
	if (wants_openmetrics(r)) {
		text_append(&page, "# EOF\n");
		return reply_text(r, MHD_HTTP_OK, OPENMETRICS, &page);
	}
	if (page.failed)
		return MHD_NO;
	metrics_plain(page.data, page.len, &plain);
	return reply_text(r, MHD_HTTP_OK, PLAIN_METRICS, &plain);
}

/* ---- health ----------------------------------------------------------------------------------------------------- */

static void append_condition(void *arg, const char *subject, const char *text)
{
	text_appendf(arg, "degraded: %s: %s\n", subject, text);
}

/* The loop turns, or nobody would answer. What is not well is said, and is no reason to kill prismd. */
enum MHD_Result get_healthz(struct request *r)
{
	_cleanup_(text_done) struct text body = {0};

	agent_conditions(r->agent, append_condition, &body);
	if (!body.len)
		text_append(&body, agent_health(r->agent) == AGENT_STARTING ? "starting\n" : "ok\n");
	return reply_text(r, MHD_HTTP_OK, PLAIN, &body);
}

enum MHD_Result get_readyz(struct request *r)
{
	_cleanup_(text_done) struct text body = {0};

	if (agent_ready(r->agent)) {
		text_append(&body, "ok\n");
		return reply_text(r, MHD_HTTP_OK, PLAIN, &body);
	}
	text_append(&body, "not ready\n");
	agent_conditions(r->agent, append_condition, &body);
	return reply_text(r, MHD_HTTP_SERVICE_UNAVAILABLE, PLAIN, &body);
}
