/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/request.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "admin/room.h"
#include "base/util.h"

/* No endpoint reads a body; a client that sends one anyway is heard out up to here. */
#define MAX_BODY (64u << 10)

/* ---- who asks --------------------------------------------------------------------------------------------------- */

static bool in_groups(int fd, gid_t gid)
{
	gid_t groups[NGROUPS_MAX > 1024 ? 1024 : NGROUPS_MAX];
	socklen_t len = sizeof(groups);
	size_t i;

	/* Beyond this many groups the kernel refuses (ERANGE), and so do we. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == gid)
			return true;
	return false;
}

enum access request_access(int fd, gid_t gid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || len != sizeof(peer))
		return ACCESS_NONE;
	if (peer.uid == 0 || peer.uid == geteuid())
		return ACCESS_WRITE;
	if (gid != (gid_t)-1 && (peer.gid == gid || in_groups(fd, gid)))
		return ACCESS_READ;
	return ACCESS_NONE;
}

/* ---- what for --------------------------------------------------------------------------------------------------- */

const char *request_arg(const struct request *r, const char *name)
{
	const char *value = NULL;
	size_t len = 0;

	if (MHD_lookup_connection_value_n(r->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &len) !=
	    MHD_YES)
		return NULL;
	if (!value)
		return "";
	return strlen(value) == len ? value : NULL;
}

bool request_number(const struct request *r, const char *name, uint64_t max, uint64_t *ret, bool *ret_bad)
{
	const char *text = request_arg(r, name);
	unsigned long long value;
	char *end;

	if (!text)
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value > max) {
		*ret_bad = true;
		return false;
	}
	*ret = value;
	return true;
}

/* ---- answers ---------------------------------------------------------------------------------------------------- */

enum MHD_Result reply_response(struct request *r, unsigned int status, const char *type, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	result = MHD_queue_response(r->connection, status, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result reply_text(struct request *r, unsigned int status, const char *type, struct text *body)
{
	size_t len = body->len;
	char *data = text_take(body);
	struct MHD_Response *response;

	if (!data)
		return MHD_NO;
	response = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(data);
	return reply_response(r, status, type, response);
}

enum MHD_Result reply_json(struct request *r, unsigned int status, json_t *doc)
{
	json_t *all = json_pack("{s:i}", "schema_version", ADMIN_SCHEMA_VERSION);
	struct text body = {0};
	char *dump = NULL;

	if (doc && json_object_update(all, doc) == 0)
		dump = json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(all);
	json_decref(doc);
	if (!dump)
		return MHD_NO;
	text_append(&body, dump);
	text_append(&body, "\n");
	free(dump);
	return reply_text(r, status, "application/json", &body);
}

static unsigned int http_status(int code)
{
	switch (code) {
	case ENOENT:
	case ESRCH:
	case ESTALE:
		return MHD_HTTP_NOT_FOUND;
	case EINVAL:
	case ENAMETOOLONG:
		return MHD_HTTP_BAD_REQUEST;
	case EACCES:
	case EPERM:
		return MHD_HTTP_FORBIDDEN;
	case EBUSY:
	case EALREADY:
		return MHD_HTTP_CONFLICT;
	case E2BIG:
		return MHD_HTTP_CONTENT_TOO_LARGE;
	case EOPNOTSUPP:
		return MHD_HTTP_NOT_IMPLEMENTED;
	case ESHUTDOWN:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

enum MHD_Result reply_error(struct request *r, const struct error *e)
{
	return reply_json(r, http_status(e->code), json_pack("{s:o}", "error", json_problem(e)));
}

enum MHD_Result reply_stopping(struct request *r)
{
	struct error e = {0};

	error_set(&e, ESHUTDOWN, "prismd", "prismd is stopping");
	return reply_error(r, &e);
}

void request_resume(struct listener *listener, struct MHD_Connection *connection)
{
	MHD_resume_connection(connection);
	server_kick(listener->server);
}

/* ---- libmicrohttpd ---------------------------------------------------------------------------------------------- */

static enum MHD_Result begin(struct listener *listener, struct MHD_Connection *connection, void **state)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return MHD_NO;
	r->admin = listener->admin;
	r->agent = listener->admin->agent;
	r->listener = listener;
	r->connection = connection;
	server_request_begin(listener->server);
	*state = r;
	return MHD_YES;
}

enum MHD_Result request_handle(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
			       const char *version, const char *data, size_t *size, void **state)
{
	struct request *r = *state;

	(void)version;
	(void)data;
	if (!r)
		return begin(arg, connection, state);
	if (*size) {
		r->body += *size;
		*size = 0;
		/* Nothing can be answered in the middle of a body but the end of the connection. */
		return r->body > MAX_BODY ? MHD_NO : MHD_YES;
	}
	return r->job ? job_answer(r) : route(r, method, url);
}

void request_completed(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
	struct request *r = *state;

	(void)arg;
	(void)connection;
	(void)why;
	if (!r)
		return;
	*state = NULL;
	if (r->job)
		job_forget(r);
	server_request_end(r->listener->server);
	free(r);
}
