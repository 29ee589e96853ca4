/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prismctl: one command a run. Asks prismd over its unix socket and, where that makes sense, reads the pinned maps and
 * the identity table when prismd is down.
 *
 *   args.h      command line to command and options      commands.c  the list of commands
 *   client.h    HTTP over the unix socket                 offline.h   the same documents from maps and files
 *   output.h    table, wide, json, yaml; escaping         doctor.h    checks of machine and installation
 *   one file for each noun: status.c identity.c explain.c events.c module.c facet.c profile.c config.c follow.c ...
 *
 * Every command first makes one JSON document, from whichever side, and prints it last: what -o json shows is what the
 * table was made of.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/error.h"
#include "base/util.h"
#include "config/settings.h"
#include "ctl/output.h"

/* Exit codes; documented in prismctl(1). */
enum ctl_exit {
	CTL_OK = 0, /* done; status: healthy */
	CTL_ERROR = 1,
	CTL_USAGE = 2,
	CTL_DOWN = 3,     /* prismd is not running */
	CTL_DEGRADED = 4, /* status, reload: prismd runs, something is not as configured */
	CTL_NOT_FOUND = 5,
};

#define CTL_DEFAULT_SOCKET "/run/prism/prismd.sock"
#define CTL_DEFAULT_STATE_DIR "/var/lib/prism"
#define CTL_SCHEMA_VERSION 1

struct facet_registry;
struct places;

/* One run of prismctl. */
struct ctl {
	const char *socket; /* --socket; NULL: the configuration's */
	const char *config; /* --config; NULL: PRISM_CONFIG if it exists */
	const char *bus_dir;
	bool quiet; /* no notes on stderr; errors are still said */
	struct style style;
	struct settings *settings; /* see ctl_settings() */
	bool settings_tried;
	struct places *places;         /* where things are, when the configuration has errors */
	struct facet_registry *facets; /* facet.c's, read once */
	json_t *refusal;               /* document of the last answer that was an error, or NULL */
	const char *self_exe;
};

void ctl_done(struct ctl *ctl);

/*
 * The configuration as prismd would read it, loaded once. NULL when it has errors, which goes to stderr the first time;
 * a missing file at the default path means defaults. The three below still find a running prismd then: by what the main
 * file says of places, if it can be parsed at all.
 */
const struct settings *ctl_settings(struct ctl *ctl);
/* Loads anew and keeps the problems for the caller. path NULL: as ctl_settings() chooses. */
int ctl_settings_load(const struct ctl *ctl, const char *path, struct settings **ret, struct problems *p);
const char *ctl_socket(struct ctl *ctl);
const char *ctl_bus_dir(struct ctl *ctl);
const char *ctl_state_dir(struct ctl *ctl);

/* "prismctl: note" on stderr, unless -q. */
__attribute__((format(printf, 2, 3))) void ctl_note(const struct ctl *ctl, const char *format, ...);
/* "prismctl: where: text" on stderr; returns the exit code that fits: ENOTCONN 3, ENOENT 5, else 1. */
int ctl_fail(const struct error *e);
int ctl_no_memory(void);
/* "prismctl: ..." and how to get help; returns CTL_USAGE. */
__attribute__((format(printf, 1, 2))) int ctl_usage(const char *format, ...);

/* Prints doc as -o says; table (which sees ctl->style.wide) for the two formats that are for people. Takes doc. */
int ctl_print(struct ctl *ctl, json_t *doc, void (*table)(struct ctl *ctl, const json_t *doc));

/* "30s", "500ms", "2m", or plain seconds; -EINVAL. */
int ctl_parse_duration(const char *text, uint64_t *ret_ms);
/* A whole decimal number up to max; -EINVAL. */
int ctl_parse_number(const char *text, uint64_t max, uint64_t *ret);

/* Members of a JSON object; the fallback ("" or 0) when absent or of another type. */
const char *json_text(const json_t *object, const char *key);
int64_t json_number(const json_t *object, const char *key);
double json_decimal(const json_t *object, const char *key);
bool json_flag(const json_t *object, const char *key);
/* A JSON string of any bytes: what is not UTF-8 becomes \xHH. */
json_t *json_string_any(const char *s);
/* {"schema_version": 1}; NULL when memory runs out. */
json_t *json_document(void);

static inline void json_cleanup(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(json_cleanup)

static inline void problems_cleanup(struct problems *p)
{
	problems_done(p);
}
#define _cleanup_problems_ _cleanup_(problems_cleanup)

static inline void text_cleanup(struct text *t)
{
	text_done(t);
}
#define _cleanup_text_ _cleanup_(text_cleanup)

#endif
