/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled rule; shared by rules.c, which makes it, and rules_source.c, which applies it. */
#ifndef SOURCE_RULE_H
#define SOURCE_RULE_H

#include "source/pattern.h"
#include "source/rules.h"

struct rule_label {
	char *key;
	char *value; /* template */
};

struct rule {
	struct pattern *pattern;
	char *match;           /* as written */
	char *namespace_name;  /* template */
	char *service_account; /* template */
	struct rule_label *labels;
	size_t n_labels;
	const char *latency_class; /* constant; NULL: unset */
	char weight[8];            /* "": unset */
	char *origin;
};

struct rules {
	size_t n;
	struct rule rule[];
};

#endif
