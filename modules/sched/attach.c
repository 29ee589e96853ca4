// SPDX-License-Identifier: Apache-2.0
#include "attach.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "events.h"

#define NS_PER_MS UINT64_C(1000000)
#define FOREIGN_LOOK_NS (1000 * NS_PER_MS) /* how often it is looked whether the other scheduler is gone */
#define CHANGING_LOOK_NS (100 * NS_PER_MS) /* the same while one comes or goes */
#define REMEDY "`prismctl module reload sched`"

static void try_again(void *arg);
static void on_exit_record(void *arg);

const char *attach_word(enum attach_state state)
{
	static const char *const words[ATTACH_STATES] = {
		[ATTACH_OFF] = "off",           [ATTACH_ON] = "attached",           [ATTACH_FOREIGN] = "foreign",
		[ATTACH_RETRYING] = "retrying", [ATTACH_LEFT_ALONE] = "left_alone", [ATTACH_GIVEN_UP] = "given_up",
	};

	return words[state];
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void disarm(struct attach *attach)
{
	prism_timer_stop(attach->host, attach->timer);
	attach->timer = NULL;
}

/* The timer is that of RETRYING and FOREIGN. */
static void set_state(struct attach *attach, enum attach_state state)
{
	bool was_on = attach->state == ATTACH_ON;

	attach->state = state;
	if (state != ATTACH_RETRYING && state != ATTACH_FOREIGN)
		disarm(attach);
	if (was_on != (state == ATTACH_ON))
		attach->changed(attach->arg);
}

static int arm(struct attach *attach, uint64_t delay_ns)
{
	int r;

	disarm(attach);
	r = prism_timer_start(attach->host, (delay_ns + NS_PER_MS - 1) / NS_PER_MS, 0, try_again, attach,
			      &attach->timer);
	return r < 0 ? prism_fail(attach->host, -r, "sched: starting a timer", "%s", strerror(-r)) : 0;
}

static int read_kernel(struct attach *attach, struct kernel_sched *ret_kernel)
{
	int r = kernel_sched_read(KERNEL_SCHED_DIR, ret_kernel);

	if (r < 0)
		return prism_fail(attach->host, -r, "sched: reading " KERNEL_SCHED_DIR, "%s", strerror(-r));
	return 0;
}

/* ---- the kernel lets go of it ------------------------------------------------------------------------------------ */

/* At once, before there is another scheduler; where there is one already, the link stays until that is gone. */
static int drop_dead_link(struct attach *attach)
{
	int r = leg_detach(attach->leg);

	return r == -EBUSY ? 0 : r;
}

static void say_next(char *text, size_t size, enum recovery_step step, const struct attach *attach, uint64_t delay_ns)
{
	const struct recovery_limits *limits = &attach->settings->limits;

	switch (step) {
	case RECOVERY_AGAIN:
		if (delay_ns < NS_PER_MS)
			snprintf(text, size, "it is attached again at once");
		else
			snprintf(text, size, "it is attached again after %" PRIu64 " ms", delay_ns / NS_PER_MS);
		break;
	case RECOVERY_LEFT_ALONE:
		snprintf(text, size, "an operator did that: it stays away until " REMEDY);
		break;
	case RECOVERY_GIVEN_UP:
		snprintf(text, size,
			 "it was attached again %" PRIu32 " times within %" PRIu64
			 " s (retries, retry_window): it stays away until " REMEDY,
			 limits->tries, limits->window_ns / (1000 * NS_PER_MS));
		break;
	}
}

static void say_exit(struct attach *attach, const struct sched_exit *exit, const char *next, bool lasting)
{
	const char *reason = *exit->reason ? exit->reason : "no reason given";
	const char *colon = *exit->message ? ": " : "";

	event_exited(attach->host, exit, kernel_exit_word(kernel_exit(exit->kind, exit->code)), next);
	prism_log(attach->host, PRISM_LOG_WARNING, "the kernel let go of the scheduler (%s%s%s); %s", reason, colon,
		  exit->message, next);
	if (lasting)
		prism_condition(attach->host, "the kernel let go of the scheduler (%s%s%s) and schedules by itself; %s",
				reason, colon, exit->message, next);
}

static int after_exit(struct attach *attach, const struct sched_exit *exit)
{
	static const enum attach_state states[] = {[RECOVERY_AGAIN] = ATTACH_RETRYING,
						   [RECOVERY_LEFT_ALONE] = ATTACH_LEFT_ALONE,
						   [RECOVERY_GIVEN_UP] = ATTACH_GIVEN_UP};
	enum recovery_step step;
	uint64_t delay_ns;
	char next[256];
	int r;

	step = recovery_next(&attach->recovery, &attach->settings->limits, kernel_exit_cause(exit->kind, exit->code),
			     monotonic_ns(), &delay_ns);
	attach->exits[kernel_exit(exit->kind, exit->code)]++;
	attach->ended_ns = exit->ktime_ns;
	say_next(next, sizeof(next), step, attach, delay_ns);
	say_exit(attach, exit, next, step != RECOVERY_AGAIN || delay_ns);
	leg_note_told(attach->leg, exit->ktime_ns);
	set_state(attach, states[step]);
	r = drop_dead_link(attach);
	if (r < 0 || step != RECOVERY_AGAIN)
		return r;
	return arm(attach, delay_ns);
}

/* The ring may still tell of an end that has been dealt with: then it is not ON, or the record is empty again. */
static void on_exit_record(void *arg)
{
	struct attach *attach = arg;
	struct sched_exit exit;

	if (attach->state == ATTACH_ON && leg_read_exit(attach->leg, &exit) == 0 && exit.kind)
		after_exit(attach, &exit);
}

/* ---- another scheduler ------------------------------------------------------------------------------------------- */

static int wait_for_foreign(struct attach *attach, const char *name)
{
	const char *shown = *name ? name : "of another program";

	if (attach->state != ATTACH_FOREIGN || strcmp(attach->foreign, shown)) {
		snprintf(attach->foreign, sizeof(attach->foreign), "%s", shown);
		event_foreign(attach->host, attach->foreign);
		prism_condition(
			attach->host,
			"the scheduler %s is loaded and the kernel has room for one: it is left alone, this one "
			"is attached when it is gone; unload it, or disable the module sched",
			attach->foreign);
	}
	set_state(attach, ATTACH_FOREIGN);
	return arm(attach, FOREIGN_LOOK_NS);
}

/* One comes or goes: who it is shows in a moment. */
static int wait_for_change(struct attach *attach)
{
	if (attach->state != ATTACH_FOREIGN)
		set_state(attach, ATTACH_RETRYING);
	return arm(attach, CHANGING_LOOK_NS);
}

/* ---- attach ------------------------------------------------------------------------------------------------------ */

static void announce(struct attach *attach, const char *how)
{
	uint64_t now = monotonic_ns(), gap_ns = attach->ended_ns ? now - attach->ended_ns : 0;
	struct kernel_sched kernel = {0};

	kernel_sched_read(KERNEL_SCHED_DIR, &kernel);
	attach->ended_ns = 0;
	if (gap_ns) {
		attach->gap_ns = gap_ns;
		prism_log(attach->host, PRISM_LOG_INFO,
			  "scheduler %s; the kernel's own one had the tasks for %" PRIu64 ".%03" PRIu64 " ms", how,
			  gap_ns / NS_PER_MS, gap_ns % NS_PER_MS / 1000);
	} else {
		prism_log(attach->host, PRISM_LOG_INFO, "scheduler %s, without a gap", how);
	}
	event_attached(attach->host, how, gap_ns, kernel.enable_seq);
	prism_condition(attach->host, NULL);
	set_state(attach, ATTACH_ON);
}

/* An end that nobody has told of yet, because no prismd ran. */
static void tell_earlier_end(struct attach *attach, struct leg *leg)
{
	struct sched_exit exit;

	if (leg_read_exit(leg, &exit) < 0 || !exit.kind)
		return;
	if (!attach->ended_ns)
		attach->ended_ns = exit.ktime_ns;
	if (leg_told(leg) == exit.ktime_ns)
		return;
	attach->exits[kernel_exit(exit.kind, exit.code)]++;
	say_exit(attach, &exit, "no prismd ran then; it is attached again now", false);
	leg_note_told(leg, exit.ktime_ns);
}

static int attach_fresh(struct attach *attach, struct leg *leg)
{
	int r = leg_attach(leg);

	return r < 0 ? r : leg_watch(leg, on_exit_record, attach);
}

static int attach_leg(struct attach *attach, struct leg *leg, bool ours)
{
	struct sched_exit exit;
	const char *how;
	int r;

	if (ours)
		attach->ended_ns = monotonic_ns();
	else
		tell_earlier_end(attach, leg);
	how = ours ? "replaced" : attach->ended_ns ? "reattached" : "attached";
	r = leg_detach(leg);
	if (r == 0)
		r = attach_fresh(attach, leg);
	if (r < 0) {
		leg_free(leg, PRISM_STOP_SHUTDOWN);
		return r;
	}
	leg_free(attach->leg, PRISM_STOP_REPLACE);
	attach->leg = leg;
	/* The kernel accepts a scheduler that it ends in the same breath, for instance when a CPU just went. */
	if (leg_read_exit(leg, &exit) == 0 && exit.kind)
		return after_exit(attach, &exit);
	announce(attach, how);
	return 0;
}

static int adopt_leg(struct attach *attach, struct leg *leg)
{
	int r = leg_watch(leg, on_exit_record, attach);

	if (r < 0) {
		leg_free(leg, PRISM_STOP_SHUTDOWN);
		return r;
	}
	leg_free(attach->leg, PRISM_STOP_REPLACE);
	attach->leg = leg;
	announce(attach, "adopted");
	return 0;
}

/* Somebody else was quicker, or is just going. */
static int after_busy(struct attach *attach)
{
	struct kernel_sched kernel;
	int r = read_kernel(attach, &kernel);

	if (r < 0)
		return r;
	return kernel.state == KERNEL_SCHED_ENABLED ? wait_for_foreign(attach, kernel.ops) : wait_for_change(attach);
}

static int try(struct attach *attach)
{
	struct kernel_sched kernel;
	struct leg *leg;
	bool ours, adopt;
	int r = read_kernel(attach, &kernel);

	if (r < 0)
		return r;
	ours = leg_is_ours(attach->host, &kernel);
	if (kernel.state == KERNEL_SCHED_CHANGING)
		return wait_for_change(attach);
	if (kernel.state == KERNEL_SCHED_ENABLED && !ours)
		return wait_for_foreign(attach, kernel.ops);
	adopt = ours;
	r = leg_open(attach->host, attach->settings, &kernel, &adopt, &leg);
	if (r < 0)
		return r;
	r = adopt ? adopt_leg(attach, leg) : attach_leg(attach, leg, ours);
	return r == -EBUSY ? after_busy(attach) : r;
}

static void try_again(void *arg)
{
	struct attach *attach = arg;

	disarm(attach);
	if (try(attach) < 0)
		set_state(attach, ATTACH_OFF);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

int attach_start(struct attach *attach)
{
	return try(attach);
}

/* A reload took the scheduler away and could not attach the other one: as if the kernel had. */
static void recover_from_reload(struct attach *attach)
{
	struct kernel_sched kernel;

	if (attach->state != ATTACH_ON || kernel_sched_read(KERNEL_SCHED_DIR, &kernel) < 0 ||
	    leg_is_ours(attach->host, &kernel))
		return;
	set_state(attach, ATTACH_RETRYING);
	arm(attach, attach->settings->limits.delay_ns);
}

int attach_configure(struct attach *attach, const struct sched_settings *settings)
{
	const struct sched_settings *before = attach->settings;
	const struct recovery recovery = attach->recovery;
	int r;

	if (attach->state == ATTACH_ON && sched_settings_same_load(before, settings)) {
		r = leg_configure(attach->leg, &settings->config);
		if (r == 0)
			attach->settings = settings;
		return r;
	}
	attach->settings = settings;
	attach->recovery = (struct recovery){0};
	if (attach->state == ATTACH_OFF || attach->state == ATTACH_FOREIGN)
		return 0;
	/* A try that is due stays due until this one has come to something. */
	r = try(attach);
	if (r < 0) {
		attach->settings = before;
		attach->recovery = recovery;
		recover_from_reload(attach);
	}
	return r;
}

void attach_stop(struct attach *attach, enum prism_stop why)
{
	disarm(attach);
	leg_free(attach->leg, why);
	attach->leg = NULL;
	attach->state = ATTACH_OFF;
}
