/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/room.h"
#include "base/log.h"
#include "base/util.h"

#define MAX_CONNECTIONS 64
#define IDLE_SECONDS 30

static void listener_stopped(void *arg)
{
	struct listener *listener = arg, **at = &listener->admin->listeners;

	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	free(listener);
}

/* Serves fd, which is taken in any case. */
static int listener_new(struct admin *admin, int fd, bool local, struct listener **ret, struct error *e)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	struct server_options options = {
		.loop = admin->agent->loop,
		.fd = fd,
		.handler = request_handle,
		.completed = request_completed,
		.stopped = listener_stopped,
		.arg = listener,
		.connections = MAX_CONNECTIONS,
		.idle_seconds = IDLE_SECONDS,
	};
	int r;

	if (!listener) {
		close(fd);
		return error_set(e, ENOMEM, "admin", "out of memory");
	}
	listener->admin = admin;
	listener->local = local;
	r = server_start(&options, &listener->server, e);
	if (r < 0) {
		close(fd);
		free(listener);
		return r;
	}
	listener->next = admin->listeners;
	admin->listeners = listener;
	*ret = listener;
	return 0;
}

/* Its readers are told, what it has begun is answered. */
static void listener_retire(struct admin *admin, struct listener *listener)
{
	if (!listener)
		return;
	events_end(admin, listener);
	server_retire(listener->server);
}

static int open_local(struct admin *admin, const struct settings *s, struct error *e)
{
	struct listener *listener;
	struct listen_file file;
	gid_t gid;
	int fd, r;

	r = listen_group(s->socket_group, &gid, e);
	if (r == 0)
		r = listen_unix(s->socket, gid, &fd, &file, e);
	if (r < 0)
		return r;
	r = listener_new(admin, fd, true, &listener, e);
	if (r < 0) {
		listen_unlink(&file);
		return r;
	}
	listen_unlink(&admin->file);
	listener_retire(admin, admin->local);
	admin->local = listener;
	admin->file = file;
	admin->gid = gid;
	return 0;
}

static bool is_off(const char *address)
{
	return !address || !*address || strcmp(address, "off") == 0;
}

static int open_machines(struct admin *admin, const struct settings *s, struct error *e)
{
	struct listener *listener = NULL;
	char *address = NULL, name[160];
	int fd, r;

	if (!is_off(s->metrics)) {
		address = strdup(s->metrics);
		r = address ? listen_tcp(address, &fd, e) : error_set(e, ENOMEM, "admin", "out of memory");
		if (r == 0)
			r = listener_new(admin, fd, false, &listener, e);
		if (r < 0) {
			free(address);
			return r;
		}
		log_info("admin", "metrics on http://%s/metrics", listen_name(fd, name, sizeof(name)));
	}
	listener_retire(admin, admin->machines);
	free(admin->metrics);
	admin->machines = listener;
	admin->metrics = address;
	return 0;
}

int admin_start(struct agent *agent, struct admin **ret, struct error *e)
{
	struct admin *admin = calloc(1, sizeof(*admin));
	int r;

	if (!admin)
		return error_set(e, ENOMEM, "admin", "out of memory");
	admin->agent = agent;
	admin->gid = (gid_t)-1;
	events_start(admin);
	r = open_local(admin, agent->settings, e);
	if (r == 0)
		r = open_machines(admin, agent->settings, e);
	if (r < 0) {
		admin_stop(admin);
		return r;
	}
	*ret = admin;
	return 0;
}

static int reconfigure_local(struct admin *admin, const struct settings *s, struct error *e)
{
	gid_t gid;
	int r;

	if (strcmp(s->socket, admin->file.path) != 0)
		return open_local(admin, s, e);
	r = listen_group(s->socket_group, &gid, e);
	if (r < 0 || gid == admin->gid)
		return r;
	r = listen_chown(&admin->file, gid, e);
	if (r == 0)
		admin->gid = gid;
	return r;
}

int admin_reconfigure(struct admin *admin, struct error *e)
{
	const struct settings *s = admin->agent->settings;
	const char *address = is_off(s->metrics) ? NULL : s->metrics;
	struct error second = {0};
	bool same = address && admin->metrics ? strcmp(address, admin->metrics) == 0 : !address == !admin->metrics;
	int r = reconfigure_local(admin, s, e);

	/* The one does not wait for the other to be right. */
	if (!same && open_machines(admin, s, &second) < 0 && r == 0) {
		r = -second.code;
		if (e)
			*e = second;
	}
	return r;
}

void admin_stop(struct admin *admin)
{
	if (!admin)
		return;
	listen_unlink(&admin->file);
	events_end(admin, NULL);
	jobs_end(admin);
	while (admin->listeners)
		server_stop(admin->listeners->server);
	events_stop(admin);
	free(admin->metrics);
	free(admin);
}
