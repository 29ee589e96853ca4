/* SPDX-License-Identifier: Apache-2.0 */
/* The options of sched and what they say. */
#ifndef SCHED_SETTINGS_H
#define SCHED_SETTINGS_H

#include <prism/host.h>

#include "recovery.h"
#include "sched.h"
#include "select.h"

#define SCHED_OPTIONS 17

extern const struct prism_option sched_options[SCHED_OPTIONS];

struct sched_settings {
	/* The object is loaded with these; a change detaches the scheduler and attaches it again. */
	bool partial;
	uint32_t max_identities;
	/* These change while it runs. */
	struct sched_config config;
	struct recovery_limits limits;
	struct select select;
};

/* 0, or -EINVAL or -ENOMEM with the host told why; *ret_settings untouched then. The caller frees. */
int sched_settings_read(struct prism_host *host, const struct prism_config *config,
			struct sched_settings *ret_settings);
void sched_settings_done(struct sched_settings *settings);

/* An object that is loaded with the one does for the other, too. */
bool sched_settings_same_load(const struct sched_settings *a, const struct sched_settings *b);

#endif
