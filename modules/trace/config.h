/* SPDX-License-Identifier: Apache-2.0 */
/* The options of trace and what they say. */
#ifndef TRACE_CONFIG_H
#define TRACE_CONFIG_H

#include <prism/host.h>

#include "args.h"
#include "leg.h"

#define TRACE_OPTIONS 10

extern const struct prism_option trace_options[TRACE_OPTIONS];

struct trace_config {
	struct trace_leg_config leg;
	struct redact redact;
	size_t max_args;
};

/* 0, or -EINVAL or -ENOMEM with the host told why; *ret_config untouched then. The caller frees redact. */
int trace_config_read(struct prism_host *host, const struct prism_config *config, struct trace_config *ret_config);

/* The programs that are loaded with the one do for the other, too. */
bool trace_same_leg(const struct trace_leg_config *a, const struct trace_leg_config *b);

#endif
