/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GETs to the API server, libcurl on the loop: nothing here waits, and what arrives is handed on as it comes.
 *
 * The loop's thread is real-time, so no other thread may be waited for: an address that is no name needs none, and a
 * name is looked up by libcurl in a thread of its own (of normal priority, see agent/priority.h), which is left to
 * itself when its request is cancelled. Connections are kept and reused. One that is dead without a word is found by
 * TCP's own keep-alive and user time-out; one that is alive but silent, by idle_ms.
 */
#ifndef KUBE_HTTP_H
#define KUBE_HTTP_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/text.h"
#include "kube/access.h"

#define KUBE_ERROR_BODY 4096 /* bytes kept of an answer that is not 200 */

struct kube_http;
struct kube_request;

struct kube_answer {
	int result;  /* 0: an answer, to its end. -errno: none, or cut, e says how; or what body() returned */
	long status; /* HTTP's; 0: none came */
	uint64_t retry_after_ms; /* 0: not said */
	const char *body;        /* of a status other than 200, at most KUBE_ERROR_BODY bytes; never NULL */
	struct error e;
};

struct kube_get {
	const char *path;            /* "/api/v1/pods?..." */
	uint64_t connect_timeout_ms; /* TCP and TLS */
	uint64_t answer_ms;          /* from the connection to the end of the headers */
	uint64_t idle_ms;            /* longest time without a byte after them */
	/* The headers of an answer with status 200 are there. May be NULL. */
	void (*opened)(void *arg);
	/* Bytes of an answer with status 200. Not 0: the request ends with this result. */
	int (*body)(void *arg, const char *data, size_t len);
	/* Once, from the loop, never from within kube_get(); the request is gone then. */
	void (*done)(void *arg, const struct kube_answer *answer);
	void *arg;
};

int kube_http_new(uv_loop_t *loop, struct kube_http **ret, struct error *e);
/* Drops the connections that are kept for the next request: they are not to be trusted. Not during a request. */
void kube_http_reset(struct kube_http *http);
/* Every request has been cancelled before. The loop still has a few handles to close. */
void kube_http_free(struct kube_http *http);

/* access: borrowed for this call. */
int kube_get(struct kube_http *http, const struct kube_access *access, const struct kube_get *get,
	     struct kube_request **ret, struct error *e);
/* done() is not called. NULL: nothing. Not from within body(): libcurl cannot let go of a request there. */
void kube_cancel(struct kube_request *request);

#endif
