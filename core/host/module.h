/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One module: its state and the steps of its life. Every call into a module's code is bracketed by call_enter() and
 * call_leave() (the ledger's note) and, when it may have been called from the loop, followed by module_after(), which
 * acts on what the module reported meanwhile: a module is never stopped or closed under its own feet.
 *
 *   listed -> probed -> open -> configured -> running -> stopping -> closed
 *                                                     `-> failed, unsupported, quarantined, disabled
 *
 * A struct module is never freed before its host: its code stays mapped, and may call with its host for ever.
 */
#ifndef HOST_MODULE_H
#define HOST_MODULE_H

#include <limits.h>
#include <pthread.h>

#include "host/host.h"
#include "host/image.h"
#include "host/ledger.h"
#include "host/pins.h"

#define MODULE_MAGIC 0x4d6d736972507631ull

enum goal {
	GOAL_DOWN,
	GOAL_UP,
};

struct module {
	struct prism_host host; /* first: what the module holds */
	uint64_t magic;
	pthread_t thread; /* the loop's: no other may call */
	struct host *owner;
	unsigned int index; /* its bit in struct known */
	int slot;           /* in the ledger */
	char name[PRISM_NAME_MAX];
	char room[PRISM_NAME_MAX + 8]; /* "module net", for the log */
	char pin_dir[PATH_MAX];
	bool listed; /* the configuration names it */

	struct module_setting *setting; /* what the configuration says; own copy */
	struct module_setting *applied; /* what the running instance was configured with; own copy */
	struct image *image;            /* what runs or ran */
	struct image *next;             /* what to start next; NULL: image */

	enum module_state state;
	uint64_t since_ns;
	struct error reason;
	uint32_t loads;
	uint64_t load_ns;

	/* Where it is to go; host_settle() takes it there. */
	enum goal goal;
	bool start;             /* wants to be started once nothing is in the way */
	bool restart;           /* stop(REPLACE), then start */
	enum prism_stop why;    /* of a stop */
	enum module_state rest; /* state after the stop, with rest_reason */
	struct error rest_reason;
	struct image *fallback; /* what ran before a replacement; NULL: none */
	struct module_setting *fallback_setting;

	/* Of the open instance. */
	void *self;
	bool open;          /* self is its own: close() is due */
	bool live;          /* hears of identities */
	bool pinned;        /* it has pinned something */
	unsigned int depth; /* callbacks on the stack */
	unsigned int n_handles;
	struct error report; /* prism_fail() of the callback that runs; code 0: none */
	bool report_located; /* report.where is a place in the configuration */
	bool stop_done;      /* prism_stopped() was called */
	uv_timer_t *deadline;
	int facet_bit; /* -1: none */
	bool facet_all, facet_all_fresh;
	const struct prism_node *config_node; /* in configure(): for messages without a node */
	bool told_bad_event;
	char condition[1024]; /* why it does not do its work although it runs; "" */
};

struct call {
	struct module *module;
	uint64_t before;
};
struct call call_enter(struct module *m, enum callback callback);
void call_leave(const struct call *call);

struct module *module_new(struct host *host, const char *name, unsigned int index, int slot);
void module_free(struct module *m);

uv_loop_t *module_loop(const struct module *m);

/* Enters a state: log line, stream event, metrics, env.state_changed(). reason (may be NULL) is copied. */
void module_enter(struct module *m, enum module_state state, const struct error *reason);

/* Declared options against the configuration; 0 or -EINVAL with p filled. */
int module_check_config(const struct image *image, const struct module_setting *setting, struct problems *p);

/* Why it does not do its work although it runs; "" when it does. Log line and event when it is another text than
 * before. */
void module_set_condition(struct module *m, const char *text);

/*
 * From nothing to running with m->image and setting (copied). What failed is undone in reverse, and the state says why:
 * failed or unsupported. keep_claims: facets and older pins are those of the instance before, leave them on failure.
 */
int module_up(struct module *m, const struct module_setting *setting, bool keep_before);
/* configure() of a running one; -EINVAL with p filled keeps the configuration it had. */
int module_reconfigure(struct module *m, const struct module_setting *setting, struct problems *p);
/* Begins to stop a running one for m->why; goes to m->rest, now or later, and tells host_settle(). */
void module_down(struct module *m);
/* Acts on what the module reported in a callback that has returned. */
void module_after(struct module *m);

/* Tells a module of an identity it was not told of, or was. */
void module_tell(struct module *m, enum prism_change change, const struct prism_workload *workload);

/* A replacement starts with the claims of the file before, so that no packet finds its facet gone; what it has not
 * claimed again by the end of its replay goes then. */
void module_begin_claims(struct module *m);
void module_settle_claims(struct module *m);
/* Stops claiming anything; env.facets_changed() once if that changed something. */
void module_drop_claims(struct module *m);

#endif
