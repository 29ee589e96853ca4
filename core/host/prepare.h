/* SPDX-License-Identifier: Apache-2.0 */
/* From settings to images: file check, test-loads side by side, then dlopen() of what passed, in order. */
#ifndef HOST_PREPARE_H
#define HOST_PREPARE_H

#include <uv.h>

#include "host/image.h"
#include "host/ledger.h"

#define PREPARE_PARALLEL 4

struct probe;

struct prepare_item {
	const struct module_setting *setting; /* borrowed until done, unless own */
	struct module_setting *own;
	struct image *known; /* what the module has now: taken when its file's stamp is unchanged; may be NULL */
	struct image *image; /* the result; NULL with e */
	struct error e;
	struct probe *probe;
	struct prepare *owner;
};

struct prepare {
	/* Of the caller. */
	uv_loop_t *loop;
	const char *self_exe;
	const char *const *dirs;
	struct image **images;                                /* where images are looked up and kept */
	struct ledger *ledger;                                /* NULL: constructors run without a note */
	bool load;                                            /* dlopen() too, or test-load alone? */
	bool (*refuse)(void *arg, struct prepare_item *item); /* image known, code not yet run; true: e is set */
	void *refuse_arg;
	void (*done)(struct prepare *p); /* may be called before prepare_start() returns */
	void *arg;
	bool own_arg;         /* free arg with it */
	char **own_dirs;      /* freed with it; NULL-terminated */
	struct prepare *next; /* for the caller's list */

	struct prepare_item *item;
	size_t n, begun;
	unsigned int pending; /* children that run */
};

/* An empty one for n items, which the caller fills; NULL without memory. */
struct prepare *prepare_new(size_t n);
void prepare_start(struct prepare *p);
/* Cancels what runs (done is not called) and frees; images stay where they are. */
void prepare_free(struct prepare *p);

/* The same on a private loop, until it is done. p->loop is ignored; p stays the caller's. */
int prepare_run(struct prepare *p, struct error *e);

#endif
