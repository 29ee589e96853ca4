/* SPDX-License-Identifier: Apache-2.0 */
/* sd_notify(3): READY, RELOADING, STOPPING, STATUS and the watchdog, by the documented socket protocol. */
#ifndef ADMIN_NOTIFY_H
#define ADMIN_NOTIFY_H

#include <stdint.h>

/* Sends "READY=1\nSTATUS=..."; 0 also when nobody listens (NOTIFY_SOCKET unset). -errno. */
int notify_send(const char *state);
/* Half of WatchdogSec in ms, or 0 when there is no watchdog for this process. */
uint64_t notify_watchdog_ms(void);

#endif
