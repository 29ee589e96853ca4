/* SPDX-License-Identifier: Apache-2.0 */
/* The host's own copy of what the configuration says of one module, so that settings can be replaced at any time while
 * modules come and go in their own time (a slow stop, a restart of the old file). */
#ifndef HOST_SETTING_H
#define HOST_SETTING_H

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"

/* Deep: strings, the entry's node and its config; ancestors without their other children, for paths in messages. */
int setting_copy(const struct module_setting *s, struct module_setting **ret);
void setting_free(struct module_setting *s);

/* Do both mean the same `config:`? Where it stands does not count. */
bool setting_same_config(const struct module_setting *a, const struct module_setting *b);
/* Changes when anything is changed that the configuration says of the module. */
uint64_t setting_fingerprint(const struct module_setting *s);

#endif
