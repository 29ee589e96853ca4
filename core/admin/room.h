/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the admin server, shared by the files of this folder alone. */
#ifndef ADMIN_ROOM_H
#define ADMIN_ROOM_H

#include "admin/admin.h"
#include "admin/json.h"
#include "admin/listen.h"
#include "admin/request.h"

struct follower;
struct job;

struct admin {
	struct agent *agent;
	struct listener *listeners; /* all, also those that end */
	struct listener *local, *machines;
	struct listen_file file;
	gid_t gid;
	char *metrics; /* admin.metrics as it was when it was bound; NULL: none */
	struct stream_listener ear;
	struct follower *followers;
	struct job *jobs;   /* actions under way whose clients wait */
	uv_timer_t *patrol; /* looks for followers whose client has gone; runs while there are any */
};

/* routes.c: finds the handler and checks the right to call it. */
enum MHD_Result route(struct request *r, const char *method, const char *url);

/* Views: whole documents, NULL when memory ran out. */
json_t *view_status(const struct admin *admin);
json_t *view_identity(const struct agent *agent, const struct identity *id);
json_t *view_modules(const struct agent *agent);
json_t *view_module(const struct agent *agent, const char *name); /* json_null() when there is none */
/* Options, metrics and events of a descriptor; of none (NULL): empty lists. */
json_t *view_declared(const struct prism_module *descriptor);
json_t *view_facets(const struct agent *agent);
json_t *view_profiles(const struct agent *agent);

/* Handlers. */
enum MHD_Result get_status(struct request *r);
enum MHD_Result get_identities(struct request *r);
enum MHD_Result get_identity(struct request *r);
enum MHD_Result get_explain(struct request *r);
enum MHD_Result get_modules(struct request *r);
enum MHD_Result get_module(struct request *r);
enum MHD_Result get_facets(struct request *r);
enum MHD_Result get_profiles(struct request *r);
enum MHD_Result get_config(struct request *r);
enum MHD_Result get_events(struct request *r);
enum MHD_Result get_bus_check(struct request *r);
enum MHD_Result post_bus_check(struct request *r);
enum MHD_Result post_module_enable(struct request *r);
enum MHD_Result post_module_disable(struct request *r);
enum MHD_Result post_module_reload(struct request *r);
enum MHD_Result post_reload(struct request *r);
enum MHD_Result get_metrics(struct request *r);
enum MHD_Result get_healthz(struct request *r);
enum MHD_Result get_readyz(struct request *r);

/* action.c: the answer of a finished job; the client of an unfinished one went away; none is waited for any more. */
enum MHD_Result job_answer(struct request *r);
void job_forget(struct request *r);
void jobs_end(struct admin *admin);

/* events.c: wakes readers that wait; with end they are told that nothing more comes. */
void events_start(struct admin *admin);
void events_end(struct admin *admin, const struct listener *only);
void events_stop(struct admin *admin);

#endif
