// SPDX-License-Identifier: Apache-2.0
/*
 * sched: a scheduler that treats each task by its workload's class and weight. The kernel side (sched.bpf.c) decides;
 * this side attaches it and keeps it attached, writes its configuration, and tells what it did.
 */
#include <prism/module.h>

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach.h"
#include "events.h"
#include "partial.h"
#include "report.h"

struct sched {
	struct prism_host *host;
	struct sched_settings *settings;
	struct attach attach;
	struct partial *partial; /* NULL in full mode, or while nothing is attached */
	bool one_by_one;         /* facets have been said of single identities */
};

/* ---- who is taken care of ---------------------------------------------------------------------------------------- */

static bool is_on(const struct sched *sched)
{
	return sched->attach.state == ATTACH_ON;
}

static bool takes_care_of(const struct sched *sched, const struct prism_workload *workload)
{
	const struct sched_settings *settings = sched->attach.settings;

	return is_on(sched) &&
	       (!settings->partial || select_matches(&settings->select, workload->name, workload->flags));
}

static void settle_workload(void *arg, const struct prism_workload *workload)
{
	struct sched *sched = arg;

	prism_facet_set(sched->host, workload->identity, takes_care_of(sched, workload));
}

/* Facets and threads follow what is attached, and in which mode. */
static int settle(struct sched *sched)
{
	bool on = is_on(sched), partial = on && sched->attach.settings->partial;
	int r = 0;

	prism_facet_all(sched->host, on && !partial);
	/* A word on one identity goes before the word on all, also when the mode has changed since. */
	sched->one_by_one = sched->one_by_one || partial;
	if (sched->one_by_one)
		prism_identities(sched->host, settle_workload, sched);
	if (!sched->partial && (partial || partial_is_left(sched->host)))
		r = partial_start(sched->host, &sched->partial);
	else if (partial)
		partial_look_soon(sched->partial);
	if (!partial) {
		partial_stop(sched->partial, true);
		sched->partial = NULL;
	}
	return r;
}

static void on_attach_changed(void *arg)
{
	settle(arg);
}

static void sched_identity(void *self, enum prism_change change, const struct prism_workload *workload)
{
	struct sched *sched = self;

	if (sched->attach.leg)
		rows_identity(leg_rows(sched->attach.leg), change, workload);
	if (!sched->partial || (change != PRISM_IDENTITY_ADDED && change != PRISM_IDENTITY_CHANGED))
		return;
	settle_workload(sched, workload);
	partial_look_soon(sched->partial);
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

static void settings_free(struct sched_settings *settings)
{
	if (settings)
		sched_settings_done(settings);
	free(settings);
}

static int sched_configure(void *self, const struct prism_config *config)
{
	struct sched *sched = self;
	struct sched_settings *next = calloc(1, sizeof(*next));
	int r = next ? sched_settings_read(sched->host, config, next)
		     : prism_fail(sched->host, ENOMEM, "sched: configure", "no memory");

	if (r == 0)
		r = attach_configure(&sched->attach, next);
	if (r < 0) {
		settings_free(next);
		return r;
	}
	settings_free(sched->settings);
	sched->settings = next;
	return is_on(sched) ? settle(sched) : 0;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int sched_probe(struct prism_host *host)
{
	struct kernel_sched kernel;
	int r = kernel_sched_read(KERNEL_SCHED_DIR, &kernel);

	if (r == -ENOENT)
		return prism_unsupported(host, "sched: sched_ext",
					 "this kernel has no extensible scheduler class (no " KERNEL_SCHED_DIR
					 "); boot Linux 6.12 or later with CONFIG_SCHED_CLASS_EXT");
	if (r < 0)
		return prism_fail(host, -r, "sched: reading " KERNEL_SCHED_DIR, "%s", strerror(-r));
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return prism_unsupported(host, "sched: BTF",
					 "this kernel has no type information of its own; boot one with "
					 "CONFIG_DEBUG_INFO_BTF");
	return 0;
}

static int sched_open(struct prism_host *host, void **ret_self)
{
	struct sched *sched = calloc(1, sizeof(*sched));

	if (!sched)
		return prism_fail(host, ENOMEM, "sched: open", "no memory");
	sched->host = host;
	sched->attach.host = host;
	sched->attach.changed = on_attach_changed;
	sched->attach.arg = sched;
	*ret_self = sched;
	return 0;
}

static int sched_stop(void *self, enum prism_stop why)
{
	struct sched *sched = self;

	partial_stop(sched->partial, why == PRISM_STOP_REMOVE);
	sched->partial = NULL;
	attach_stop(&sched->attach, why);
	if (why == PRISM_STOP_REMOVE)
		settle(sched);
	return 0;
}

static int sched_start(void *self)
{
	struct sched *sched = self;
	int r = attach_start(&sched->attach);

	/* Partial mode that cannot follow its threads has been told to the host already. */
	if (r == 0 && is_on(sched) && sched->attach.settings->partial && !sched->partial)
		r = -EIO;
	if (r < 0)
		sched_stop(sched, PRISM_STOP_REMOVE);
	return r;
}

static void sched_close(void *self)
{
	struct sched *sched = self;

	settings_free(sched->settings);
	free(sched);
}

/* ---- what it says ------------------------------------------------------------------------------------------------ */

static void sched_collect(void *self, struct prism_sink *sink)
{
	struct sched *sched = self;

	report_collect(&sched->attach, sched->partial ? partial_threads(sched->partial) : 0, sink);
}

static void sched_explain(void *self, const struct prism_workload *workload, struct prism_text *out)
{
	struct sched *sched = self;

	report_explain(&sched->attach, workload, out);
}

const struct prism_module prism_module = {
	PRISM_MODULE_HEADER,
	.name = "sched",
	.version = PRISM_VERSION,
	.summary = "schedules each task by its workload's class and weight",
	.facet = "sched",
	.options = sched_options,
	.n_options = SCHED_OPTIONS,
	.metrics = report_metrics,
	.n_metrics = REPORT_METRICS,
	.events = event_types,
	.n_events = EVENT_TYPES,
	.probe = sched_probe,
	.open = sched_open,
	.configure = sched_configure,
	.start = sched_start,
	.identity = sched_identity,
	.stop = sched_stop,
	.close = sched_close,
	.collect = sched_collect,
	.explain = sched_explain,
	/* CAP_SYS_NICE: in partial mode. */
	.capabilities = PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_PERFMON) | PRISM_CAPABILITY(CAP_SYS_NICE),
};

PRISM_MODULE_NOTE("sched", PRISM_VERSION, PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
