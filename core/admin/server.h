/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One libmicrohttpd daemon on one listening socket, without a thread: its epoll fd and its time-outs are watched by the
 * loop. Requests go to the handler; what is between "headers read" and "answer sent" is a struct request.
 */
#ifndef ADMIN_SERVER_H
#define ADMIN_SERVER_H

#include <stdbool.h>
#include <microhttpd.h>
#include <uv.h>

#include "base/error.h"

struct server;

struct server_options {
	uv_loop_t *loop;
	int fd; /* listening, non-blocking; the server's after success */
	MHD_AccessHandlerCallback handler;
	MHD_RequestCompletedCallback completed;
	void (*stopped)(void *arg); /* no callback comes after this one */
	void *arg;
	unsigned int connections; /* at most so many at a time */
	unsigned int idle_seconds;
};

int server_start(const struct server_options *options, struct server **ret, struct error *e);
int server_fd(const struct server *s);

/* The handler's user counts requests, so that a retired server knows when it is done. */
void server_request_begin(struct server *s);
void server_request_end(struct server *s);

/* After MHD_resume_connection(): have the loop look at it. From anywhere. */
void server_kick(struct server *s);

/* Listens no more, answers what it has, then goes. From anywhere, also from inside a handler. */
void server_retire(struct server *s);
bool server_is_retired(const struct server *s);
/* Ends now; every connection is closed and `completed` called for open requests. Not from inside a handler. */
void server_stop(struct server *s);

#endif
