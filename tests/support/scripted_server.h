/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server on a loopback socket that plays a script, on the same loop as what is tested: each request gets the
 * next step's answer, as it was recorded or written there.
 */
#ifndef SCRIPTED_SERVER_H
#define SCRIPTED_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum script_end {
	SCRIPT_COMPLETE, /* the answer ends, the connection stays */
	SCRIPT_CUT,      /* the connection ends in the middle */
	SCRIPT_HOLD,     /* the answer goes on: scripted_server_send() */
	SCRIPT_SILENT,   /* no answer at all, the connection stays */
};

struct script_step {
	const char *expect; /* must be in the request; NULL: anything */
	const char *refuse; /* must not be in it; NULL: nothing */
	const char *head;   /* status line and headers without those of the length, "" for 200 and JSON */
	const char *body;   /* NULL: from the file */
	const char *file;   /* below the vectors; its .headers are used when head is NULL */
	enum script_end end;
	size_t piece; /* bytes of each chunk; 0: in one */
};

struct scripted_server;

/* Ends the test's process with a message when it cannot be made, or when a request is not the expected one. */
struct scripted_server *scripted_server_new(uv_loop_t *loop, const char *vectors, const struct script_step *steps,
					    size_t n);
void scripted_server_free(struct scripted_server *s);
unsigned int scripted_server_port(const struct scripted_server *s);
/* Requests that were answered; after the script's end every further one is cut. */
size_t scripted_server_served(const struct scripted_server *s);
/* More of the answer that is held; end it; cut it. */
void scripted_server_send(struct scripted_server *s, const char *text);
void scripted_server_end(struct scripted_server *s);
void scripted_server_cut(struct scripted_server *s);
/* The last request's head. */
const char *scripted_server_request(const struct scripted_server *s);

#endif
