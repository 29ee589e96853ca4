// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#define NS_PER_SEC 1000000000ull

enum {
	OPTION_MODE,
	OPTION_ON_ERROR,
	OPTION_UNMANAGED,
	OPTION_RULE_SETS,
	OPTION_RATE,
	OPTION_BURST,
	OPTION_RING_SIZE,
	OPTION_MAX_RULES,
	OPTION_MAX_IDENTITIES,
	OPTION_MAX_COUNTERS,
	OPTIONS,
};

_Static_assert(OPTIONS == LSM_OPTIONS, "the header says how many there are");

static const char *const modes[] = {[LSM_ENFORCE] = "enforce", [LSM_AUDIT_ONLY] = "audit", NULL};

enum { ON_ERROR_ALLOW, ON_ERROR_BLOCK };

static const char *const directions[] = {[ON_ERROR_ALLOW] = "allow", [ON_ERROR_BLOCK] = "block", NULL};

const struct prism_option lsm_options[LSM_OPTIONS] = {
	[OPTION_MODE] = {.name = "mode",
			 .kind = PRISM_OPTION_ENUM,
			 .choices = modes,
			 .fallback = "enforce",
			 .help = "enforce: what a rule blocks is refused; audit: it is only reported."},
	[OPTION_ON_ERROR] =
		{.name = "on_error",
		 .kind = PRISM_OPTION_ENUM,
		 .choices = directions,
		 .fallback = "allow",
		 .help = "What happens when the rules for a decision cannot be had: no room for an identity's "
			 "rule set, or no path of a file."},
	[OPTION_UNMANAGED] = {.name = "unmanaged",
			      .kind = PRISM_OPTION_STRING,
			      .max = RULE_NAME_MAX - 1,
			      .fallback = "none",
			      .help = "Rule set for tasks that belong to no workload, or none."},
	[OPTION_RULE_SETS] = {.name = "rule_sets",
			      .kind = PRISM_OPTION_NODE,
			      .help = "Rule sets; a workload gets the first one that selects it."},
	[OPTION_RATE] = {.name = "rate",
			 .kind = PRISM_OPTION_INT,
			 .min = 0,
			 .max = 1000000,
			 .fallback = "100",
			 .help = "Verdict events a second of one identity, sustained; 0: no limit."},
	[OPTION_BURST] = {.name = "burst",
			  .kind = PRISM_OPTION_INT,
			  .min = 1,
			  .max = 1000000,
			  .fallback = "500",
			  .help = "Verdict events of one identity that may come at once."},
	[OPTION_RING_SIZE] = {.name = "ring_size",
			      .kind = PRISM_OPTION_SIZE,
			      .min = 64 << 10,
			      .max = 1 << 30,
			      .fallback = "256KiB",
			      .help = "Bytes of events that wait for prismd; a power of two."},
	[OPTION_MAX_RULES] = {.name = "max_rules",
			      .kind = PRISM_OPTION_INT,
			      .min = 1,
			      .max = 1 << 18,
			      .fallback = "8192",
			      .help = "Files, directories, addresses and capabilities that rules may be about."},
	[OPTION_MAX_IDENTITIES] = {.name = "max_identities",
				   .kind = PRISM_OPTION_INT,
				   .min = 1,
				   .max = 1 << 20,
				   .fallback = "16384",
				   .help = "Workload identities that can have a rule set at the same time."},
	[OPTION_MAX_COUNTERS] = {.name = "max_counters",
				 .kind = PRISM_OPTION_INT,
				 .min = 1,
				 .max = 1 << 20,
				 .fallback = "16384",
				 .help = "Counters: one for each identity and rule that has decided something for it."},
};

static int read_sizes(struct prism_host *host, const struct prism_config *config, struct lsm_sizes *ret_sizes)
{
	*ret_sizes = (struct lsm_sizes){
		.ring = (uint32_t)prism_option_int(host, config, OPTION_RING_SIZE),
		.rules = (uint32_t)prism_option_int(host, config, OPTION_MAX_RULES),
		.identities = (uint32_t)prism_option_int(host, config, OPTION_MAX_IDENTITIES),
		.counters = (uint32_t)prism_option_int(host, config, OPTION_MAX_COUNTERS),
	};
	if (ret_sizes->ring & (ret_sizes->ring - 1))
		return prism_node_error(host, prism_option_node(host, config, OPTION_RING_SIZE),
					"ring_size must be a power of two, such as 256KiB or 1MiB");
	return 0;
}

static void read_config(struct prism_host *host, const struct prism_config *config, struct lsm_config *ret_config)
{
	uint64_t rate = (uint64_t)prism_option_int(host, config, OPTION_RATE);
	uint64_t burst = (uint64_t)prism_option_int(host, config, OPTION_BURST);

	*ret_config = (struct lsm_config){
		.mode = (uint32_t)prism_option_int(host, config, OPTION_MODE),
		.on_error = prism_option_int(host, config, OPTION_ON_ERROR) == ON_ERROR_BLOCK ? LSM_BLOCK : LSM_ALLOW,
		.interval_ns = rate ? NS_PER_SEC / rate : 0,
		.burst_ns = rate ? NS_PER_SEC / rate * (burst - 1) : 0,
	};
}

static int check_room(struct prism_host *host, const struct prism_config *config, const struct lsm_settings *settings)
{
	const struct prism_node *node = prism_option_node(host, config, OPTION_RULE_SETS);
	size_t entries = compiled_entries(&settings->compiled);

	if (entries > settings->sizes.rules)
		return prism_node_error(host, node, "the rules need %zu entries; raise max_rules, which is %u", entries,
					settings->sizes.rules);
	return 0;
}

int lsm_settings_read(struct prism_host *host, const struct prism_config *config, struct lsm_settings *ret_settings)
{
	struct lsm_settings next = {0};
	int r = read_sizes(host, config, &next.sizes);

	if (r < 0)
		return r;
	read_config(host, config, &next.config);
	r = policy_read(host, prism_option_node(host, config, OPTION_RULE_SETS),
			prism_option_node(host, config, OPTION_UNMANAGED), &next.policy);
	if (r == 0)
		r = compile(host, &next.policy, &next.compiled);
	if (r == 0)
		r = check_room(host, config, &next);
	if (r < 0) {
		lsm_settings_done(&next);
		return r;
	}
	*ret_settings = next;
	return 0;
}

void lsm_settings_done(struct lsm_settings *settings)
{
	policy_done(&settings->policy);
	compiled_done(&settings->compiled);
}

bool lsm_same_sizes(const struct lsm_sizes *a, const struct lsm_sizes *b)
{
	return a->ring == b->ring && a->rules == b->rules && a->identities == b->identities &&
	       a->counters == b->counters;
}
