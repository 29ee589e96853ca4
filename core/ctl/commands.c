/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/commands.h"

/* In the order of --help: what is asked most comes first. */
const struct command *const ctl_commands[] = {
	&status_command,
	&identity_list_command,
	&identity_get_command,
	&identity_watch_command,
	&identity_explain_command,
	&events_command,
	&module_list_command,
	&module_show_command,
	&module_enable_command,
	&module_disable_command,
	&module_reload_command,
	&facet_list_command,
	&profile_list_command,
	&profile_show_command,
	&config_check_command,
	&config_show_command,
	&reload_command,
	&doctor_command,
	&caps_command,
	&cleanup_command,
	&completion_command,
	&version_command,
	NULL,
};
