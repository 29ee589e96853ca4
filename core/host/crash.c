/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "host/crash.h"
#include "host/ledger.h"

/* A callback is late when this many ticks in a row find it unchanged. Ticks and not a clock: a process that was frozen
 * or stopped in a debugger for a minute has one late tick, not a late module. */
#define TICKS 4

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* One process, one argv, one set of handlers: there is nothing to have two of. */
static struct {
	const char *exe; /* NULL: not set up */
	char **argv;
	sigset_t mask; /* of the process as it was started */
	pthread_t loop_thread;
	struct crash_page *page;
	uint64_t running; /* see crash_note() */
	pthread_t watchdog;
	bool watching;
	uint64_t tick_ns;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool quit;
} crash = {.lock = PTHREAD_MUTEX_INITIALIZER};

static char alternate_stack[64 << 10];

void crash_note(uint64_t what)
{
	__atomic_store_n(&crash.running, what, __ATOMIC_RELEASE);
}

uint64_t crash_noted(void)
{
	return __atomic_load_n(&crash.running, __ATOMIC_ACQUIRE);
}

/* Async-signal-safe, as is everything it calls. */
static void mark(uint64_t what, unsigned int cause)
{
	crash.page->mark_ns = wall_ns();
	__atomic_store_n(&crash.page->mark, (uint64_t)cause << 16 | (what & 0xffff), __ATOMIC_RELEASE);
}

static bool restart_allowed(void)
{
	struct crash_page *page = crash.page;
	uint64_t now = wall_ns();

	if (now < page->restart_first_ns || now - page->restart_first_ns > LEDGER_RESTART_WINDOW_NS) {
		page->restart_first_ns = now;
		page->restarts = 0;
	}
	return ++page->restarts <= LEDGER_MAX_RESTARTS;
}

/* Returns only if it may not or cannot. Every fd of prismd is close-on-exec; a module's library may have others. */
static void restart(void)
{
	static const struct sched_param none;
	static const char said[] = "prismd: a module's code failed; starting anew in place\n";

	if (!restart_allowed())
		return;
	if (write(STDERR_FILENO, said, sizeof(said) - 1) < 0) {
		/* nobody listens; the new image tells the log again */
	}
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		signal(fatal[i], SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &crash.mask, NULL);
	/* As prismd is started; a real-time thread's limits would end the new image in its start-up walk. */
	sched_setscheduler(0, SCHED_OTHER, &none);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	execve(crash.exe, crash.argv, environ);
}

/* Raised by what the module did, and not sent by another process that picked an odd signal to end prismd? */
static bool own_fault(const siginfo_t *info)
{
	return info->si_code > 0 || (info->si_code == SI_TKILL && info->si_pid == getpid());
}

static void crashed(int sig, siginfo_t *info, void *context)
{
	uint64_t what = crash_noted();

	(void)context;
	if ((what & 0xffff) && own_fault(info) && pthread_equal(pthread_self(), crash.loop_thread)) {
		mark(what, (unsigned int)sig);
		restart();
	}
	signal(sig, SIG_DFL);
	/* A fault comes again when the instruction is run again; one that was sent has to be sent again. */
	if (info->si_code <= 0)
		raise(sig);
}

void host_crash_setup(const char *self_exe, char **argv)
{
	stack_t stack = {.ss_sp = alternate_stack, .ss_size = sizeof(alternate_stack)};
	struct sigaction action = {.sa_sigaction = crashed, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	/* A restart in place leaves the children of the image before: nobody else would reap them. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	crash.exe = self_exe;
	crash.argv = argv;
	crash.loop_thread = pthread_self();
	pthread_sigmask(SIG_SETMASK, NULL, &crash.mask);
	sigaltstack(&stack, NULL);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaction(fatal[i], &action, NULL);
}

void crash_arm(struct crash_page *page)
{
	crash.page = page;
}

static void late(uint64_t what)
{
	mark(what, LEDGER_CAUSE_DEADLINE);
	restart();
	/* Too many restarts: die here, with a core that shows where the loop hangs. */
	abort();
}

static void *watch(void *arg)
{
	uint64_t last = 0;
	unsigned int ticks = 0;

	(void)arg;
	pthread_mutex_lock(&crash.lock);
	while (!crash.quit) {
		uint64_t at = monotonic_ns() + crash.tick_ns, what;
		struct timespec until = {.tv_sec = (time_t)(at / NS_PER_SEC), .tv_nsec = (long)(at % NS_PER_SEC)};

		if (pthread_cond_timedwait(&crash.wake, &crash.lock, &until) != ETIMEDOUT)
			continue;
		what = crash_noted();
		ticks = (what & 0xffff) && what == last ? ticks + 1 : 0;
		last = what;
		if (ticks >= TICKS)
			late(what);
	}
	pthread_mutex_unlock(&crash.lock);
	return NULL;
}

static void end_watchdog(void)
{
	if (!crash.watching)
		return;
	pthread_mutex_lock(&crash.lock);
	crash.quit = true;
	pthread_cond_signal(&crash.wake);
	pthread_mutex_unlock(&crash.lock);
	pthread_join(crash.watchdog, NULL);
	pthread_cond_destroy(&crash.wake);
	crash.watching = false;
}

static int start_thread(void)
{
	pthread_condattr_t attributes;
	sigset_t all, before;
	int r;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&crash.wake, &attributes);
	pthread_condattr_destroy(&attributes);
	/* Signals are the loop's: this thread takes none. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	crash.quit = false;
	r = pthread_create(&crash.watchdog, NULL, watch, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

void crash_watch(uint64_t deadline_ms)
{
	uint64_t tick_ns = deadline_ms * NS_PER_MS / TICKS;
	int r;

	if (!crash.exe || (crash.watching && tick_ns == crash.tick_ns))
		return;
	end_watchdog();
	if (!deadline_ms)
		return;
	crash.tick_ns = tick_ns;
	r = start_thread();
	crash.watching = !r;
	if (r)
		log_warning("host", "no watchdog for modules that block: %s", strerror(r));
}
