/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/bus/check: the map against what prismd wrote. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "admin/room.h"
#include "base/util.h"

/* More are counted and not listed. */
#define MAX_LISTED 1000

struct findings {
	const struct agent *agent;
	json_t *list;
};

static void note_finding(void *arg, uint64_t id, const struct prism_identity *found, const char *what)
{
	struct findings *f = arg;
	struct cgroup *cg;
	char path[PATH_MAX];

	if (json_array_size(f->list) >= MAX_LISTED)
		return;
	cg = cgroup_by_id(f->agent->cgroups, id);
	json_array_append_new(f->list,
			      json_pack("{s:I, s:o, s:s, s:o, s:o}", "cgroup", (json_int_t)id, "path",
					cg && cgroup_path(cg, path, sizeof(path)) == 0 ? json_any(path) : json_null(),
					"what", what, "identity",
					found ? json_integer((json_int_t)found->identity) : json_null(), "flags",
					found ? json_integer((json_int_t)found->flags) : json_null()));
}

static enum MHD_Result check(struct request *r, bool repair)
{
	struct findings f = {.agent = r->agent, .list = json_array()};
	struct bus_check counts = {0};
	struct error e = {0};
	int code = r->agent->bus ? bus_verify(r->agent->bus, repair, &counts, note_finding, &f) : -ENODEV;

	if (code < 0) {
		json_decref(f.list);
		error_set(&e, -code, "bus", "the map cannot be read: %s", strerror(-code));
		return reply_error(r, &e);
	}
	return reply_json(r, MHD_HTTP_OK,
			  json_pack("{s:I, s:I, s:I, s:b, s:o}", "foreign", (json_int_t)counts.foreign, "altered",
				    (json_int_t)counts.altered, "missing", (json_int_t)counts.missing, "repaired",
				    repair, "entries", f.list));
}

enum MHD_Result get_bus_check(struct request *r)
{
	return check(r, false);
}

enum MHD_Result post_bus_check(struct request *r)
{
	return check(r, true);
}
