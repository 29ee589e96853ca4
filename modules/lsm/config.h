/* SPDX-License-Identifier: Apache-2.0 */
/* The options of lsm and what they say. */
#ifndef LSM_CONFIG_H
#define LSM_CONFIG_H

#include "compile.h"
#include "policy.h"

#define LSM_OPTIONS 10

extern const struct prism_option lsm_options[LSM_OPTIONS];

/* What the programs are loaded with; a change of it loads them anew. */
struct lsm_sizes {
	uint32_t ring;
	uint32_t rules; /* entries of one policy; the map has room for two */
	uint32_t identities;
	uint32_t counters;
};

struct lsm_settings {
	struct lsm_sizes sizes;
	struct lsm_config config; /* without epoch and hooks */
	struct policy policy;
	struct compiled compiled;
};

/* 0, or -EINVAL or -ENOMEM with the host told why; *ret_settings untouched then. The caller frees. */
int lsm_settings_read(struct prism_host *host, const struct prism_config *config, struct lsm_settings *ret_settings);
void lsm_settings_done(struct lsm_settings *settings);

bool lsm_same_sizes(const struct lsm_sizes *a, const struct lsm_sizes *b);

#endif
