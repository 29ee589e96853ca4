/* SPDX-License-Identifier: Apache-2.0 */
/* GET /v1/events: the event stream as lines of JSON, to its end or as long as the reader stays. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "admin/produce.h"
#include "admin/room.h"
#include "base/util.h"

/* How soon a reader that went away without a word gives its connection back. */
#define PATROL_MS 5000
/* Lines are handed on in pieces of about this size. */
#define PIECE (16u << 10)

struct follower {
	struct producer producer; /* first */
	struct admin *admin;
	struct stream *stream;
	struct follower *next, **prev;
	uint64_t seq; /* to read next */
	uint64_t identity;
	char type[64]; /* prefix; "" for all */
	bool by_identity;
	bool follow;
};

static bool wanted(const struct follower *f, const struct stream_record *r)
{
	return (!f->by_identity || r->identity == f->identity) && strncmp(r->type, f->type, strlen(f->type)) == 0;
}

static enum produce next_lines(struct producer *p, struct text *out)
{
	struct follower *f = (struct follower *)p;
	const struct stream_record *r;
	uint64_t missed;

	while (out->len < PIECE) {
		r = stream_read(f->stream, f->seq, &missed);
		if (missed)
			text_appendf(out, "{\"schema_version\":1,\"type\":\"prism.missed\",\"missed\":%" PRIu64 "}\n",
				     missed);
		if (!r)
			return f->follow ? PRODUCE_WAIT : PRODUCE_END;
		f->seq = r->seq + 1;
		if (wanted(f, r)) {
			text_append_n(out, r->json, r->len);
			text_append_n(out, "\n", 1);
		}
	}
	return PRODUCE_MORE;
}

static void free_follower(struct producer *p)
{
	struct follower *f = (struct follower *)p;

	if (f->prev) {
		*f->prev = f->next;
		if (f->next)
			f->next->prev = f->prev;
	}
	free(f);
}

/* ---- readers that wait ------------------------------------------------------------------------------------------ */

static void hear(struct stream_listener *ear)
{
	struct admin *admin = container_of(ear, struct admin, ear);
	struct follower *f;

	for (f = admin->followers; f; f = f->next)
		producer_wake(&f->producer);
}

static bool is_gone(const struct follower *f)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(f->producer.connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct pollfd peer = {.fd = info ? info->connect_fd : -1, .events = POLLRDHUP};

	return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

/* A suspended connection is not read, so nobody but us notices that its client has gone. */
static void on_patrol(uv_timer_t *timer)
{
	struct admin *admin = timer->data;
	struct follower *f;

	if (!admin->followers)
		uv_timer_stop(timer);
	for (f = admin->followers; f; f = f->next) {
		if (!f->producer.suspended || !is_gone(f))
			continue;
		f->follow = false;
		producer_wake(&f->producer);
	}
}

static void enlist(struct admin *admin, struct follower *f)
{
	f->next = admin->followers;
	f->prev = &admin->followers;
	if (f->next)
		f->next->prev = &f->next;
	admin->followers = f;
	if (admin->patrol)
		uv_timer_start(admin->patrol, on_patrol, PATROL_MS, PATROL_MS);
	/* A reader may be slow for as long as it likes: it holds one connection and is told what it missed. */
	MHD_set_connection_option(f->producer.connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
}

void events_start(struct admin *admin)
{
	admin->ear.fn = hear;
	stream_listen(admin->agent->stream, &admin->ear);
	admin->patrol = calloc(1, sizeof(*admin->patrol));
	if (!admin->patrol)
		return;
	uv_timer_init(admin->agent->loop, admin->patrol);
	admin->patrol->data = admin;
}

void events_end(struct admin *admin, const struct listener *only)
{
	struct follower *f;

	for (f = admin->followers; f; f = f->next) {
		if (only && f->producer.listener != only)
			continue;
		f->follow = false;
		producer_wake(&f->producer);
	}
}

static void on_patrol_closed(uv_handle_t *handle)
{
	free(handle);
}

void events_stop(struct admin *admin)
{
	stream_unlisten(&admin->ear);
	if (admin->patrol)
		uv_close((uv_handle_t *)TAKE_PTR(admin->patrol), on_patrol_closed);
}

/* ---- the request ------------------------------------------------------------------------------------------------ */

static int read_arguments(struct request *r, struct follower *f, struct error *e)
{
	const char *type = request_arg(r, "type");
	uint64_t follow = 0;
	bool bad = false;

	request_number(r, "from", UINT64_MAX, &f->seq, &bad);
	f->by_identity = request_number(r, "identity", PRISM_ID_LAST, &f->identity, &bad);
	request_number(r, "follow", 1, &follow, &bad);
	f->follow = follow;
	if (bad)
		return error_set(e, EINVAL, "/v1/events", "from, identity and follow are whole numbers");
	if (type && (size_t)snprintf(f->type, sizeof(f->type), "%s", type) >= sizeof(f->type))
		return error_set(e, EINVAL, "/v1/events", "type: no type of event is so long");
	return 0;
}

enum MHD_Result get_events(struct request *r)
{
	struct follower *f = calloc(1, sizeof(*f));
	struct error e = {0};
	bool follow;

	if (!f)
		return MHD_NO;
	if (read_arguments(r, f, &e) < 0) {
		free(f);
		return reply_error(r, &e);
	}
	f->producer.next = next_lines;
	f->producer.free = free_follower;
	f->producer.connection = r->connection;
	f->admin = r->admin;
	f->producer.listener = r->listener;
	f->stream = r->agent->stream;
	follow = f->follow && !server_is_retired(r->listener->server);
	f->follow = follow;
	if (follow)
		enlist(r->admin, f);
	return reply_produced(r, "application/x-ndjson", &f->producer);
}
