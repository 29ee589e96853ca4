/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps somebody in step with one kind of object of the API server: list, then watch, for ever.
 *
 *     WatchList   (sendInitialEvents) where the server has it; else
 *     list        in chunks, from the server's cache, not older than what was seen before
 *     watch       from the version that the list or the last event or bookmark had
 *
 *     what happens                              what is done
 *     the watch ends (its time-out, a restart)  watch again from the last version
 *     410, or no byte, bookmark included        list again, nothing is forgotten meanwhile
 *     400, 500, 504 about the version           list again without one
 *     422 or silence to WatchList               list in chunks
 *     401, 403, 429, 5xx, no connection         wait, and again; credentials are read anew each time
 *     no JSON                                   list again
 *     events come out of order                  list again: what was the last word on an object is not known
 *     an object that is too large               passed over
 */
#ifndef KUBE_REFLECTOR_H
#define KUBE_REFLECTOR_H

#include <jansson.h>
#include <uv.h>

#include "kube/access.h"
#include "kube/filter.h"
#include "metric/metric.h"

enum kube_change {
	KUBE_ADDED,
	KUBE_MODIFIED,
	KUBE_DELETED,
};

struct reflector_callbacks {
	/* Bytes have arrived; what they say follows, then settled(). */
	void (*arrived)(void *arg);
	/* All that exists follows, as KUBE_ADDED. Comes again without an end when the list has to be begun anew. */
	void (*list_begins)(void *arg);
	/* object: borrowed, reduced to what is wanted. -EBADMSG with e: it cannot be understood. */
	int (*object)(void *arg, enum kube_change change, const json_t *object, struct error *e);
	/* whole: what was not in it does not exist. Otherwise some object could not be read. */
	void (*list_ends)(void *arg, bool whole);
	/* What has arrived was handed on, as far as it is complete. */
	void (*settled)(void *arg);
	void *arg;
};

/* A resourceVersion as a number, for comparing what one server has said; 0: it is none. */
uint64_t kube_version(const char *version);

/* What a reflector needs to see of an object, beside what its owner wants. */
#define REFLECTOR_WANT_METADATA {.key = "resourceVersion"}
#define REFLECTOR_WANT_ANNOTATIONS {.key = "k8s.io/initial-events-end"}
#define REFLECTOR_WANT_OBJECT {.key = "code"}, {.key = "reason"}, {.key = "message"}

struct reflector_options {
	uv_loop_t *loop;
	struct metrics *metrics;
	const char *name;                  /* "pods" */
	const char *path;                  /* "/api/v1/pods" */
	const char *field_selector;        /* "spec.nodeName=a"; copied */
	const struct json_want *want;      /* of an object, with REFLECTOR_WANT_* in their places */
	struct kube_access_options access; /* strings are borrowed for its life */
	size_t max_object;
	uint64_t idle_ms;      /* a watch without a byte, bookmarks included, for so long is dead */
	uint64_t retry_max_ms; /* longest wait between two attempts */
};

struct reflector;

/* Begins at once. */
int reflector_new(const struct reflector_options *options, const struct reflector_callbacks *callbacks,
		  struct reflector **ret, struct error *e);
/* No callback comes afterwards. Its handles are closed by the loop. Not from within a callback. */
void reflector_free(struct reflector *r);

struct reflector_view {
	bool listed;                 /* a list has been completed */
	bool watching;               /* in step: connected */
	const char *server;          /* "" before the first attempt */
	const char *origin;          /* of the credentials */
	const struct error *trouble; /* NULL: none */
	double trouble_seconds;      /* for so long */
	uint64_t last_event_ns;      /* CLOCK_MONOTONIC of the last event or bookmark; 0: none yet */
	unsigned int refused;        /* objects that were too large since the last list began */
	const char *refused_name;    /* the last of them, "namespace/name" */
};
void reflector_view(const struct reflector *r, struct reflector_view *ret);

#endif
