/* SPDX-License-Identifier: Apache-2.0 */
/* prismd: arguments, signals, and the loop that everything runs on. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <sodium.h>

#include "admin/admin.h"
#include "admin/notify.h"
#include "agent/agent.h"
#include "base/log.h"
#include "base/util.h"
#include "host/ledger.h"

enum {
	EXIT_USAGE = 2,
};

struct daemon {
	uv_loop_t loop;
	struct agent agent;
	struct admin *admin;
	uv_signal_t signals[3];
	uv_timer_t watchdog;
	bool stopping;
	bool remove;
};

static const char usage[] =
	"Usage: prismd [--config FILE] [--set KEY=VALUE]... [--remove-on-exit]\n"
	"\n"
	"Derives an identity for each workload of this node and publishes it to the kernel.\n"
	"\n"
	"  -c, --config FILE     configuration (default " PRISM_CONFIG "; conf.d beside it is read too)\n"
	"  -s, --set KEY=VALUE   one key of the configuration, after all files: -s bus.capacity=1024\n"
	"      --remove-on-exit  a clean stop takes the bus, links and counters away (node.on_exit: remove)\n"
	"  -V, --version\n"
	"  -h, --help\n"
	"\n"
	"Signals: SIGHUP reads the configuration again; SIGTERM and SIGINT stop.\n"
	"Exit status: 0 stopped cleanly, 1 error, 2 usage.\n"
	"prismctl(1) talks to a running prismd. prism.yaml(5) describes the configuration.\n";

static void on_handle_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void close_handles(struct daemon *d)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(d->signals); i++)
		uv_close((uv_handle_t *)&d->signals[i], on_handle_closed);
	uv_close((uv_handle_t *)&d->watchdog, on_handle_closed);
}

static void on_stopped(void *arg)
{
	close_handles(arg);
}

static void stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	notify_send("STOPPING=1");
	log_info("prismd", "stopping");
	admin_stop(TAKE_PTR(d->admin));
	agent_stop(&d->agent, d->remove || d->agent.settings->on_exit == EXIT_REMOVE, on_stopped, d);
}

static void reload_done(void *arg, const struct problems *p)
{
	size_t i;

	(void)arg;
	if (p->n)
		log_error("config", "nothing was changed: the new configuration has %zu problem(s)", p->n + p->dropped);
	for (i = 0; i < p->n; i++)
		log_problem(LOG_LEVEL_ERROR, "config", &p->list[i]);
	notify_send("READY=1");
}

static void reload(struct daemon *d)
{
	struct problems p = {0};
	char state[64];

	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(monotonic_ns() / 1000));
	notify_send(state);
	if (agent_reload(&d->agent, &p, reload_done, d) < 0)
		reload_done(d, &p);
	problems_done(&p);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct daemon *d = handle->data;

	if (signum == SIGHUP)
		reload(d);
	else
		stop(d);
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	notify_send("WATCHDOG=1");
}

static void on_reload(struct agent *agent)
{
	struct daemon *d = agent->on_reload_arg;
	struct error e = {0};

	if (admin_reconfigure(d->admin, &e) < 0)
		log_problem(LOG_LEVEL_ERROR, "admin", &e);
}

/* A SIGHUP that comes before somebody listens waits: its default would end prismd. */
static void hold_hangup(bool hold)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static int start_signals(struct daemon *d)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	uint64_t watchdog = notify_watchdog_ms();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		int r = uv_signal_init(&d->loop, &d->signals[i]);

		d->signals[i].data = d;
		if (!r)
			r = uv_signal_start(&d->signals[i], on_signal, numbers[i]);
		if (r)
			return r;
	}
	hold_hangup(false);
	uv_timer_init(&d->loop, &d->watchdog);
	if (watchdog)
		uv_timer_start(&d->watchdog, on_watchdog, 0, watchdog);
	return 0;
}

/*
 * Held while the modules start: what they leave may be nothing, and then no request could be accepted or refused. Fewer
 * where there are no more; what comes next fails then and says so.
 */
static void take_spare(int spare[static SPARE_DESCRIPTORS])
{
	for (size_t i = 0; i < SPARE_DESCRIPTORS; i++)
		spare[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void give_back(const int spare[static SPARE_DESCRIPTORS])
{
	for (size_t i = 0; i < SPARE_DESCRIPTORS; i++)
		if (spare[i] >= 0)
			close(spare[i]);
}

static int run(struct daemon *d, struct settings *settings)
{
	int spare[SPARE_DESCRIPTORS];
	struct error e = {0};
	int r;

	/* First: one that comes while modules are looked at stops prismd when it has come up, instead of half way. */
	r = uv_loop_init(&d->loop);
	if (!r)
		r = start_signals(d);
	if (r) {
		log_error("prismd", "no event loop: %s", uv_strerror(r));
		settings_free(settings);
		return EXIT_FAILURE;
	}
	take_spare(spare);
	r = agent_start(&d->agent, &d->loop, settings, &e);
	give_back(spare);
	if (r < 0) {
		log_problem(LOG_LEVEL_ERROR, "prismd", &e);
		d->stopping = true;
		close_handles(d);
		uv_run(&d->loop, UV_RUN_DEFAULT);
		settings_free(settings);
		return EXIT_FAILURE;
	}
	d->agent.on_reload = on_reload;
	d->agent.on_reload_arg = d;
	r = admin_start(&d->agent, &d->admin, &e);
	if (r < 0) {
		log_problem(LOG_LEVEL_ERROR, "prismd", &e);
		stop(d);
	} else {
		notify_send("READY=1\nSTATUS=identities are on the bus");
	}
	uv_run(&d->loop, UV_RUN_DEFAULT);
	uv_loop_close(&d->loop);
	log_info("prismd", "stopped");
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int load(struct settings_source *source, struct settings **ret)
{
	struct problems p = {0};
	size_t i;
	int r = settings_load(source, ret, &p);

	for (i = 0; i < p.n; i++)
		log_problem(LOG_LEVEL_ERROR, "config", &p.list[i]);
	if (p.dropped)
		log_error("config", "and %zu more", p.dropped);
	problems_done(&p);
	return r;
}

/* From here on a module that crashes or blocks costs a restart in place, not the node. */
static void restart_on_crash(char **argv)
{
	static char self[PATH_MAX];

	/* By its path: executed as /proc/self/exe the new process would be called "exe". */
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) > 0)
		host_crash_setup(self, argv);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},   {"set", required_argument, NULL, 's'},
		{"remove-on-exit", no_argument, NULL, 'r'}, {"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},           {0},
	};
	static const char *overlay[64];
	static struct daemon d;
	struct settings *settings;
	size_t n_overlay = 0;
	int c;

	if (argc > 1 && strcmp(argv[1], "--probe-module") == 0)
		return host_probe_main(argc, argv);
	restart_on_crash(argv);
	hold_hangup(true);
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
	d.agent.settings_source = (struct settings_source){.path = PRISM_CONFIG, .overlay = overlay, .optional = true};
	while ((c = getopt_long(argc, argv, "c:s:Vh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			d.agent.settings_source.path = optarg;
			d.agent.settings_source.optional = false;
			break;
		case 's':
			if (n_overlay + 1 == ARRAY_SIZE(overlay)) {
				fprintf(stderr, "prismd: more than %zu --set\n", ARRAY_SIZE(overlay) - 1);
				return EXIT_USAGE;
			}
			overlay[n_overlay++] = optarg;
			break;
		case 'r':
			d.remove = true;
			break;
		case 'V':
			puts("prismd " PRISM_VERSION);
			return EXIT_SUCCESS;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			fputs("Try `prismd --help`.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "prismd: unexpected argument \"%s\"\nTry `prismd --help`.\n", argv[optind]);
		return EXIT_USAGE;
	}
	if (sodium_init() < 0 || load(&d.agent.settings_source, &settings) < 0)
		return EXIT_FAILURE;
	signal(SIGPIPE, SIG_IGN);
	return run(&d, settings);
}
