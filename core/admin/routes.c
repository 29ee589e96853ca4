/* SPDX-License-Identifier: Apache-2.0 */
/* Which path is answered by what, and who may ask. */
#include <errno.h>
#include <string.h>

#include "admin/room.h"
#include "base/util.h"

struct route {
	const char *method;
	const char *path; /* {} stands for one component */
	bool machines;    /* on TCP too */
	enum MHD_Result (*handler)(struct request *r);
};

static const struct route routes[] = {
	{"GET", "/v1/status", false, get_status},
	{"GET", "/v1/identities", false, get_identities},
	{"GET", "/v1/identities/{}", false, get_identity},
	{"GET", "/v1/explain", false, get_explain},
	{"GET", "/v1/modules", false, get_modules},
	{"GET", "/v1/modules/{}", false, get_module},
	{"POST", "/v1/modules/{}/enable", false, post_module_enable},
	{"POST", "/v1/modules/{}/disable", false, post_module_disable},
	{"POST", "/v1/modules/{}/reload", false, post_module_reload},
	{"GET", "/v1/facets", false, get_facets},
	{"GET", "/v1/profiles", false, get_profiles},
	{"GET", "/v1/config", false, get_config},
	{"GET", "/v1/events", false, get_events},
	{"GET", "/v1/bus/check", false, get_bus_check},
	{"POST", "/v1/bus/check", false, post_bus_check},
	{"POST", "/v1/reload", false, post_reload},
	{"GET", "/metrics", true, get_metrics},
	{"GET", "/healthz", true, get_healthz},
	{"GET", "/readyz", true, get_readyz},
};

/* Does url fit the pattern? What stands for {} goes into param. */
static bool matches(const char *pattern, const char *url, char *param, size_t size)
{
	const char *hole = strstr(pattern, "{}");
	size_t before, n;

	if (!hole)
		return strcmp(pattern, url) == 0;
	before = (size_t)(hole - pattern);
	if (strncmp(pattern, url, before) != 0)
		return false;
	n = strcspn(url + before, "/");
	if (!n || n >= size || strcmp(url + before + n, hole + 2) != 0)
		return false;
	memcpy(param, url + before, n);
	param[n] = '\0';
	return true;
}

/* HEAD is GET without its body, which libmicrohttpd leaves out. */
static bool same_method(const struct route *route, const char *method)
{
	return strcmp(route->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

static enum MHD_Result refuse_method(struct request *r, const char *method, bool get, bool post)
{
	json_t *doc;
	struct MHD_Response *response;
	const char *allow = get && post ? "GET, HEAD, POST" : get ? "GET, HEAD" : "POST";
	struct error e = {0};
	char *dump;

	error_set(&e, EOPNOTSUPP, method, "this path answers %s", allow);
	doc = json_pack("{s:i, s:o}", "schema_version", ADMIN_SCHEMA_VERSION, "error", json_problem(&e));
	dump = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	json_decref(doc);
	if (!dump)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(dump), dump, MHD_RESPMEM_MUST_FREE);
	if (response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	else
		free(dump);
	return reply_response(r, MHD_HTTP_METHOD_NOT_ALLOWED, "application/json", response);
}

static enum access access_of(const struct request *r)
{
	const union MHD_ConnectionInfo *info;

	if (!r->listener->local)
		return ACCESS_READ;
	info = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return info ? request_access(info->connect_fd, r->admin->gid) : ACCESS_NONE;
}

static enum MHD_Result call(struct request *r, const struct route *route)
{
	enum access need = strcmp(route->method, "POST") == 0 ? ACCESS_WRITE : ACCESS_READ;
	enum access have = access_of(r);
	struct error e = {0};

	/* Nothing is begun that nobody would wait for. */
	if (have >= need)
		return need == ACCESS_WRITE && server_is_retired(r->listener->server) ? reply_stopping(r)
										      : route->handler(r);
	error_set(&e, EACCES, route->path, "%s",
		  need == ACCESS_WRITE ? "root alone may change things"
				       : "root and the members of the group in admin.group may read");
	return reply_error(r, &e);
}

enum MHD_Result route(struct request *r, const char *method, const char *url)
{
	bool get = false, post = false;
	struct error e = {0};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!r->listener->local && !routes[i].machines)
			continue;
		if (!matches(routes[i].path, url, r->param, sizeof(r->param)))
			continue;
		if (same_method(&routes[i], method))
			return call(r, &routes[i]);
		get |= strcmp(routes[i].method, "GET") == 0;
		post |= strcmp(routes[i].method, "POST") == 0;
	}
	if (get || post)
		return refuse_method(r, method, get, post);
	error_set(&e, ENOENT, url, "no such path");
	return reply_error(r, &e);
}
