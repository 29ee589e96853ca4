/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes something takes time: modules are probed in children and stop when they are done. The request waits as
 * a job, its connection suspended, and is answered with what came of it.
 */
#include <errno.h>
#include <string.h>

#include "admin/room.h"
#include "base/log.h"
#include "base/util.h"

struct job {
	struct request *request;  /* NULL: its client went away, or the server ended */
	struct job *next, **prev; /* in the server's list of those with a request */
	bool done;
	bool suspended;
	bool cut; /* the server ends: answered before it is done */
	enum MHD_Result (*answer)(struct request *r);
	struct problems problems; /* why it was refused after it had begun */
};

/* It has no request any more. */
static void job_detach(struct job *job)
{
	if (!job->request)
		return;
	*job->prev = job->next;
	if (job->next)
		job->next->prev = job->prev;
	job->request->job = NULL;
	job->request = NULL;
}

static void job_free(struct job *job)
{
	job_detach(job);
	problems_done(&job->problems);
	free(job);
}

static void job_resume(struct job *job)
{
	if (!job->suspended)
		return;
	job->suspended = false;
	request_resume(job->request->listener, job->request->connection);
}

static void job_end(struct job *job)
{
	job->done = true;
	if (job->request)
		job_resume(job);
	else
		job_free(job);
}

static void job_done(void *arg)
{
	job_end(arg);
}

static struct job *job_new(struct request *r, enum MHD_Result (*answer)(struct request *r))
{
	struct job *job = calloc(1, sizeof(*job));

	if (job) {
		job->request = r;
		job->answer = answer;
		job->next = r->admin->jobs;
		job->prev = &r->admin->jobs;
		if (job->next)
			job->next->prev = &job->next;
		r->admin->jobs = job;
		r->job = job;
	}
	return job;
}

/* The action has begun: answer now if it is over already, else when it is. */
static enum MHD_Result job_wait(struct request *r)
{
	if (r->job->done)
		return job_answer(r);
	r->job->suspended = true;
	MHD_suspend_connection(r->connection);
	return MHD_YES;
}

enum MHD_Result job_answer(struct request *r)
{
	enum MHD_Result result;

	if (r->job->cut && !r->job->done) {
		job_detach(r->job);
		return reply_stopping(r);
	}
	/* libmicrohttpd may ask again while a resumed connection is not ready. */
	if (!r->job->done)
		return MHD_YES;
	result = r->job->answer(r);
	job_free(r->job);
	return result;
}

void job_forget(struct request *r)
{
	if (r->job->done)
		job_free(r->job);
	else
		job_detach(r->job);
}

void jobs_end(struct admin *admin)
{
	struct job *job;

	for (job = admin->jobs; job; job = job->next) {
		job->cut = true;
		job_resume(job);
	}
}

/* ---- modules ---------------------------------------------------------------------------------------------------- */

typedef int (*module_action)(struct host *host, const char *name, struct error *e, void (*done)(void *arg), void *arg);

/* The module may have gone meanwhile, with a reload. */
static enum MHD_Result module_answer(struct request *r)
{
	json_t *module = view_module(r->agent, r->param);

	if (json_is_null(module))
		module = json_pack("{s:o, s:s}", "name", json_any(r->param), "state", "closed");
	return reply_json(r, MHD_HTTP_OK, module);
}

static enum MHD_Result act(struct request *r, module_action action)
{
	struct job *job = job_new(r, module_answer);
	struct error e = {0};
	int code;

	if (!job)
		return MHD_NO;
	code = r->agent->host ? action(r->agent->host, r->param, &e, job_done, job) : -ENODEV;
	if (code == 0)
		return job_wait(r);
	job_free(job);
	if (!e.code)
		error_set(&e, -code, r->param, "%s", strerror(-code));
	return reply_error(r, &e);
}

enum MHD_Result post_module_enable(struct request *r)
{
	return act(r, host_module_enable);
}

enum MHD_Result post_module_disable(struct request *r)
{
	return act(r, host_module_disable);
}

enum MHD_Result post_module_reload(struct request *r)
{
	return act(r, host_module_reload);
}

/* ---- the configuration ------------------------------------------------------------------------------------------ */

static json_t *problem_list(const struct problems *p)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < p->n; i++)
		json_array_append_new(list, json_problem(&p->list[i]));
	return list;
}

/* All of them, and the first as the error. */
static enum MHD_Result refuse_reload(struct request *r, int code, const struct problems *p)
{
	struct error e = {0};
	json_t *doc;

	if (p->n)
		e = p->list[0];
	else
		error_set(&e, -code, "reload", "%s", strerror(-code));
	doc = json_pack("{s:o, s:o, s:I}", "error", json_problem(&e), "problems", problem_list(p), "dropped",
			(json_int_t)p->dropped);
	return reply_json(r, e.code == EBUSY ? MHD_HTTP_CONFLICT : MHD_HTTP_BAD_REQUEST, doc);
}

static enum MHD_Result reload_answer(struct request *r)
{
	const struct problems *p = &r->job->problems;

	return p->n ? refuse_reload(r, -p->list[0].code, p) : reply_json(r, MHD_HTTP_OK, view_modules(r->agent));
}

static void reload_done(void *arg, const struct problems *p)
{
	struct job *job = arg;
	size_t i;

	for (i = 0; i < p->n; i++) {
		log_problem(LOG_LEVEL_ERROR, "config", &p->list[i]);
		problems_add(&job->problems, p->list[i].code, p->list[i].where, "%s", p->list[i].text);
	}
	job_end(job);
}

enum MHD_Result post_reload(struct request *r)
{
	struct job *job = job_new(r, reload_answer);
	struct problems p = {0};
	enum MHD_Result result;
	size_t i;
	int code;

	if (!job)
		return MHD_NO;
	code = agent_reload(r->agent, &p, reload_done, job);
	if (code == 0) {
		result = job_wait(r);
	} else {
		for (i = 0; i < p.n; i++)
			log_problem(LOG_LEVEL_ERROR, "config", &p.list[i]);
		job_free(job);
		result = refuse_reload(r, code, &p);
	}
	problems_done(&p);
	return result;
}
