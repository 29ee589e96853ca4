/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/priority.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

static pid_t thread;  /* of the loop */
static bool realtime; /* wanted and to be had */
static volatile sig_atomic_t fell_back;
static char problem[256];

static int set_fifo(void)
{
	struct sched_param p = {.sched_priority = 1};

	return sched_setscheduler(thread, SCHED_FIFO | SCHED_RESET_ON_FORK, &p) < 0 ? -errno : 0;
}

/* The kernel signals the process, whichever thread was too long: only system calls here. */
static void on_limit(int signum)
{
	static const struct sched_param none;
	int saved = errno;

	(void)signum;
	if (sched_setscheduler(thread, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) == 0)
		fell_back = 1;
	errno = saved;
}

static void set_limit(void)
{
	struct rlimit limit;
	struct sigaction action = {.sa_handler = on_limit, .sa_flags = SA_RESTART};

	sigaction(SIGXCPU, &action, NULL);
	/* The signal comes again each second past the limit; the hard limit, which kills, stays where it was. */
	if (getrlimit(RLIMIT_RTTIME, &limit) == 0) {
		limit.rlim_cur = PRIORITY_LIMIT_MS * 1000;
		if (limit.rlim_cur > limit.rlim_max)
			limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_RTTIME, &limit);
	}
}

void priority_apply(const struct settings *settings)
{
	static const struct sched_param none;
	int r;

	thread = gettid();
	problem[0] = '\0';
	fell_back = 0;
	realtime = false;
	if (setpriority(PRIO_PROCESS, (id_t)thread, settings->nice) < 0)
		snprintf(problem, sizeof(problem), "nice value %d: %s; give prismd CAP_SYS_NICE, or set node.nice: 0",
			 settings->nice, strerror(errno));
	if (settings->scheduling == SCHEDULING_REALTIME) {
		set_limit();
		r = set_fifo();
		realtime = r == 0;
		if (r < 0)
			snprintf(problem, sizeof(problem),
				 "real-time scheduling: %s; give prismd CAP_SYS_NICE, or set node.scheduling: normal",
				 strerror(-r));
	} else {
		sched_setscheduler(thread, SCHED_OTHER, &none);
	}
	if (problem[0])
		log_warning("agent", "%s", problem);
}

void priority_restore(void)
{
	if (!realtime || !fell_back)
		return;
	fell_back = 0;
	log_debug("agent", "real-time scheduling again: the loop had held a CPU for %d ms", PRIORITY_LIMIT_MS);
	if (set_fifo() < 0)
		fell_back = 1;
}

const char *priority_problem(void)
{
	return problem[0] ? problem : NULL;
}
