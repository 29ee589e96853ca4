/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, each defined in its noun's file, and what those files lend each other. */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/args.h"

extern const struct command status_command;
extern const struct command identity_list_command, identity_get_command, identity_watch_command,
	identity_explain_command;
extern const struct command module_list_command, module_show_command, module_enable_command, module_disable_command,
	module_reload_command;
extern const struct command facet_list_command;
extern const struct command profile_list_command, profile_show_command;
extern const struct command config_check_command, config_show_command;
extern const struct command events_command;
extern const struct command doctor_command, caps_command;
extern const struct command reload_command, cleanup_command, version_command, completion_command;

/* Why a module is in the state it is in; "" when there is nothing to say. Accepts a string or an error object. */
const char *module_reason(const json_t *module);

/* Not as configured: failed, quarantined, or required and not running. */
bool module_troubled(const json_t *module);
/* Its state, or "degraded" for one that runs and does not do its work. */
const char *module_state_word(const json_t *module);
/* One module as `module show` prints it, with the options it declares. */
void module_print(struct ctl *ctl, const json_t *module);

/* Number of an identity given by number or by name ("shop/checkout"), online or from files. */
int identity_resolve(struct ctl *ctl, const char *text, uint32_t *ret, struct error *e);
/* "net,trace" of a JSON array of strings, or "-", into buf. */
const char *join_names(const json_t *array, char *buf, size_t size);
/* An identity's weight for a key-value view: "64" or "unset", into buf. */
const char *weight_text(const json_t *identity, char *buf, size_t size);

/* A completion script for this shell; -EINVAL: not one of bash, zsh, fish. */
int completion_print(const char *shell, FILE *out);

#endif
