// SPDX-License-Identifier: Apache-2.0
#include "recovery.h"

#include <string.h>

static void forget_old(struct recovery *recovery, uint64_t window_ns, uint64_t now_ns)
{
	uint32_t old = 0;

	while (old < recovery->n && now_ns - recovery->tried_ns[old] >= window_ns)
		old++;
	recovery->n -= old;
	memmove(recovery->tried_ns, recovery->tried_ns + old, recovery->n * sizeof(recovery->tried_ns[0]));
}

static uint64_t backed_off(const struct recovery_limits *limits, uint32_t tries)
{
	uint64_t delay = limits->delay_ns;

	while (tries-- && delay < limits->window_ns)
		delay *= 2;
	return delay < limits->window_ns ? delay : limits->window_ns;
}

static enum recovery_step after_fault(struct recovery *recovery, const struct recovery_limits *limits, uint64_t now_ns,
				      uint64_t *ret_delay_ns)
{
	forget_old(recovery, limits->window_ns, now_ns);
	if (recovery->n >= limits->tries || recovery->n >= RECOVERY_TRIES_MAX)
		return RECOVERY_GIVEN_UP;
	*ret_delay_ns = backed_off(limits, recovery->n);
	recovery->tried_ns[recovery->n++] = now_ns;
	return RECOVERY_AGAIN;
}

/* At once, unless the last one was just now: a machine whose CPUs come and go all the time must not spin. */
static uint64_t restart_delay(struct recovery *recovery, uint64_t now_ns)
{
	uint64_t next = recovery->restarted_ns + RECOVERY_RESTART_SPACING_NS;
	uint64_t delay = recovery->restarted_ns && next > now_ns ? next - now_ns : 0;

	recovery->restarted_ns = now_ns + delay;
	return delay;
}

enum recovery_step recovery_next(struct recovery *recovery, const struct recovery_limits *limits,
				 enum recovery_cause cause, uint64_t now_ns, uint64_t *ret_delay_ns)
{
	*ret_delay_ns = 0;
	switch (cause) {
	case RECOVERY_RESTART:
		*ret_delay_ns = restart_delay(recovery, now_ns);
		return RECOVERY_AGAIN;
	case RECOVERY_FAULT:
		return after_fault(recovery, limits, now_ns, ret_delay_ns);
	case RECOVERY_OPERATOR:
		break;
	}
	return RECOVERY_LEFT_ALONE;
}
