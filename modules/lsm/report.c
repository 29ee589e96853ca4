// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "counts.h"

#define RULES_SHOWN 24u

enum {
	METRIC_DECISIONS,
	METRIC_BLOCKED,
	METRIC_ERRORS,
	METRIC_ERRORS_BLOCKED,
	METRIC_EVENTS,
	METRIC_LOST,
	METRIC_UNCOUNTED,
	METRIC_IDENTITIES,
	METRIC_RULES,
	METRICS,
};

_Static_assert(METRICS == REPORT_METRICS, "the header says how many there are");

static const char *const rule_labels[] = {"hook", "action", "rule_set", "rule", NULL};
static const char *const reason_labels[] = {"reason", NULL};

const struct prism_metric report_metrics[REPORT_METRICS] = {
	[METRIC_DECISIONS] = {.name = "prism_lsm_decisions_total",
			      .kind = PRISM_METRIC_COUNTER,
			      .flags = PRISM_METRIC_BY_IDENTITY,
			      .help = "What a rule decided, and what a default decided that is not allow.",
			      .labels = rule_labels},
	[METRIC_BLOCKED] = {.name = "prism_lsm_blocked_total",
			    .kind = PRISM_METRIC_COUNTER,
			    .flags = PRISM_METRIC_BY_IDENTITY,
			    .help = "Decisions by which something was refused: none in mode audit.",
			    .labels = rule_labels},
	[METRIC_ERRORS] =
		{.name = "prism_lsm_errors_total",
		 .kind = PRISM_METRIC_COUNTER,
		 .help = "Decisions by on_error, because the rules could not be asked: no_path, no_rules, no_mark.",
		 .labels = reason_labels},
	[METRIC_ERRORS_BLOCKED] = {.name = "prism_lsm_errors_blocked_total",
				   .kind = PRISM_METRIC_COUNTER,
				   .help = "Those of them by which something was refused."},
	[METRIC_EVENTS] = {.name = "prism_lsm_events_total",
			   .kind = PRISM_METRIC_COUNTER,
			   .help = "Verdicts put into the ring that prismd reads."},
	[METRIC_LOST] = {.name = "prism_lsm_lost_total",
			 .kind = PRISM_METRIC_COUNTER,
			 .help = "Verdicts that were not reported: ring_full, rate_limited.",
			 .labels = reason_labels},
	[METRIC_UNCOUNTED] = {.name = "prism_lsm_uncounted_total",
			      .kind = PRISM_METRIC_COUNTER,
			      .help = "Decisions that no counter has: more than max_counters."},
	[METRIC_IDENTITIES] = {.name = "prism_lsm_identities",
			       .kind = PRISM_METRIC_GAUGE,
			       .help = "Identities that have a rule set."},
	[METRIC_RULES] = {.name = "prism_lsm_rules",
			  .kind = PRISM_METRIC_GAUGE,
			  .help = "Entries of the rules in force, of max_rules."},
};

/* ---- losses ------------------------------------------------------------------------------------------------------ */

void report_losses_begin(int stats_fd, struct report_losses *ret_losses)
{
	struct lsm_stats stats;

	*ret_losses = (struct report_losses){0};
	if (stats_read(stats_fd, &stats) == 0)
		*ret_losses = (struct report_losses){.dropped = stats.dropped, .limited = stats.limited};
}

static bool tell(struct prism_host *host, const char *reason, uint64_t total, uint64_t *told)
{
	if (total <= *told)
		return false;
	event_lost(host, reason, total - *told, total);
	*told = total;
	return true;
}

bool report_losses(struct prism_host *host, int stats_fd, struct report_losses *losses)
{
	struct lsm_stats stats;
	bool dropped, limited;

	if (stats_read(stats_fd, &stats) < 0)
		return false;
	dropped = tell(host, "ring_full", stats.dropped, &losses->dropped);
	limited = tell(host, "rate_limited", stats.limited, &losses->limited);
	return dropped || limited;
}

/* ---- metrics ----------------------------------------------------------------------------------------------------- */

struct collection {
	struct prism_host *host;
	struct prism_sink *sink;
	const struct catalog *now;
	const struct catalog *earlier;
	const struct assign *assign;
	uint32_t identities;
};

static void collect_count(void *arg, const struct lsm_count_key *key, const struct lsm_count *count)
{
	struct collection *to = arg;
	const struct catalog_rule *rule = catalog_find(to->now, key->rule);

	if (!rule)
		rule = catalog_find(to->earlier, key->rule);
	if (!rule)
		return;
	const char *const labels[] = {hook_names[rule->hook], action_names[rule->action], rule->set, rule->id};

	prism_sample(to->host, to->sink, METRIC_DECISIONS, key->identity, labels, (double)count->matched);
	if (rule->action == LSM_BLOCK)
		prism_sample(to->host, to->sink, METRIC_BLOCKED, key->identity, labels, (double)count->blocked);
}

static void collect_stats(struct collection *to, const struct lsm_stats *stats)
{
	for (int i = LSM_ERROR_NONE + 1; i < LSM_ERRORS; i++)
		prism_sample(to->host, to->sink, METRIC_ERRORS, 0, (const char *const[]){error_names[i]},
			     (double)stats->errors[i]);
	prism_sample(to->host, to->sink, METRIC_ERRORS_BLOCKED, 0, NULL, (double)stats->errors_blocked);
	prism_sample(to->host, to->sink, METRIC_EVENTS, 0, NULL, (double)stats->emitted);
	prism_sample(to->host, to->sink, METRIC_LOST, 0, (const char *const[]){"ring_full"}, (double)stats->dropped);
	prism_sample(to->host, to->sink, METRIC_LOST, 0, (const char *const[]){"rate_limited"}, (double)stats->limited);
	prism_sample(to->host, to->sink, METRIC_UNCOUNTED, 0, NULL, (double)stats->uncounted);
}

static void count_identity(void *arg, uint32_t identity)
{
	struct collection *to = arg;
	size_t i;

	to->identities += assign_get(to->assign, identity, &i) == 0;
}

void report_collect(struct prism_host *host, struct prism_sink *sink, const struct leg *leg,
		    const struct assign *assign, const struct catalog *earlier)
{
	struct collection to = {
		.host = host,
		.sink = sink,
		.now = &assign->compiled->catalog,
		.earlier = earlier,
		.assign = assign,
	};
	struct lsm_stats stats;
	int r = counts_each(leg_counts_fd(leg), collect_count, &to);

	if (r == 0)
		r = stats_read(leg_stats_fd(leg), &stats);
	if (r == 0)
		r = store_each(assign->store, count_identity, &to);
	if (r < 0) {
		prism_log(host, PRISM_LOG_ERROR, "reading the counters: %s", strerror(-r));
		return;
	}
	collect_stats(&to, &stats);
	prism_sample(host, sink, METRIC_IDENTITIES, 0, NULL, to.identities);
	prism_sample(host, sink, METRIC_RULES, 0, NULL, (double)compiled_entries(assign->compiled));
}

/* ---- explain ----------------------------------------------------------------------------------------------------- */

struct explanation {
	struct prism_host *host;
	struct prism_text *out;
	const struct catalog *catalog;
	uint32_t identity;
	uint32_t shown;
};

/* A rule or posture that has decided something for the identity. */
static void explain_count(void *arg, const struct lsm_count_key *key, const struct lsm_count *count)
{
	struct explanation *to = arg;
	const struct catalog_rule *rule = catalog_find(to->catalog, key->rule);

	if (key->identity != to->identity || !rule || to->shown++ >= RULES_SHOWN)
		return;
	prism_explain(to->host, to->out, "%s %s%s%s: %" PRIu64 " decisions, %" PRIu64 " of them blocked", rule->id,
		      action_names[rule->action], *rule->subject ? " " : "", rule->subject, (uint64_t)count->matched,
		      (uint64_t)count->blocked);
}

static void explain_hook(const struct explanation *to, const struct policy_set *set, int hook)
{
	size_t rules = 0;

	for (size_t i = 0; i < set->n; i++)
		rules += set->rules[i].hook == (enum lsm_hook)hook;
	if (!rules && set->posture[hook] == LSM_ALLOW)
		return;
	prism_explain(to->host, to->out, "%s: %zu rules, otherwise %s", hook_keys[hook], rules,
		      action_names[set->posture[hook]]);
}

static void explain_why_none(struct prism_host *host, struct prism_text *out, const struct policy *policy)
{
	if (policy->n)
		prism_explain(host, out, "no rule set: none of the %zu that there are selects this workload",
			      policy->n);
	else
		prism_explain(host, out, "no rule set: the configuration has none (rule_sets)");
}

void report_explain(struct prism_host *host, struct prism_text *out, const struct leg *leg, const struct assign *assign,
		    const struct lsm_config *config, const struct prism_workload *workload)
{
	struct explanation to = {.host = host,
				 .out = out,
				 .catalog = &assign->compiled->catalog,
				 .identity = workload->identity};
	size_t chosen = policy_select(assign->policy, workload), bound;
	const struct policy_set *set;

	if (chosen == assign->policy->n) {
		explain_why_none(host, out, assign->policy);
		return;
	}
	set = &assign->policy->sets[chosen];
	prism_explain(host, out, "rule set %s%s", set->name,
		      config->mode == LSM_AUDIT_ONLY ? ", which blocks nothing (mode: audit)" : "");
	if (assign_get(assign, workload->identity, &bound) < 0)
		prism_explain(
			host, out,
			"it is not in force, there was no room for it (max_identities): everything is %s (on_error)",
			config->on_error == LSM_BLOCK ? "blocked" : "allowed");
	for (int hook = 0; hook < LSM_HOOKS; hook++)
		explain_hook(&to, set, hook);
	counts_each(leg_counts_fd(leg), explain_count, &to);
	if (to.shown > RULES_SHOWN)
		prism_explain(host, out, "and %" PRIu32 " more rules that decided something", to.shown - RULES_SHOWN);
}
