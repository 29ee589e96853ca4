/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules' timers and fd watches on the loop. What a module holds is a number in the disguise of a pointer, never used
 * twice: stopping one twice, or one that is gone, is found out and does nothing.
 */
#ifndef HOST_HANDLES_H
#define HOST_HANDLES_H

#include <prism/host.h>

struct module;

#define HANDLES_MAX 256 /* of one module */

int handle_timer(struct module *m, uint64_t delay_ms, uint64_t repeat_ms, prism_timer_fn fn, void *arg,
		 struct prism_timer **ret);
int handle_watch(struct module *m, int fd, uint32_t events, prism_watch_fn fn, void *arg, struct prism_watch **ret);
void handle_timer_stop(struct prism_timer *timer);
void handle_watch_stop(struct prism_watch *watch);
/* Every one of the module. */
void handles_stop(struct module *m);

#endif
