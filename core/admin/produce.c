/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/produce.h"

#include <string.h>

#define BLOCK (16u << 10)

static size_t take_pending(struct producer *p, char *buf, size_t max)
{
	size_t n = p->pending.len - p->sent;

	if (n > max)
		n = max;
	if (n)
		memcpy(buf, p->pending.data + p->sent, n);
	p->sent += n;
	return n;
}

static ssize_t read_body(void *arg, uint64_t pos, char *buf, size_t max)
{
	struct producer *p = arg;
	enum produce what = PRODUCE_MORE;
	size_t n;

	(void)pos;
	while ((n = take_pending(p, buf, max)) == 0 && !p->ended && what == PRODUCE_MORE) {
		text_clear(&p->pending);
		p->sent = 0;
		what = p->next(p, &p->pending);
		if (what == PRODUCE_FAIL || p->pending.failed)
			return MHD_CONTENT_READER_END_WITH_ERROR;
		p->ended = what == PRODUCE_END;
		if (p->pending.len)
			what = PRODUCE_MORE;
	}
	if (n)
		return (ssize_t)n;
	if (p->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	p->suspended = true;
	MHD_suspend_connection(p->connection);
	return 0;
}

static void free_producer(void *arg)
{
	struct producer *p = arg;

	text_done(&p->pending);
	p->free(p);
}

enum MHD_Result reply_produced(struct request *r, const char *type, struct producer *p)
{
	struct MHD_Response *response;

	p->listener = r->listener;
	p->connection = r->connection;
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_body, p, free_producer);
	if (response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	else
		free_producer(p);
	return reply_response(r, MHD_HTTP_OK, type, response);
}

void producer_wake(struct producer *p)
{
	if (!p->suspended)
		return;
	p->suspended = false;
	request_resume(p->listener, p->connection);
}
