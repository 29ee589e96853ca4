// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <inttypes.h>
#include <string.h>

#define US 1000ll
#define MS (1000 * US)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)

enum {
	OPTION_MODE,
	OPTION_SELECT,
	OPTION_MAX_WAIT,
	OPTION_SLICE_CRITICAL,
	OPTION_SLICE_NORMAL,
	OPTION_SLICE_BATCH,
	OPTION_SHARE_CRITICAL,
	OPTION_SHARE_NORMAL,
	OPTION_SHARE_BATCH,
	OPTION_GRANT,
	OPTION_BURST,
	OPTION_PREEMPT,
	OPTION_CPUFREQ,
	OPTION_RETRIES,
	OPTION_RETRY_WINDOW,
	OPTION_RETRY_DELAY,
	OPTION_MAX_IDENTITIES,
	OPTIONS,
};

_Static_assert(OPTIONS == SCHED_OPTIONS, "the header says how many there are");

enum { MODE_FULL, MODE_PARTIAL };

static const char *const modes[] = {[MODE_FULL] = "full", [MODE_PARTIAL] = "partial", NULL};

#define SLICE(name_, fallback_, help_)                                                                                 \
	{.name = (name_),                                                                                              \
	 .kind = PRISM_OPTION_DURATION,                                                                                \
	 .min = 100 * US,                                                                                              \
	 .max = 100 * MS,                                                                                              \
	 .fallback = (fallback_),                                                                                      \
	 .help = (help_)}
#define SHARE(name_, fallback_, help_)                                                                                 \
	{.name = (name_), .kind = PRISM_OPTION_INT, .min = 1, .max = 1000, .fallback = (fallback_), .help = (help_)}

const struct prism_option sched_options[SCHED_OPTIONS] = {
	[OPTION_MODE] = {.name = "mode",
			 .kind = PRISM_OPTION_ENUM,
			 .choices = modes,
			 .fallback = "full",
			 .help = "full: every task that is not realtime; partial: the workloads of `select` alone."},
	[OPTION_SELECT] = {.name = "select",
			   .kind = PRISM_OPTION_LIST,
			   .help = "Partial mode: workloads by name, as shell patterns such as `shop/*`, or by class, "
				   "such as `class:critical`."},
	[OPTION_MAX_WAIT] = {.name = "max_wait",
			     .kind = PRISM_OPTION_DURATION,
			     .min = 20 * MS,
			     .max = 5 * SECOND,
			     .fallback = "250ms",
			     .help = "The longest that a runnable task waits for a CPU, whatever its class."},
	[OPTION_SLICE_CRITICAL] = SLICE("slice_critical", "2ms", "How long a critical task runs at a time."),
	[OPTION_SLICE_NORMAL] = SLICE("slice_normal", "3ms",
				      "How long a normal task, or one without class, runs at "
				      "a time."),
	[OPTION_SLICE_BATCH] = SLICE("slice_batch", "5ms", "How long a batch task runs at a time."),
	[OPTION_SHARE_CRITICAL] = SHARE("share_critical", "16",
					"Share of the CPU that critical work has when every "
					"class wants all of it."),
	[OPTION_SHARE_NORMAL] = SHARE("share_normal", "4", "Share of normal work then."),
	[OPTION_SHARE_BATCH] = SHARE("share_batch", "1", "Share of batch work then."),
	[OPTION_GRANT] = {.name = "grant",
			  .kind = PRISM_OPTION_DURATION,
			  .min = 200 * US,
			  .max = 10 * MS,
			  .fallback = "1ms",
			  .help = "What a task that has waited for too long gets at least."},
	[OPTION_BURST] = {.name = "burst",
			  .kind = PRISM_OPTION_DURATION,
			  .min = 0,
			  .max = 10 * SECOND,
			  .fallback = "100ms",
			  .help = "CPU time above its share that critical work may use at once."},
	[OPTION_PREEMPT] =
		{.name = "preempt",
		 .kind = PRISM_OPTION_BOOL,
		 .fallback = "true",
		 .help = "A task that wakes up takes the CPU from one of a lower class, or of its own that has "
			 "got ahead of its share."},
	[OPTION_CPUFREQ] =
		{.name = "cpufreq",
		 .kind = PRISM_OPTION_BOOL,
		 .fallback = "false",
		 .help = "Ask for the CPU's full speed while critical work runs, where the kernel takes such "
			 "hints."},
	[OPTION_RETRIES] = {.name = "retries",
			    .kind = PRISM_OPTION_INT,
			    .min = 0,
			    .max = RECOVERY_TRIES_MAX,
			    .fallback = "3",
			    .help = "How often within `retry_window` the scheduler is attached again after the kernel "
				    "ejected it."},
	[OPTION_RETRY_WINDOW] = {.name = "retry_window",
				 .kind = PRISM_OPTION_DURATION,
				 .min = MINUTE,
				 .max = 24 * 60 * MINUTE,
				 .fallback = "10m",
				 .help = "How long a try counts."},
	[OPTION_RETRY_DELAY] = {.name = "retry_delay",
				.kind = PRISM_OPTION_DURATION,
				.min = 100 * MS,
				.max = 10 * MINUTE,
				.fallback = "5s",
				.help = "The wait before the first try; each further one waits twice as long."},
	[OPTION_MAX_IDENTITIES] = {.name = "max_identities",
				   .kind = PRISM_OPTION_INT,
				   .min = 64,
				   .max = 1 << 20,
				   .fallback = "4096",
				   .help = "Identities that have counters of their own."},
};

static int read_select(struct prism_host *host, const struct prism_node *list, struct select *select)
{
	for (uint32_t i = 0; i < prism_node_count(host, list); i++) {
		const struct prism_node *node = prism_node_at(host, list, i, NULL);
		const char *text = prism_node_text(host, node);
		int r = text ? select_add(select, text) : -EINVAL;

		if (r == -ENOMEM)
			return prism_fail(host, ENOMEM, "sched: select", "no memory");
		if (r < 0)
			return prism_node_error(host, node,
						"expected a workload's name, which may be a pattern such as shop/*, or "
						"class:critical, class:normal, class:batch, class:unset");
	}
	return 0;
}

static void read_config(struct prism_host *host, const struct prism_config *config, struct sched_config *ret)
{
	*ret = (struct sched_config){
		.max_wait_ns = (uint64_t)prism_option_int(host, config, OPTION_MAX_WAIT),
		.grant_ns = (uint64_t)prism_option_int(host, config, OPTION_GRANT),
		.burst_ns = (uint64_t)prism_option_int(host, config, OPTION_BURST),
		.flags = (prism_option_int(host, config, OPTION_PREEMPT) ? SCHED_F_PREEMPT : 0) |
			 (prism_option_int(host, config, OPTION_CPUFREQ) ? SCHED_F_CPUFREQ : 0),
	};
	for (uint32_t i = 0; i < SCHED_RANKS; i++) {
		ret->slice_ns[i] = (uint64_t)prism_option_int(host, config, OPTION_SLICE_CRITICAL + i);
		ret->share[i] = (uint32_t)prism_option_int(host, config, OPTION_SHARE_CRITICAL + i);
	}
}

/* What one wait may be must hold at least the slice of whom it waits for, and its own. */
static int check_slices(struct prism_host *host, const struct prism_config *config, const struct sched_config *next)
{
	for (uint32_t i = 0; i < SCHED_RANKS; i++) {
		if (next->slice_ns[i] > next->max_wait_ns / 2)
			return prism_node_error(host, prism_option_node(host, config, OPTION_SLICE_CRITICAL + i),
						"%s is more than half of max_wait (%" PRIu64
						" ms): nobody could wait so little; lower it or raise max_wait",
						sched_options[OPTION_SLICE_CRITICAL + i].name,
						(uint64_t)next->max_wait_ns / (uint64_t)MS);
	}
	return 0;
}

static int check_mode(struct prism_host *host, const struct prism_config *config, const struct sched_settings *next)
{
	if (next->partial && select_empty(&next->select))
		return prism_node_error(host, prism_option_node(host, config, OPTION_MODE),
					"mode: partial schedules the workloads of `select`, and there are none: add "
					"select: [class:critical], or take mode: full");
	return 0;
}

int sched_settings_read(struct prism_host *host, const struct prism_config *config, struct sched_settings *ret_settings)
{
	struct sched_settings next = {
		.partial = prism_option_int(host, config, OPTION_MODE) == MODE_PARTIAL,
		.max_identities = (uint32_t)prism_option_int(host, config, OPTION_MAX_IDENTITIES),
		.limits = {.tries = (uint32_t)prism_option_int(host, config, OPTION_RETRIES),
			   .window_ns = (uint64_t)prism_option_int(host, config, OPTION_RETRY_WINDOW),
			   .delay_ns = (uint64_t)prism_option_int(host, config, OPTION_RETRY_DELAY)},
	};
	int r;

	read_config(host, config, &next.config);
	r = check_slices(host, config, &next.config);
	if (r == 0)
		r = read_select(host, prism_option_node(host, config, OPTION_SELECT), &next.select);
	if (r == 0)
		r = check_mode(host, config, &next);
	if (r < 0) {
		sched_settings_done(&next);
		return r;
	}
	*ret_settings = next;
	return 0;
}

void sched_settings_done(struct sched_settings *settings)
{
	select_done(&settings->select);
}

bool sched_settings_same_load(const struct sched_settings *a, const struct sched_settings *b)
{
	return a->partial == b->partial && a->max_identities == b->max_identities;
}
