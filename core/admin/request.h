/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request, from its headers to its answer: who asks, what for, and the ways to answer. A handler answers exactly
 * once, or hands the request to a job (action.c) that does.
 */
#ifndef ADMIN_REQUEST_H
#define ADMIN_REQUEST_H

#include <stdbool.h>
#include <jansson.h>
#include <microhttpd.h>

#include "admin/server.h"
#include "agent/agent.h"
#include "base/text.h"

struct admin;
struct job;

/* A listening socket and who may come through it. */
struct listener {
	struct admin *admin;
	struct server *server;
	struct listener *next;
	bool local; /* the unix socket: everything, by peer credentials; else the machines' three paths */
};

struct request {
	struct admin *admin;
	struct agent *agent;
	struct listener *listener;
	struct MHD_Connection *connection;
	struct job *job; /* an action that is under way */
	size_t body;     /* bytes that came and were ignored */
	char param[256]; /* what stood for {} in the route */
};

enum access {
	ACCESS_NONE,
	ACCESS_READ,
	ACCESS_WRITE,
};
/* What the peer of a unix connection may do. gid: of admin.group, (gid_t)-1 for none. */
enum access request_access(int fd, gid_t gid);

/* Query argument, or NULL; one without a value is "". One with a NUL byte inside counts as absent. */
const char *request_arg(const struct request *r, const char *name);
/* true and *ret when it is there and a whole number up to max; *ret_bad (false before) when it is there and is not. */
bool request_number(const struct request *r, const char *name, uint64_t max, uint64_t *ret, bool *ret_bad);

/* Answers. Each returns what the HTTP library wants to hear; doc and body are taken, also on failure. */
enum MHD_Result reply_json(struct request *r, unsigned int status, json_t *doc);
enum MHD_Result reply_text(struct request *r, unsigned int status, const char *type, struct text *body);
/* Status by e's code: 404, 400, 403, 409, 501, 503, else 500. */
enum MHD_Result reply_error(struct request *r, const struct error *e);
/* 503: this server ends, what was asked may or may not come about. */
enum MHD_Result reply_stopping(struct request *r);
enum MHD_Result reply_response(struct request *r, unsigned int status, const char *type, struct MHD_Response *response);

/* Takes up a suspended connection again. From anywhere on the loop's thread. */
void request_resume(struct listener *listener, struct MHD_Connection *connection);

/* libmicrohttpd's callbacks; arg is a struct listener. */
enum MHD_Result request_handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
			       const char *version, const char *data, size_t *size, void **state);
void request_completed(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why);

#endif
