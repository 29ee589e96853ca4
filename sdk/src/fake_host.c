// SPDX-License-Identifier: Apache-2.0
#include "fake.h"

#define STOP_DEADLINE_MS 5000

static int get_bus_fd(struct prism_host *host)
{
	return fake_of(host)->bus_fd;
}

static int get_meta_fd(struct prism_host *host)
{
	return fake_of(host)->meta_fd;
}

static int get_cgroup_fd(struct prism_host *host)
{
	return fake_of(host)->cgroup_fd;
}

static const char *get_cgroup_path(struct prism_host *host)
{
	return fake_of(host)->cgroup_path;
}

static const char *get_pin_dir(struct prism_host *host)
{
	return fake_of(host)->pin_dir;
}

static void stopped(struct prism_host *host)
{
	fake_of(host)->stopped = true;
}

static const struct prism_host_api api = {
	.size = sizeof(api),
	.abi_major = PRISM_ABI_MAJOR,
	.abi_minor = PRISM_ABI_MINOR,
	.log = fake_log,
	.fail = fake_fail,
	.stopped = stopped,
	.bus_fd = get_bus_fd,
	.meta_fd = get_meta_fd,
	.cgroup_fd = get_cgroup_fd,
	.cgroup_path = get_cgroup_path,
	.pin_dir = get_pin_dir,
	.facet_mask = fake_facet_mask,
	.facet_all = fake_facet_all,
	.facet_set = fake_facet_set,
	.identities = fake_identities,
	.identity = fake_identity,
	.timer_start = fake_timer_start,
	.timer_stop = fake_timer_stop,
	.watch_start = fake_watch_start,
	.watch_stop = fake_watch_stop,
	.event = fake_event,
	.sample = fake_sample,
	.histogram = fake_histogram,
	.text = fake_text,
	.option_int = fake_option_int,
	.option_text = fake_option_text,
	.option_node = fake_option_node,
	.node_kind = fake_node_kind,
	.node_count = fake_node_count,
	.node_at = fake_node_at,
	.node_text = fake_node_text,
	.node_error = fake_node_error,
	.condition = fake_condition,
	.program = fake_program,
};

struct prism_fake_host *prism_fake_host_new(const struct prism_module *module, const char *config)
{
	struct prism_fake_host *fake = calloc(1, sizeof(*fake));
	int r;

	if (!fake)
		return NULL;
	fake->host.api = &api;
	fake->module = module;
	fake->config_text = strdup(config ? config : "");
	r = fake_bus_init(fake);
	if (!fake->config_text)
		r = -ENOMEM;
	if (r < 0) {
		prism_fake_host_free(fake);
		errno = -r;
		return NULL;
	}
	return fake;
}

void prism_fake_host_free(struct prism_fake_host *fake)
{
	if (!fake)
		return;
	if (fake->state == FAKE_RUNNING)
		prism_fake_host_stop(fake, PRISM_STOP_REMOVE);
	fake_bus_unpin(fake);
	fake_loop_done(fake);
	fake_identity_done(fake);
	fake_record_done(fake);
	fake_bus_done(fake);
	free(fake->config_text);
	free(fake);
}

struct prism_host *prism_fake_host_host(struct prism_fake_host *fake)
{
	return &fake->host;
}

void *prism_fake_host_self(struct prism_fake_host *fake)
{
	return fake->self;
}

const char *prism_fake_host_reason(const struct prism_fake_host *fake)
{
	return fake->reason;
}

const char *prism_fake_host_condition(const struct prism_fake_host *fake)
{
	return fake->condition;
}

/* A step that fails without prism_fail() is a mistake of the module; the author shall see which step it was. */
static int failed(struct prism_fake_host *fake, int r, const char *step)
{
	if (!fake->reason[0])
		prism_fail(&fake->host, -r, step, "failed without a reason: %s", strerror(-r));
	return r;
}

static int configure(struct prism_fake_host *fake, const char *text)
{
	struct prism_config config;
	int r;

	r = fake_options_check(fake, text, &config);
	if (r < 0)
		return r;
	r = fake->module->configure ? fake->module->configure(fake->self, &config) : 0;
	fake_options_done(&config);
	return r < 0 ? failed(fake, r, "configure") : 0;
}

/* close(), and what the host takes back after it. */
static void shut(struct prism_fake_host *fake)
{
	fake->state = FAKE_NEW;
	if (fake->module->close)
		fake->module->close(fake->self);
	fake->self = NULL;
	fake->condition[0] = '\0';
	fake_programs_done(fake);
	fake_loop_done(fake);
	fake_identity_clear_facets(fake);
}

static int undo(struct prism_fake_host *fake, int r)
{
	shut(fake);
	fake_bus_unpin(fake);
	return r;
}

int prism_fake_host_start(struct prism_fake_host *fake)
{
	const struct prism_module *m = fake->module;
	int r;

	if (fake->state != FAKE_NEW)
		return -EALREADY;
	fake->reason[0] = '\0';
	r = fake_descriptor_check(fake);
	if (r < 0)
		return r;
	r = m->probe ? m->probe(&fake->host) : 0;
	if (r < 0)
		return failed(fake, r, "probe");
	r = m->open ? m->open(&fake->host, &fake->self) : 0;
	if (r < 0)
		return failed(fake, r, "open");
	fake->state = FAKE_OPEN;
	r = configure(fake, fake->config_text);
	if (r < 0)
		return undo(fake, r);
	fake->state = FAKE_CONFIGURED;
	r = m->start ? m->start(fake->self) : 0;
	if (r < 0)
		return undo(fake, failed(fake, r, "start"));
	fake->state = FAKE_RUNNING;
	fake_identity_replay(fake);
	return 0;
}

int prism_fake_host_reconfigure(struct prism_fake_host *fake, const char *config)
{
	char *text;
	int r;

	if (fake->state != FAKE_RUNNING)
		return -EINVAL;
	text = strdup(config ? config : "");
	if (!text)
		return -ENOMEM;
	fake->reason[0] = '\0';
	r = configure(fake, text);
	if (r < 0) {
		free(text);
		return r;
	}
	free(fake->config_text);
	fake->config_text = text;
	return 0;
}

static bool is_stopped(void *arg)
{
	return ((struct prism_fake_host *)arg)->stopped;
}

int prism_fake_host_stop(struct prism_fake_host *fake, enum prism_stop why)
{
	int r;

	if (fake->state != FAKE_RUNNING)
		return -EALREADY;
	fake->stopped = false;
	r = fake->module->stop ? fake->module->stop(fake->self, why) : 0;
	if (r == PRISM_STOPPING)
		r = prism_fake_host_run(fake, STOP_DEADLINE_MS, is_stopped, fake) ? 0 : -ETIMEDOUT;
	if (r < 0)
		failed(fake, r, "stop");
	shut(fake);
	if (why == PRISM_STOP_REMOVE)
		fake_bus_unpin(fake);
	return r;
}
