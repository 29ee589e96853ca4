// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <string.h>

enum {
	OPTION_EXEC,
	OPTION_EXIT,
	OPTION_FORK_EXITS,
	OPTION_MAX_ARGS,
	OPTION_MAX_ARG_BYTES,
	OPTION_REDACT,
	OPTION_RATE,
	OPTION_BURST,
	OPTION_RING_SIZE,
	OPTION_MAX_IDENTITIES,
	OPTIONS,
};

_Static_assert(OPTIONS == TRACE_OPTIONS, "the header says how many there are");

const struct prism_option trace_options[TRACE_OPTIONS] = {
	[OPTION_EXEC] = {.name = "exec", .kind = PRISM_OPTION_BOOL, .fallback = "true", .help = "Report each exec."},
	[OPTION_EXIT] = {.name = "exit",
			 .kind = PRISM_OPTION_BOOL,
			 .fallback = "true",
			 .help = "Report the exit of each process."},
	[OPTION_FORK_EXITS] = {.name = "fork_exits",
			       .kind = PRISM_OPTION_BOOL,
			       .fallback = "true",
			       .help = "Report the exit of processes that never called exec, too."},
	[OPTION_MAX_ARGS] = {.name = "max_args",
			     .kind = PRISM_OPTION_INT,
			     .min = 0,
			     .max = 1024,
			     .fallback = "32",
			     .help = "Arguments of one exec that are shown."},
	[OPTION_MAX_ARG_BYTES] = {.name = "max_arg_bytes",
				  .kind = PRISM_OPTION_SIZE,
				  .min = 0,
				  .max = TRACE_ARGS_MAX,
				  .fallback = "1KiB",
				  .help = "Bytes of arguments of one exec that are kept."},
	[OPTION_REDACT] = {.name = "redact",
			   .kind = PRISM_OPTION_LIST,
			   .help = "Arguments whose value is hidden, as `word value` and `word=value`; "
				   "default: --password, --passwd, --token, --secret."},
	[OPTION_RATE] = {.name = "rate",
			 .kind = PRISM_OPTION_INT,
			 .min = 0,
			 .max = 1000000,
			 .fallback = "2000",
			 .help = "Events a second of one identity, sustained; 0: no limit."},
	[OPTION_BURST] = {.name = "burst",
			  .kind = PRISM_OPTION_INT,
			  .min = 1,
			  .max = 1000000,
			  .fallback = "4000",
			  .help = "Events of one identity that may come at once."},
	[OPTION_RING_SIZE] = {.name = "ring_size",
			      .kind = PRISM_OPTION_SIZE,
			      .min = 64 << 10,
			      .max = 1 << 30,
			      .fallback = "1MiB",
			      .help = "Bytes of events that wait for prismd; a power of two."},
	[OPTION_MAX_IDENTITIES] = {.name = "max_identities",
				   .kind = PRISM_OPTION_INT,
				   .min = 1,
				   .max = 1 << 20,
				   .fallback = "16384",
				   .help = "Workload identities that have a rate and a count of their own."},
};

static const char *const default_redact[] = {"--password", "--passwd", "--token", "--secret"};

static int read_redact(struct prism_host *host, const struct prism_node *list, struct redact *redact)
{
	uint32_t n = list ? prism_node_count(host, list) : sizeof(default_redact) / sizeof(default_redact[0]);

	for (uint32_t i = 0; i < n; i++) {
		const struct prism_node *node = list ? prism_node_at(host, list, i, NULL) : NULL;
		const char *word = list ? prism_node_text(host, node) : default_redact[i];

		if (!word || !*word || strchr(word, '='))
			return prism_node_error(host, node, "expected the word before the value, such as --password");
		if (redact_add(redact, word) < 0)
			return prism_fail(host, ENOMEM, "trace: redact", "no memory");
	}
	return 0;
}

static int read_leg_config(struct prism_host *host, const struct prism_config *config, struct trace_leg_config *ret)
{
	const struct trace_leg_config next = {
		.exec = prism_option_int(host, config, OPTION_EXEC),
		.exit = prism_option_int(host, config, OPTION_EXIT),
		.fork_exits = prism_option_int(host, config, OPTION_FORK_EXITS),
		.max_arg_bytes = (uint32_t)prism_option_int(host, config, OPTION_MAX_ARG_BYTES),
		.ring_size = (uint32_t)prism_option_int(host, config, OPTION_RING_SIZE),
		.max_identities = (uint32_t)prism_option_int(host, config, OPTION_MAX_IDENTITIES),
		.rate = (uint32_t)prism_option_int(host, config, OPTION_RATE),
		.burst = (uint32_t)prism_option_int(host, config, OPTION_BURST),
	};

	if (next.ring_size & (next.ring_size - 1))
		return prism_node_error(host, prism_option_node(host, config, OPTION_RING_SIZE),
					"ring_size must be a power of two, such as 1MiB or 2MiB");
	if (!next.exec && !next.exit)
		return prism_node_error(
			host, prism_option_node(host, config, OPTION_EXEC),
			"exec: false and exit: false leave nothing to trace; disable the module instead");
	*ret = next;
	return 0;
}

bool trace_same_leg(const struct trace_leg_config *a, const struct trace_leg_config *b)
{
	return a->exec == b->exec && a->exit == b->exit && a->fork_exits == b->fork_exits &&
	       a->max_arg_bytes == b->max_arg_bytes && a->ring_size == b->ring_size &&
	       a->max_identities == b->max_identities && a->rate == b->rate && a->burst == b->burst;
}

int trace_config_read(struct prism_host *host, const struct prism_config *config, struct trace_config *ret_config)
{
	struct trace_config next = {.max_args = (size_t)prism_option_int(host, config, OPTION_MAX_ARGS)};
	int r = read_leg_config(host, config, &next.leg);

	if (r == 0)
		r = read_redact(host, prism_option_node(host, config, OPTION_REDACT), &next.redact);
	if (r < 0) {
		redact_done(&next.redact);
		return r;
	}
	*ret_config = next;
	return 0;
}
