/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A module that does as its configuration says, in every way a module can misbehave once it is loaded, and tells the
 * event stream what it hears: events `step` {what, n}. Built twice (FIXTURE_VERSION) so that one can replace the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"

enum trouble {
	NONE,
	PROBE_UNSUPPORTED,
	OPEN_FAILS,
	CONFIGURE_FAILS,
	CONFIGURE_NODE,
	START_FAILS,
	START_SILENT,
	REPLAY_FAILS,
	TIMER_FAILS,
	STOP_SLOW,
	STOP_NEVER,
	DOUBLE_STOP,
	BAD_EVENTS,
	CLAIM_ONE,
	CLAIM_NONE,
	WATCH,
	CLOSED_FD,
	BLOCK_IN_TIMER,
	CRASH_IN_TIMER,
	STALE_CALLS,
	DEGRADED,
	PROGRAM,
};

static const char *const troubles[] = {"none",
				       "probe-unsupported",
				       "open-fails",
				       "configure-fails",
				       "configure-node",
				       "start-fails",
				       "start-silent",
				       "replay-fails",
				       "timer-fails",
				       "stop-slow",
				       "stop-never",
				       "double-stop",
				       "bad-events",
				       "claim-one",
				       "claim-none",
				       "watch",
				       "closed-fd",
				       "block-in-timer",
				       "crash-in-timer",
				       "stale-calls",
				       "degraded",
				       "program",
				       NULL};

enum { OPTION_DO, OPTION_LEVEL, OPTION_RULES };
static const struct prism_option options[] = {
	{.name = "do", .kind = PRISM_OPTION_ENUM, .fallback = "none", .choices = troubles, .help = "What goes wrong."},
	{.name = "level", .kind = PRISM_OPTION_INT, .min = 1, .max = 9, .fallback = "5", .help = "How much."},
	{.name = "rules", .kind = PRISM_OPTION_NODE, .help = "Anything."},
};
static const struct prism_metric metrics[] = {
	{.name = "prism_" FIXTURE_METRIC "_steps_total", .kind = PRISM_METRIC_COUNTER, .help = "Steps."},
	{.name = "prism_" FIXTURE_METRIC "_seen",
	 .kind = PRISM_METRIC_GAUGE,
	 .flags = PRISM_METRIC_BY_IDENTITY,
	 .help = "Identities."},
};
static const struct prism_event_type events[] = {{.name = "step", .help = "A step."}};

struct life {
	struct prism_host *host;
	enum trouble trouble;
	struct prism_timer *timer;
	struct prism_watch *watch;
	int pipe[2];
	uint64_t steps;
	int64_t level;
	const struct prism_config *stale_config;
	struct prism_sink *stale_sink;
};

static struct life *last;
static enum trouble probe_trouble; /* probe() comes before configure(): the environment says */

static void say_of(struct life *l, const char *what, uint64_t n, uint32_t identity)
{
	const struct prism_field fields[] = {
		{.key = "what", .kind = PRISM_FIELD_TEXT, .v.text = what},
		{.key = "n", .kind = PRISM_FIELD_UNSIGNED, .v.u = n},
	};
	const struct prism_event event = {.size = sizeof(event),
					  .identity = identity,
					  .fields = fields,
					  .n_fields = 2,
					  .field_size = sizeof(fields[0])};

	l->steps++;
	prism_event_emit(l->host, &event);
}

static void say(struct life *l, const char *what, uint64_t n)
{
	say_of(l, what, n, 0);
}

static int life_probe(struct prism_host *host)
{
	const char *trouble = getenv("LIFE_PROBE");

	probe_trouble = trouble && !strcmp(trouble, FIXTURE_NAME) ? PROBE_UNSUPPORTED : NONE;
	return probe_trouble ? prism_unsupported(host, "probe hooks", "this kernel has no such hook: take a newer one")
			     : 0;
}

static int life_open(struct prism_host *host, void **ret_self)
{
	const char *trouble = getenv("LIFE_OPEN");
	struct life *l;

	if (trouble && !strcmp(trouble, FIXTURE_NAME))
		return prism_fail(host, ENOMEM, "allocate", "nothing left");
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->host = host;
	l->pipe[0] = l->pipe[1] = -1;
	*ret_self = last = l;
	say(l, "open", 0);
	return 0;
}

static int life_configure(void *self, const struct prism_config *config)
{
	struct life *l = self;
	enum trouble trouble = (enum trouble)prism_option_int(l->host, config, OPTION_DO);

	if (trouble == CONFIGURE_FAILS)
		return prism_fail(l->host, EINVAL, "rules", "no rule matches anything");
	if (trouble == CONFIGURE_NODE)
		return prism_node_error(
			l->host, prism_node_at(l->host, prism_option_node(l->host, config, OPTION_RULES), 1, NULL),
			"\"%s\" is no rule",
			prism_node_text(l->host,
					prism_node_at(l->host, prism_option_node(l->host, config, OPTION_RULES), 1,
						      NULL)));
	l->trouble = trouble;
	l->level = prism_option_int(l->host, config, OPTION_LEVEL);
	l->stale_config = config;
	if (trouble == DEGRADED)
		prism_condition(l->host, "level %d holds\nit up", (int)l->level);
	else
		prism_condition(l->host, NULL);
	say(l, "configure", (uint64_t)l->level);
	return 0;
}

static void fire(void *arg)
{
	struct life *l = arg;

	say(l, "timer", 0);
	if (l->trouble == TIMER_FAILS)
		prism_fail(l->host, EIO, "read counters", "the map is gone");
	if (l->trouble == BLOCK_IN_TIMER)
		for (;;)
			pause();
	if (l->trouble == CRASH_IN_TIMER)
		*fixture_nowhere() = 1;
	if (l->trouble == DOUBLE_STOP) {
		prism_timer_stop(l->host, l->timer);
		prism_timer_stop(l->host, l->timer);
		prism_watch_stop(l->host, (struct prism_watch *)l->timer);
		say(l, "stopped-twice", 0);
	}
	if (l->trouble == STOP_SLOW && !l->timer) {
		say(l, "stopped", 0);
		prism_stopped(l->host);
	}
}

static void ready(void *arg, int fd, uint32_t bits)
{
	struct life *l = arg;
	char c;

	if (read(fd, &c, 1) == 1)
		say(l, "readable", bits);
	prism_watch_stop(l->host, l->watch);
	prism_watch_stop(l->host, l->watch);
}

static void emit_rubbish(struct life *l)
{
	static const char *const list[] = {"a", NULL};
	struct prism_field field = {.key = NULL, .kind = PRISM_FIELD_TEXT};
	struct prism_event event = {.size = sizeof(event),
				    .fields = &field,
				    .n_fields = 1,
				    .field_size = sizeof(field)};
	int refused = 0;

	refused += prism_event_emit(l->host, NULL) == -EINVAL;
	refused += prism_event_emit(l->host, &event) == -EINVAL; /* no key */
	field.key = "k";
	refused += prism_event_emit(l->host, &event) == -EINVAL; /* NULL text */
	field.kind = 77;
	refused += prism_event_emit(l->host, &event) == -EINVAL;
	field.kind = PRISM_FIELD_LIST;
	field.n = 2;
	field.v.list = list;
	refused += prism_event_emit(l->host, &event) == -EINVAL; /* a hole in the list */
	event.n_fields = 1000000;
	refused += prism_event_emit(l->host, &event) == -EINVAL;
	event.n_fields = 1;
	event.field_size = 3;
	refused += prism_event_emit(l->host, &event) == -EINVAL;
	event.type = 99;
	refused += prism_event_emit(l->host, &event) == -EINVAL;
	event.size = 4;
	refused += prism_event_emit(l->host, &event) == -EINVAL;
	say(l, "refused", (uint64_t)refused);
}

/* A symbolic link: what a directory of a BPF filesystem and one of any other kind both take. */
static int pin_something(struct life *l)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/link", prism_pin_dir(l->host));
	if (symlink(".", path) && errno != EEXIST)
		return prism_fail(l->host, errno, "pin", "%s: %s", path, strerror(errno));
	return 0;
}

static int watch_pipe(struct life *l)
{
	if (pipe2(l->pipe, O_CLOEXEC))
		return -errno;
	return prism_watch_start(l->host, l->pipe[0], PRISM_READABLE, ready, l, &l->watch);
}

/* Tells of a program and never takes it back: that is left to the host. */
static int tell_program(struct life *l)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
			       .insns = (uintptr_t)insns,
			       .insn_cnt = sizeof(insns) / sizeof(insns[0]),
			       .license = (uintptr_t)"GPL"};
	int r, fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (fd < 0)
		return prism_unsupported(l->host, "load", "%s", strerror(errno));
	r = prism_program(l->host, "nothing", fd);
	close(fd);
	return r;
}

/* Calls that a module may not make; each has to come back with nothing broken. */
static void call_stale(struct life *l)
{
	struct prism_host *nobody = calloc(64, sizeof(void *));
	int harmless = 0;

	nobody->api = l->host->api;
	harmless += prism_option_int(l->host, l->stale_config, OPTION_LEVEL) == 0;
	harmless += prism_timer_start(nobody, 1, 0, fire, l, NULL) == -EINVAL;
	harmless += prism_facet_set(nobody, 300, true) < 0;
	harmless += prism_facet_set(l->host, 0, true) == -EINVAL;
	harmless += prism_facet_set(l->host, 5000, true) == -ENOENT;
	harmless += prism_watch_start(l->host, -1, PRISM_READABLE, ready, l, NULL) == -EBADF;
	harmless += prism_program(l->host, "program", STDIN_FILENO) == -EINVAL;
	harmless += prism_program(l->host, NULL, STDIN_FILENO) == -EINVAL;
	harmless += prism_program(l->host, "nobody", -1) == 0;
	prism_sample(l->host, (struct prism_sink *)l, 0, 0, NULL, 1);
	prism_explain(l->host, (struct prism_text *)l, "nothing");
	prism_timer_stop(l->host, (struct prism_timer *)l);
	say(l, "harmless", (uint64_t)harmless);
	free(nobody);
}

static int life_start(void *self)
{
	struct life *l = self;
	int r = pin_something(l);

	say(l, "start", (uint64_t)l->level);
	if (r)
		return r;
	if (l->trouble != CLAIM_NONE)
		prism_facet_all(l->host, l->trouble != CLAIM_ONE);
	if (l->trouble == START_FAILS) {
		prism_timer_start(l->host, 1, 1, fire, l, NULL);
		return prism_fail(l->host, EBUSY, "attach ingress", "the hook is taken");
	}
	if (l->trouble == START_SILENT)
		return -EPERM;
	if (l->trouble == TIMER_FAILS || l->trouble == BLOCK_IN_TIMER || l->trouble == CRASH_IN_TIMER)
		prism_timer_start(l->host, 1, 0, fire, l, NULL);
	if (l->trouble == DOUBLE_STOP)
		prism_timer_start(l->host, 1, 1, fire, l, &l->timer);
	if (l->trouble == BAD_EVENTS)
		emit_rubbish(l);
	if (l->trouble == STALE_CALLS)
		call_stale(l);
	if (l->trouble == PROGRAM)
		r = tell_program(l);
	if (l->trouble == WATCH || l->trouble == CLOSED_FD)
		r = watch_pipe(l);
	if (!r && l->trouble == WATCH && write(l->pipe[1], "x", 1) != 1)
		r = -errno;
	if (l->trouble == CLOSED_FD) { /* against the rules: the watch still runs */
		close(l->pipe[0]);
		l->pipe[0] = -1;
	}
	return r;
}

static void life_identity(void *self, enum prism_change change, const struct prism_workload *workload)
{
	static const char *const names[] = {"?", "added", "changed", "removed", "released", "synced"};
	struct life *l = self;

	if (l->trouble == REPLAY_FAILS && change == PRISM_IDENTITY_ADDED)
		prism_fail(l->host, ENOSPC, "policy map", "is full");
	if (l->trouble == CLAIM_ONE && change == PRISM_IDENTITY_ADDED && workload->identity == 300)
		prism_facet_set(l->host, 300, true);
	say_of(l, names[change], workload ? workload->identity : 0, workload ? workload->identity : 0);
}

static int life_stop(void *self, enum prism_stop why)
{
	struct life *l = self;

	say(l, "stop", why);
	if (l->trouble == STOP_SLOW) {
		l->timer = NULL;
		prism_timer_start(l->host, 20, 0, fire, l, NULL);
		return PRISM_STOPPING;
	}
	return l->trouble == STOP_NEVER ? PRISM_STOPPING : 0;
}

static void life_close(void *self)
{
	struct life *l = self;

	say(l, "close", 0);
	for (int i = 0; i < 2; i++)
		if (l->pipe[i] >= 0)
			close(l->pipe[i]);
	free(l);
}

static void life_collect(void *self, struct prism_sink *sink)
{
	struct life *l = self;

	l->stale_sink = sink;
	prism_sample(l->host, sink, 0, 0, NULL, (double)l->steps);
	prism_sample(l->host, sink, 1, 300, NULL, 1);
	prism_sample(l->host, sink, 99, 0, NULL, 1);
}

static void life_explain(void *self, const struct prism_workload *workload, struct prism_text *out)
{
	struct life *l = self;

	prism_explain(l->host, out, "watches %s\nat level %d", workload->name, (int)l->level);
}

const struct prism_module prism_module = {
	PRISM_MODULE_HEADER,
	.name = FIXTURE_NAME,
	.version = FIXTURE_VERSION,
	.summary = "does as it is told",
	.facet = FIXTURE_NAME,
	.options = options,
	.n_options = sizeof(options) / sizeof(options[0]),
	.metrics = metrics,
	.n_metrics = sizeof(metrics) / sizeof(metrics[0]),
	.events = events,
	.n_events = 1,
	.probe = life_probe,
	.open = life_open,
	.configure = life_configure,
	.start = life_start,
	.identity = life_identity,
	.stop = life_stop,
	.close = life_close,
	.collect = life_collect,
	.explain = life_explain,
	.capabilities = PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_SYS_TIME),
};
PRISM_MODULE_NOTE(FIXTURE_NAME, FIXTURE_VERSION, PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
