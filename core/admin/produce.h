/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A body that is made piece by piece while it is sent: a long list does not hold the loop, and a stream may wait for
 * more. Chunked; the connection is suspended while there is nothing to send.
 */
#ifndef ADMIN_PRODUCE_H
#define ADMIN_PRODUCE_H

#include "admin/request.h"

enum produce {
	PRODUCE_MORE, /* call again */
	PRODUCE_WAIT, /* nothing now: producer_wake() will say when */
	PRODUCE_END,  /* that was all (what was appended with it is still sent) */
	PRODUCE_FAIL, /* the connection is broken off, so that the reader does not take the part for the whole */
};

/* Embedded first in what carries it; freed by free(). */
struct producer {
	enum produce (*next)(struct producer *p, struct text *out);
	void (*free)(struct producer *p);
	struct listener *listener;
	struct MHD_Connection *connection;
	struct text pending;
	size_t sent; /* of pending */
	bool suspended;
	bool ended;
};

/* Answers 200 with what p produces and then closes the connection; p is taken, also on failure. */
enum MHD_Result reply_produced(struct request *r, const char *type, struct producer *p);
/* There is more, or an end. */
void producer_wake(struct producer *p);

#endif
