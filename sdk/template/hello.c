// SPDX-License-Identifier: Apache-2.0
#include <linux/capability.h>
#include <stdlib.h>

#include <prism/leg.h>

#include "hello.skel.h"

struct hello {
	struct prism_host *host;
	struct hello_bpf *skel;
	struct prism_leg *leg;
};

static int hello_open(struct prism_host *host, void **ret_self)
{
	struct hello *self = calloc(1, sizeof(*self));

	if (!self)
		return prism_fail(host, ENOMEM, "open", "out of memory");
	self->host = host;
	*ret_self = self;
	return 0;
}

static void unload(struct hello *self, enum prism_stop why)
{
	prism_leg_close(self->leg, why);
	hello_bpf__destroy(self->skel);
	self->leg = NULL;
	self->skel = NULL;
}

static int hello_start(void *arg)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct hello *self = arg;
	int r;

	self->skel = hello_bpf__open_opts(prism_leg_open_opts(self->host, &opts));
	r = prism_leg_load(self->host, self->skel ? self->skel->skeleton : NULL, &self->leg);
	if (!r)
		r = prism_leg_attach(self->leg, self->skel->progs.on_exec);
	if (!r)
		r = prism_facet_all(self->host, true);
	if (r < 0)
		unload(self, PRISM_STOP_REMOVE);
	return r;
}

static void hello_identity(void *arg, enum prism_change change, const struct prism_workload *workload)
{
	struct hello *self = arg;

	if (change == PRISM_IDENTITY_ADDED)
		prism_log(self->host, PRISM_LOG_INFO, "hello %s, you are %u", workload->name, workload->identity);
}

static int hello_stop(void *arg, enum prism_stop why)
{
	unload(arg, why);
	return 0;
}

static void hello_close(void *arg)
{
	unload(arg, PRISM_STOP_SHUTDOWN);
	free(arg);
}

const struct prism_module prism_module = {
	PRISM_MODULE_HEADER,
	.name = "hello",
	.version = "0.1",
	.summary = "says hello to each identity",
	.facet = "hello",
	.open = hello_open,
	.start = hello_start,
	.identity = hello_identity,
	.stop = hello_stop,
	.close = hello_close,
	.capabilities = PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_PERFMON),
};
PRISM_MODULE_NOTE("hello", "0.1", PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
