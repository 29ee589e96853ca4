/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct host, for the files of this room. */
#ifndef HOST_SET_H
#define HOST_SET_H

#include "host/facets.h"
#include "host/handles.h"
#include "host/known.h"
#include "host/ledger.h"
#include "host/module.h"
#include "host/prepare.h"

#define HOST_MAX_MODULES 64 /* bits of struct known, slots of the ledger */

struct waiter {
	void (*fn)(void *arg);
	void *arg;
	struct waiter *next;
};

struct host {
	struct host_env env;
	char *self_exe, *state_dir, *pin_root, *cgroup_path; /* own copies; env points to them */
	struct facets *facets;
	struct ledger *ledger;
	struct module *module[HOST_MAX_MODULES]; /* by index; never freed before the host */
	unsigned int n_modules;
	struct module *order[HOST_MAX_MODULES]; /* those the configuration lists, in its order */
	unsigned int n_order;
	struct image *images;
	char **dirs; /* module directories, NULL-terminated */
	struct known *known;
	struct prepare *prepares; /* in flight on the daemon's loop */
	struct waiter *waiters;
	uv_timer_t *kick; /* calls the waiters from the loop */
	bool settling, swept, stopping;
};

struct module *host_find(const struct host *host, const char *name);
/* Found or made; NULL with e when there are too many. */
struct module *host_get(struct host *host, const char *name, struct error *e);

/* Takes every module a step nearer its goal: stops first, then starts in order; waiters when all are at rest. */
void host_settle(struct host *host);
int host_wait(struct host *host, void (*fn)(void *arg), void *arg);

/* Is the module to run, by the configuration and prismctl's word? */
bool host_wanted(const struct host *host, const struct module *m, const struct module_setting *setting);
/* Too many crashes? Then e says how many, when, and what to do. */
bool host_quarantined(const struct host *host, int slot, const struct module_setting *setting, struct error *e);
void host_count_crashes(struct host *host, const struct module *m);

/* Steps of host_apply() that prismctl's verbs share: an empty prepare for this host, its items from settings, copies of
 * directories, and where a module is to go by what came out (NULL: it is not to run). */
struct prepare *apply_prepare(struct host *host, size_t n);
int apply_fill(struct host *host, const struct settings *settings, struct prepare *p, struct problems *problems);
int apply_copy_dirs(const char *const *from, char ***ret);
void apply_aim(struct module *m, const struct prepare_item *item);
void apply_down(struct module *m, enum module_state rest);
void apply_replace(struct module *m, struct image *image);

extern const struct prism_host_api host_services;

/* What collect(), explain() and configure() were lent; calls with anything else do nothing. Returns what was lent
 * before. */
struct lent {
	const struct prism_config *config;
	struct prism_sink *sink;
	struct prism_text *text;
};
struct lent services_lend(struct lent now);

/* The inside of explain()'s opaque type. */
struct prism_text {
	void (*fn)(void *arg, const char *module, const char *line);
	void *arg;
	const char *module;
	unsigned int lines;
};

#endif
