/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin socket: any bytes as a client's, through HTTP, routing, arguments and views, on an agent without a kernel
 * side and without modules.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "admin/room.h"
#include "base/util.h"
#include "fuzz.h"

static uv_loop_t loop;
/* stopping: reloads are refused. */
static struct agent agent = {.loop = &loop, .cgroup_root = "/sys/fs/cgroup", .stopping = true};
static struct admin *admin;
static char dir[] = "/tmp/prism-fuzz-http-XXXXXX";
static char path[64];

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void clean_up(void)
{
	admin_stop(TAKE_PTR(admin));
	while (uv_run(&loop, UV_RUN_NOWAIT))
		;
	uv_loop_close(&loop);
	stream_free(agent.stream);
	metrics_free(agent.metrics);
	cgroups_free(agent.cgroups);
	identity_table_free(agent.identities);
	label_filter_free(agent.label_filter);
	settings_free(agent.settings);
	rmdir(dir);
}

static void set_up(void)
{
	const struct settings_source defaults = {.path = "/nonexistent/prismd.yaml", .optional = true};
	const struct stream_tag tag = {.source = "trace", .type = "exec"};
	const struct prism_event event = {.size = sizeof(event), .identity = 300};
	struct cgroup *cg;
	struct identity *id;
	bool made;

	signal(SIGPIPE, SIG_IGN);
	must(uv_loop_init(&loop) == 0 && mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/sock", dir);
	must(settings_load(&defaults, &agent.settings, NULL) == 0);
	agent.settings->socket = path;
	agent.settings->metrics = "off";
	agent.metrics = metrics_new();
	agent.stream = stream_new(16);
	agent.cgroups = cgroups_new(1);
	agent.identities = identity_table_new(NS_PER_SEC);
	must(agent.metrics && agent.stream && agent.cgroups && agent.identities);
	must(label_filter_default(&agent.label_filter) == 0);
	must(cgroup_add(agent.cgroups, cgroups_root(agent.cgroups), 10, "a.service", &cg) == 0);
	must(identity_acquire(agent.identities, "io.prism/namespace=n;io.prism/serviceaccount=s;k=v", 0, 1, &id,
			      &made) == 0);
	must(stream_put(agent.stream, &tag, &event) == 0);
	must(admin_start(&agent, &admin, NULL) == 0);
	atexit(clean_up);
}

static void serve(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[4096];
	ssize_t n = 1;
	unsigned int quiet = 0;

	/* A stream that is followed does not end by itself: leave when nothing has come for some turns. */
	while (n && quiet < 8) {
		uv_run(&loop, UV_RUN_NOWAIT);
		n = -1;
		while (poll(&p, 1, 0) > 0 && (n = read(fd, buf, sizeof(buf))) > 0)
			quiet = 0;
		quiet++;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	ssize_t written;
	int fd;

	if (!admin)
		set_up();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	memcpy(address.sun_path, path, sizeof(path));
	must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	written = write(fd, data, size < 100000 ? size : 100000);
	(void)written;
	serve(fd);
	close(fd);
	/* Readers that went away are noticed by a patrol, which has no time here. */
	events_end(admin, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	uv_run(&loop, UV_RUN_NOWAIT);
	return 0;
}
