/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module host: takes what the configuration lists through file check, test-load, dlopen and lifecycle, gives each
 * module its services, and keeps one module's trouble away from the others.
 *
 *   file.h        what must hold before a module's code runs: owner, mode, directory, sha256; note.h: the ELF note
 *   probe.h       the test-load in a child process with a time limit; prepare.h: many of them at once
 *   image.h       a loaded file; descriptor.h: what it declares
 *   ledger.h      which module was running its code when prismd died; quarantine, restart in place
 *   facets.h      names to bits, remembered across restarts
 *   known.h       per identity: which modules were told of it, which claim it
 *   pins.h        the modules' directories in bpffs
 *   module.h      one module: its state and the steps of its life
 *   services.c    the table that modules call; handles.h: their timers and fd watches
 *   host.c        the set of modules: identities, health, metrics, stopping
 *   apply.c       from one configuration to the next; verbs.c: prismctl's; check.c: without a daemon
 *
 * Depends on config, event, metric and base; identities and the bus come in through struct host_env, so that the room
 * can be tested without them. All on the loop's thread.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "config/settings.h"
#include "event/stream.h"
#include "metric/metric.h"

struct host;

enum module_state {
	MODULE_LISTED, /* named in the configuration */
	MODULE_PROBED, /* file checked and test-loaded */
	MODULE_OPEN,   /* dlopen'ed, open() done */
	MODULE_CONFIGURED,
	MODULE_RUNNING,
	MODULE_STOPPING,
	MODULE_CLOSED,
	MODULE_FAILED,      /* with a reason */
	MODULE_UNSUPPORTED, /* this kernel cannot; with a reason and the remedy */
	MODULE_QUARANTINED, /* was running its code when prismd died, too often */
	MODULE_DISABLED,    /* by configuration or by prismctl */
};
const char *module_state_name(enum module_state state);
/* The reason without the "module NAME: " it begins with, for where the name stands already. */
const char *module_reason_text(const struct error *reason, const char *name);

/* What admin and metrics may know of a module. Borrowed until the next turn of the loop. */
struct module_view {
	const char *name;
	const char *version; /* "" before probed */
	const char *summary;
	const struct prism_module *descriptor; /* what it declares, see descriptor.h; NULL before it was loaded */
	const char *file;                      /* path that was loaded or looked for */
	const char *where;                     /* prismd.yaml:12:5 */
	enum module_state state;
	const struct error *reason; /* of failed, unsupported, quarantined; of a running one: why its new file was
				     * refused and the old one goes on; code 0 otherwise */
	const char *condition;      /* of a running one: why it does not do its work now; "" otherwise */
	const char *facet;          /* name or "" */
	int facet_bit;              /* -1: none */
	bool required;
	bool facet_all;
	uint32_t crashes;
	uint32_t loads;    /* how often a file of it was loaded since prismd started */
	uint64_t since_ns; /* CLOCK_MONOTONIC when it entered this state */
	uint16_t abi_major, abi_minor;
	uint64_t load_ns; /* file check to running, of the last start */
};

/* What the host needs of the rest of prismd. */
struct host_env {
	uv_loop_t *loop;
	struct stream *stream;
	struct metrics *metrics;
	const char *self_exe;  /* this program, for the test-load child: `<self_exe> --probe-module FD NAME` */
	const char *state_dir; /* ledger and facet names live here */
	const char *pin_root;  /* <bus dir>/modules; each module gets a directory in it */
	int bus_fd, meta_fd, cgroup_fd;
	const char *cgroup_path;
	/* Call fn for every identity on the bus. */
	void (*identities)(void *arg, prism_workload_fn fn, void *fn_arg);
	/* Call fn for one identity, also a held-back one; -ENOENT. */
	int (*identity)(void *arg, uint32_t number, prism_workload_fn fn, void *fn_arg);
	/* Facets of one identity (0: of all) changed: write host_facets() of it to its entries, before returning. */
	void (*facets_changed)(void *arg, uint32_t number);
	/* A required module failed or recovered, any module changed state: readiness and status may have changed. */
	void (*state_changed)(void *arg);
	void *arg;
};

int host_new(const struct host_env *env, struct host **ret, struct error *e);

/*
 * Make the set of modules what the settings say: start new ones, stop those that are gone or disabled, reconfigure
 * those whose config changed, replace those whose file changed; the others do not notice. Loads new files and checks
 * every module's config first: if one is bad nothing changes and p says why (-EINVAL). A module whose file cannot be
 * loaded, or that fails later, is its own state, not an error here. done(arg) (may be NULL) is called from the loop,
 * never before this returns, when every module has come to rest: an asynchronous stop may take its deadline. Copies
 * what it keeps of settings.
 *
 * Files that were not seen before are test-loaded in children first, all at once; this call waits for them (tens of
 * milliseconds; a constructor that never ends costs PROBE_TIME_LIMIT_MS once). A caller that must not wait runs
 * host_prepare() before.
 */
int host_apply(struct host *host, const struct settings *settings, struct problems *p, void (*done)(void *arg),
	       void *arg);

/*
 * Test-loads, without waiting, every file that host_apply() with these settings would have to wait for; done(arg) is
 * called from the loop when that is known, and then host_apply() does not wait. Keeps nothing of settings. -ENOMEM.
 */
int host_prepare(struct host *host, const struct settings *settings, void (*done)(void *arg), void *arg);

/* One identity changed; called in the order of the pipeline's contract. */
void host_identity(struct host *host, enum prism_change change, const struct prism_workload *workload);

/* Facet bits of an identity: of every running module that claims all or claims this one. */
uint32_t host_facets(const struct host *host, uint32_t number);
/* "net,trace" for bits of a bus entry, into buf. */
const char *host_facet_names(const struct host *host, uint32_t flags, char *buf, size_t size);

/* prismctl module enable|disable|reload NAME. Enable and disable hold until the next change of the configuration file
 * for this module; enable also ends a quarantine. -ENOENT with e for an unknown name. done as in host_apply(). */
int host_module_enable(struct host *host, const char *name, struct error *e, void (*done)(void *arg), void *arg);
int host_module_disable(struct host *host, const char *name, struct error *e, void (*done)(void *arg), void *arg);
int host_module_reload(struct host *host, const char *name, struct error *e, void (*done)(void *arg), void *arg);

void host_modules(const struct host *host, void (*fn)(void *arg, const struct module_view *view), void *arg);
struct facet_view {
	const char *name;
	int bit;
	const char *owner; /* module that claims it now, or "" (remembered) */
	bool builtin;
};
void host_facet_list(const struct host *host, void (*fn)(void *arg, const struct facet_view *view), void *arg);

/* Worst of the modules: 0 all well, 1 some module failed, is quarantined or degraded, 2 a required one does not run or
 * does not do its work. */
int host_health(const struct host *host);

/* Every module's metrics as OpenMetrics text. */
void host_collect(struct host *host, struct text *out);
/* What each module does with a workload: fn(arg, module, line) for each line. */
void host_explain(struct host *host, const struct prism_workload *workload,
		  void (*fn)(void *arg, const char *module, const char *line), void *arg);

/*
 * Restarts each running module whose pins somebody took away: its programs went with them. Not while the directory of
 * pins is not to be had. Cheap: ask every few seconds.
 */
void host_keep_pins(struct host *host);

/* Stop every module in reverse order; done(arg) when the last is closed or its deadline is over. */
void host_stop(struct host *host, enum prism_stop why, void (*done)(void *arg), void *arg);
void host_free(struct host *host);

/* main() of the test-load child: reads the file at fd, dlopens it, checks the descriptor; writes its finding to stdout.
 */
int host_probe_main(int argc, char **argv);

/* For `prismctl module`/`config check` without a daemon: file check, test-load and config check of every enabled
 * module, and whether two of them claim one facet. */
int host_check_modules(const struct settings *settings, const char *self_exe, struct problems *p);
/*
 * What every enabled module declares, without a daemon: fn hears of those whose files can be loaded, p of the others
 * (-EINVAL then). A descriptor is lent for the call.
 */
int host_declared(const struct settings *settings, const char *self_exe,
		  void (*fn)(void *arg, const struct prism_module *declared), void *arg, struct problems *p);

#endif
