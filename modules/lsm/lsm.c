// SPDX-License-Identifier: Apache-2.0
/*
 * lsm: what a workload may run, open, connect to, listen on and be privileged for. The kernel side (lsm.bpf.c) decides
 * by rules in pinned maps; this side turns the configuration into them, says which identity has which, and reports.
 */
#include <prism/module.h>

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "assign.h"
#include "counts.h"
#include "leg.h"
#include "probe.h"
#include "report.h"

#define LOSS_PERIOD_MS 1000u /* one lsm.lost event a reason in this time */

struct lsm {
	struct prism_host *host;
	struct lsm_settings settings;
	struct catalog earlier; /* of the settings before: events of theirs may still come */
	struct leg *leg;        /* NULL until it runs */
	struct assign assign;
	struct report_losses losses;
	struct prism_timer *timer; /* of the losses, while there may be some that were not told */
	struct prism_timer *forgetting;
	bool synced; /* every identity that there was at start has been assigned */
};

static int no_memory(struct prism_host *host, const char *where)
{
	return prism_fail(host, ENOMEM, where, "no memory");
}

/* ---- verdicts ---------------------------------------------------------------------------------------------------- */

static const struct catalog_rule *find_rule(const struct lsm *lsm, uint64_t number)
{
	const struct catalog_rule *rule = catalog_find(&lsm->settings.compiled.catalog, number);

	return rule ? rule : catalog_find(&lsm->earlier, number);
}

/* As long as there are some, once a period. */
static void tell_losses(void *arg)
{
	struct lsm *lsm = arg;

	if (lsm->leg && report_losses(lsm->host, leg_stats_fd(lsm->leg), &lsm->losses))
		return;
	prism_timer_stop(lsm->host, lsm->timer);
	lsm->timer = NULL;
}

static void on_record(void *arg, const struct lsm_event *record)
{
	struct lsm *lsm = arg;

	event_verdict(lsm->host, record, find_rule(lsm, record->rule));
	if (!lsm->timer)
		prism_timer_start(lsm->host, LOSS_PERIOD_MS, LOSS_PERIOD_MS, tell_losses, lsm, &lsm->timer);
}

/* ---- what is said about the state -------------------------------------------------------------------------------- */

static void say_condition(struct lsm *lsm)
{
	if (!lsm->assign.full) {
		prism_condition(lsm->host, NULL);
		return;
	}
	prism_condition(
		lsm->host,
		"no room for the rule sets of all workloads that have one: what the others do is %s (on_error); "
		"raise max_identities (%" PRIu32 ")",
		lsm->settings.config.on_error == LSM_BLOCK ? "blocked" : "allowed", lsm->settings.sizes.identities);
}

/* ---- counters ---------------------------------------------------------------------------------------------------- */

static void ignore_workload(void *arg, const struct prism_workload *workload)
{
	(void)arg;
	(void)workload;
}

static bool is_known(const struct lsm *lsm, uint32_t identity)
{
	return identity < PRISM_ID_FIRST || prism_identity_get(lsm->host, identity, ignore_workload, NULL) != -ENOENT;
}

static bool keep_counter(void *arg, const struct lsm_count_key *key)
{
	const struct lsm *lsm = arg;

	return is_known(lsm, key->identity) && (!key->rule || catalog_find(&lsm->settings.compiled.catalog, key->rule));
}

static bool is_of_another(void *arg, const struct lsm_count_key *key)
{
	const uint32_t *identity = arg;

	return key->identity != *identity;
}

static void drop_counters(struct lsm *lsm, uint32_t identity)
{
	int r = counts_drop(leg_counts_fd(lsm->leg), is_of_another, &identity);

	if (r == 0)
		r = rate_drop(leg_rates_fd(lsm->leg), identity);
	if (r < 0)
		prism_log(lsm->host, PRISM_LOG_ERROR, "the counters of identity %" PRIu32 " could not be removed: %s",
			  identity, strerror(-r));
}

/* ---- policy ------------------------------------------------------------------------------------------------------ */

static struct assign assign_of(struct lsm *lsm, struct leg *leg, const struct lsm_settings *settings, uint32_t first)
{
	return (struct assign){
		.host = lsm->host,
		.store = &leg->store,
		.policy = &settings->policy,
		.compiled = &settings->compiled,
		.first = first,
	};
}

/* more: hooks that are looked at beside those of these settings. */
static int set_config(const struct assign *assign, const struct lsm_config *config, uint32_t more)
{
	struct lsm_config now, next = *config;
	int r = store_config(assign->store, &now);

	if (r < 0)
		return r;
	next.epoch = now.epoch;
	next.hooks = assign_hooks(assign->compiled) | more;
	return store_configure(assign->store, &next);
}

/*
 * From here on every identity has the rules of these settings, whose sets have been written. Hooks that the earlier
 * ones look at stay until settle().
 */
static int switch_over(struct lsm *lsm, struct assign *assign, const struct lsm_settings *settings)
{
	struct lsm_config now;
	int r = store_config(assign->store, &now);

	if (r == 0)
		r = set_config(assign, &settings->config, now.hooks);
	if (r == 0)
		r = assign_all(assign);
	return r < 0 ? prism_fail(lsm->host, -r, "lsm: putting the rules in force", "%s", strerror(-r)) : 0;
}

/* What went makes room for an identity that had none. */
static void make_room(struct lsm *lsm)
{
	int r;

	if (!lsm->assign.full)
		return;
	r = assign_all(&lsm->assign);
	if (r < 0)
		prism_log(lsm->host, PRISM_LOG_ERROR, "assigning rule sets: %s", strerror(-r));
	say_condition(lsm);
}

static void forget_rate(void *arg, uint32_t identity)
{
	struct lsm *lsm = arg;

	rate_drop(leg_rates_fd(lsm->leg), identity);
}

/* Identities that have no rule set any more need no place. */
static void forget(void *arg)
{
	struct lsm *lsm = arg;
	int r = store_forget(&lsm->leg->store, forget_rate, lsm);

	prism_timer_stop(lsm->host, lsm->forgetting);
	lsm->forgetting = NULL;
	if (r < 0)
		prism_log(lsm->host, PRISM_LOG_ERROR, "making room in max_identities: %s", strerror(-r));
	make_room(lsm);
}

/* In a callback of its own: by then the facets that this one takes away are off on the bus. */
static void forget_soon(struct lsm *lsm)
{
	int r = lsm->forgetting ? 0 : prism_timer_start(lsm->host, 1, 0, forget, lsm, &lsm->forgetting);

	if (r < 0)
		prism_log(lsm->host, PRISM_LOG_ERROR, "making room in max_identities: %s", strerror(-r));
}

/* What identities had before is theirs no more: it goes, and the hooks that it alone looked at. */
static void settle(struct lsm *lsm)
{
	int r = set_config(&lsm->assign, &lsm->settings.config, 0);

	if (r == 0)
		r = store_sweep(&lsm->leg->store, lsm->assign.first, &lsm->settings.compiled);
	if (r == 0)
		r = counts_drop(leg_counts_fd(lsm->leg), keep_counter, lsm);
	leg_release(lsm->leg);
	forget_soon(lsm);
	if (r < 0)
		prism_log(lsm->host, PRISM_LOG_ERROR, "removing the rules that are no longer in force: %s",
			  strerror(-r));
}

/* These settings and this leg are the module's from now on; *settings is taken. */
static void take(struct lsm *lsm, struct leg *leg, struct lsm_settings *settings, const struct assign *assign)
{
	struct lsm_settings before = lsm->settings;

	catalog_done(&lsm->earlier);
	lsm->earlier = before.compiled.catalog;
	before.compiled.catalog = (struct catalog){0};
	lsm_settings_done(&before);
	lsm->settings = *settings;
	lsm->leg = leg;
	lsm->assign = assign_of(lsm, leg, &lsm->settings, assign->first);
	lsm->assign.full = assign->full;
	if (lsm->synced)
		settle(lsm);
	say_condition(lsm);
}

/* ---- up and down ------------------------------------------------------------------------------------------------- */

static void leg_free(struct leg *leg, enum prism_stop why)
{
	leg_down(leg, why);
	free(leg);
}

/* Loads with these settings and writes their rules; nothing is attached, and nobody has the rules yet. */
static int prepare(struct lsm *lsm, const struct lsm_settings *settings, struct leg **ret_leg, uint32_t *ret_first)
{
	struct leg *leg = calloc(1, sizeof(*leg));
	int r;

	if (!leg)
		return no_memory(lsm->host, "lsm: start");
	r = leg_load(lsm->host, &settings->sizes, on_record, lsm, leg);
	if (r < 0) {
		free(leg);
		return r;
	}
	r = leg_listen(leg);
	if (r == 0)
		r = store_write(&leg->store, &settings->compiled, ret_first);
	if (r < 0) {
		leg_free(leg, PRISM_STOP_SHUTDOWN);
		return r;
	}
	*ret_leg = leg;
	return 0;
}

/* What was to replace these settings failed: they are in force again, and what was written for it goes. */
static void fall_back(struct lsm *lsm)
{
	int r = switch_over(lsm, &lsm->assign, &lsm->settings);

	if (r == 0 && lsm->synced) {
		r = store_sweep(&lsm->leg->store, lsm->assign.first, &lsm->settings.compiled);
		forget_soon(lsm);
	}
	if (r < 0)
		prism_log(lsm->host, PRISM_LOG_ERROR, "going back to the rules that were in force: %s", strerror(-r));
}

/* Maps of other sizes: new programs, which are in front of the old ones when everything is in their maps. */
static int reload(struct lsm *lsm, struct lsm_settings *next)
{
	struct leg *old = lsm->leg, *leg;
	struct assign assign;
	uint32_t first;
	int r = prepare(lsm, next, &leg, &first);

	if (r < 0)
		return r;
	assign = assign_of(lsm, leg, next, first);
	r = switch_over(lsm, &assign, next);
	if (r == 0)
		r = leg_attach(leg);
	if (r < 0) {
		fall_back(lsm); /* where they share a map */
		leg_free(leg, PRISM_STOP_SHUTDOWN);
		return r;
	}
	take(lsm, leg, next, &assign);
	leg_drain(old);
	leg_free(old, PRISM_STOP_REPLACE);
	return 0;
}

static int reconfigure(struct lsm *lsm, struct lsm_settings *next)
{
	struct assign assign;
	uint32_t first;
	int r = store_write(&lsm->leg->store, &next->compiled, &first);

	if (r < 0)
		return r;
	assign = assign_of(lsm, lsm->leg, next, first);
	r = switch_over(lsm, &assign, next);
	if (r < 0) {
		fall_back(lsm);
		return r;
	}
	take(lsm, lsm->leg, next, &assign);
	return 0;
}

static int lsm_configure(void *self, const struct prism_config *config)
{
	struct lsm *lsm = self;
	struct lsm_settings next;
	int r = lsm_settings_read(lsm->host, config, &next);

	if (r < 0)
		return r;
	if (!lsm->leg) {
		lsm_settings_done(&lsm->settings);
		lsm->settings = next;
		return 0;
	}
	r = lsm_same_sizes(&next.sizes, &lsm->settings.sizes) ? reconfigure(lsm, &next) : reload(lsm, &next);
	if (r < 0)
		lsm_settings_done(&next);
	return r;
}

/* ---- identities -------------------------------------------------------------------------------------------------- */

static void add(struct lsm *lsm, const struct prism_workload *workload)
{
	struct lsm_binding binding;
	bool was_full = lsm->assign.full;

	if (store_binding(&lsm->leg->store, workload->identity, &binding) == 0 && binding.owner != workload->label_hash)
		drop_counters(lsm, workload->identity);
	assign_identity(&lsm->assign, workload);
	if (lsm->assign.full != was_full)
		say_condition(lsm);
}

static void release(struct lsm *lsm, uint32_t identity)
{
	int r = store_unbind(&lsm->leg->store, identity);

	if (r < 0)
		prism_log(lsm->host, PRISM_LOG_ERROR, "the rule set of identity %" PRIu32 " could not be removed: %s",
			  identity, strerror(-r));
	drop_counters(lsm, identity);
}

/* Numbers whose hold-back ended while no prismd ran: nobody will say RELEASED for them. */
static void release_orphan(void *arg, uint32_t identity)
{
	struct lsm *lsm = arg;

	if (!is_known(lsm, identity))
		release(lsm, identity);
}

static void sync(struct lsm *lsm)
{
	int r = store_each(&lsm->leg->store, release_orphan, lsm);

	if (r < 0)
		prism_log(lsm->host, PRISM_LOG_ERROR, "looking for rule sets without an owner: %s", strerror(-r));
	lsm->synced = true;
	make_room(lsm);
	settle(lsm);
}

static void lsm_identity(void *self, enum prism_change change, const struct prism_workload *workload)
{
	struct lsm *lsm = self;

	if (!lsm->leg)
		return;
	switch (change) {
	case PRISM_IDENTITY_ADDED:
		add(lsm, workload);
		break;
	case PRISM_IDENTITY_RELEASED:
		release(lsm, workload->identity);
		make_room(lsm);
		break;
	case PRISM_IDENTITY_SYNCED:
		sync(lsm);
		break;
	case PRISM_IDENTITY_CHANGED:
	case PRISM_IDENTITY_REMOVED: /* the number is held back, and so is its rule set */
		break;
	}
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int lsm_open(struct prism_host *host, void **ret_self)
{
	struct lsm *lsm = calloc(1, sizeof(*lsm));

	if (!lsm)
		return no_memory(host, "lsm: open");
	lsm->host = host;
	*ret_self = lsm;
	return 0;
}

/*
 * Where programs are attached already, identities get their rules first, so that the new programs have nothing to
 * learn. Where there are none, every task is armed before there is anything to judge it by.
 */
static int bring_up(struct lsm *lsm, struct leg *leg, struct assign *assign)
{
	bool attached = leg_is_attached(leg);
	int r = attached ? switch_over(lsm, assign, &lsm->settings) : 0;

	if (r == 0)
		r = leg_attach(leg);
	if (r == 0 && !attached)
		r = switch_over(lsm, assign, &lsm->settings);
	return r;
}

static int lsm_start(void *self)
{
	struct lsm *lsm = self;
	struct assign assign;
	struct leg *leg;
	uint32_t first;
	int r = prepare(lsm, &lsm->settings, &leg, &first);

	if (r < 0)
		return r;
	assign = assign_of(lsm, leg, &lsm->settings, first);
	r = bring_up(lsm, leg, &assign);
	if (r < 0) {
		leg_free(leg, PRISM_STOP_REMOVE);
		return r;
	}
	lsm->leg = leg;
	lsm->assign = assign;
	lsm->synced = false;
	report_losses_begin(leg_stats_fd(leg), &lsm->losses);
	say_condition(lsm);
	return 0;
}

/* At once: the links are gone only some milliseconds after their pins. */
static void stop_judging(struct lsm *lsm)
{
	struct lsm_config config;

	if (store_config(&lsm->leg->store, &config) < 0)
		return;
	config.hooks = 0;
	store_configure(&lsm->leg->store, &config);
}

static void drop_facet(void *arg, uint32_t identity)
{
	struct lsm *lsm = arg;

	prism_facet_set(lsm->host, identity, false);
}

static int lsm_stop(void *self, enum prism_stop why)
{
	struct lsm *lsm = self;
	struct leg *leg = lsm->leg;

	if (!leg)
		return 0;
	prism_timer_stop(lsm->host, lsm->timer);
	lsm->timer = NULL;
	prism_timer_stop(lsm->host, lsm->forgetting);
	lsm->forgetting = NULL;
	if (why == PRISM_STOP_REMOVE) {
		stop_judging(lsm);
		store_each(&leg->store, drop_facet, lsm);
		leg_drain(leg);
		report_losses(lsm->host, leg_stats_fd(leg), &lsm->losses);
	}
	lsm->leg = NULL;
	leg_free(leg, why);
	return 0;
}

static void lsm_close(void *self)
{
	struct lsm *lsm = self;

	lsm_settings_done(&lsm->settings);
	catalog_done(&lsm->earlier);
	free(lsm);
}

static void lsm_collect(void *self, struct prism_sink *sink)
{
	struct lsm *lsm = self;

	if (lsm->leg)
		report_collect(lsm->host, sink, lsm->leg, &lsm->assign, &lsm->earlier);
}

static void lsm_explain(void *self, const struct prism_workload *workload, struct prism_text *out)
{
	struct lsm *lsm = self;

	if (lsm->leg)
		report_explain(lsm->host, out, lsm->leg, &lsm->assign, &lsm->settings.config, workload);
	else
		prism_explain(lsm->host, out, "not enforced: the leg is not attached");
}

const struct prism_module prism_module = {
	PRISM_MODULE_HEADER,
	.name = "lsm",
	.version = PRISM_VERSION,
	.summary = "what workloads may run, open, connect to and be privileged for, by identity",
	.facet = "lsm",
	.options = lsm_options,
	.n_options = LSM_OPTIONS,
	.metrics = report_metrics,
	.n_metrics = REPORT_METRICS,
	.events = event_types,
	.n_events = EVENT_TYPES,
	.probe = lsm_probe,
	.open = lsm_open,
	.configure = lsm_configure,
	.start = lsm_start,
	.identity = lsm_identity,
	.stop = lsm_stop,
	.close = lsm_close,
	.collect = lsm_collect,
	.explain = lsm_explain,
	.capabilities = PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_PERFMON),
};

PRISM_MODULE_NOTE("lsm", PRISM_VERSION, PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
