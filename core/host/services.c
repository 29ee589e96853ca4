/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table that modules call. What comes in is checked as far as it can be: a host pointer that is none, a call from
 * another thread, a call after close(), a stopped timer, a sink that was lent to somebody else or earlier.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "config/option.h"
#include "host/set.h"
#include "metric/program.h"

#define MAX_FIELDS 64
#define MAX_LIST 256
#define MAX_LINES 64

static struct lent lent;

struct lent services_lend(struct lent now)
{
	struct lent before = lent;

	lent = now;
	return before;
}

/* NULL: not one of our modules, or not prismd's thread. */
static struct module *module_of(struct prism_host *host)
{
	struct module *m = (struct module *)host;

	return m && m->magic == MODULE_MAGIC && pthread_equal(m->thread, pthread_self()) ? m : NULL;
}

/* The module between open() and close(), where its resources are. */
static struct module *open_module_of(struct prism_host *host)
{
	struct module *m = module_of(host);

	return m && (m->depth || m->open) ? m : NULL;
}

/* One line is one line in the log and in prismctl, whatever a module puts into it. */
static void copy_line(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "");
	for (char *c = to; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
}

static void service_log(struct prism_host *host, int level, const char *text)
{
	struct module *m = module_of(host);
	char line[1024];

	if (!m)
		return;
	copy_line(line, sizeof(line), text);
	if (level < LOG_LEVEL_ERROR)
		level = LOG_LEVEL_ERROR;
	else if (level == 5)
		level = LOG_LEVEL_INFO;
	else if (level > LOG_LEVEL_DEBUG)
		level = LOG_LEVEL_DEBUG;
	log_line((enum log_level)level, m->room, "%s", line);
}

/* The first report counts: what follows is usually its consequence. */
static void service_fail(struct prism_host *host, int code, const char *where, const char *text)
{
	struct module *m = open_module_of(host);

	if (!m || m->report.code)
		return;
	copy_line(m->report.where, sizeof(m->report.where), where);
	copy_line(m->report.text, sizeof(m->report.text), text);
	m->report.code = code > 0 && code < 4096 ? code : EIO;
}

static void service_condition(struct prism_host *host, const char *text)
{
	struct module *m = open_module_of(host);
	char line[sizeof(m->condition)];

	if (!m || m->state == MODULE_STOPPING)
		return;
	copy_line(line, sizeof(line), text);
	module_set_condition(m, line);
}

static void service_stopped(struct prism_host *host)
{
	struct module *m = module_of(host);

	if (m && m->state == MODULE_STOPPING)
		m->stop_done = true;
}

static int service_bus_fd(struct prism_host *host)
{
	struct module *m = module_of(host);

	return m ? m->owner->env.bus_fd : -EINVAL;
}

static int service_meta_fd(struct prism_host *host)
{
	struct module *m = module_of(host);

	return m ? m->owner->env.meta_fd : -EINVAL;
}

static int service_cgroup_fd(struct prism_host *host)
{
	struct module *m = module_of(host);

	return m ? m->owner->env.cgroup_fd : -EINVAL;
}

static const char *service_cgroup_path(struct prism_host *host)
{
	struct module *m = module_of(host);

	return m ? m->owner->env.cgroup_path : NULL;
}

static const char *service_pin_dir(struct prism_host *host)
{
	struct module *m = module_of(host);

	return m ? m->pin_dir : NULL;
}

/* A module's programs are no longer published once it is closed: see call_close(). */
static int service_program(struct prism_host *host, const char *name, int fd)
{
	struct module *m = open_module_of(host);
	struct metrics *metrics = m ? m->owner->env.metrics : NULL;

	if (!m || !name)
		return -EINVAL;
	if (!metrics)
		return -ENOSYS;
	if (fd >= 0)
		return program_add(metrics, m->name, name, fd);
	program_drop(metrics, m->name, name);
	return 0;
}

/* ---- facets ------------------------------------------------------------------------------------------------------ */

static uint32_t service_facet_mask(struct prism_host *host)
{
	struct module *m = module_of(host);

	return m && m->facet_bit >= 0 ? PRISM_FACET_BIT(m->facet_bit) : 0;
}

/* A module that was closed, or is in stop(), claims nothing any more. */
static struct module *claimant(struct prism_host *host, int *r)
{
	struct module *m = open_module_of(host);

	if (!m || !m->open || m->state == MODULE_STOPPING)
		*r = -EINVAL;
	else if (m->facet_bit < 0)
		*r = -ENOENT;
	else
		return m;
	return NULL;
}

static int service_facet_all(struct prism_host *host, bool on)
{
	int r = 0;
	struct module *m = claimant(host, &r);

	if (!m)
		return r;
	m->facet_all_fresh = true;
	if (m->facet_all == on)
		return 0;
	m->facet_all = on;
	if (m->owner->env.facets_changed)
		m->owner->env.facets_changed(m->owner->env.arg, 0);
	return 0;
}

static void ignore_workload(void *arg, const struct prism_workload *workload)
{
	(void)arg;
	(void)workload;
}

static int service_facet_set(struct prism_host *host, uint32_t identity, bool on)
{
	int r = 0;
	struct module *m = claimant(host, &r);
	struct host *set;
	struct known *k;
	uint32_t before;
	uint64_t bit;

	if (!m)
		return r;
	set = m->owner;
	if (!identity || identity > PRISM_ID_LAST)
		return -EINVAL;
	/* Numbers nobody has would only pile up. */
	if (set->env.identity && set->env.identity(set->env.arg, identity, ignore_workload, NULL))
		return -ENOENT;
	before = host_facets(set, identity);
	k = known_get(&set->known, identity);
	if (!k)
		return -ENOMEM;
	bit = 1ull << m->index;
	k->fresh |= bit;
	k->on = on ? k->on | bit : k->on & ~bit;
	k->off = on ? k->off & ~bit : k->off | bit;
	if (host_facets(set, identity) != before && set->env.facets_changed)
		set->env.facets_changed(set->env.arg, identity);
	return 0;
}

static int service_identities(struct prism_host *host, prism_workload_fn fn, void *arg)
{
	struct module *m = open_module_of(host);

	if (!m || !fn)
		return -EINVAL;
	if (m->owner->env.identities)
		m->owner->env.identities(m->owner->env.arg, fn, arg);
	return 0;
}

static int service_identity(struct prism_host *host, uint32_t identity, prism_workload_fn fn, void *arg)
{
	struct module *m = open_module_of(host);

	if (!m || !fn)
		return -EINVAL;
	return m->owner->env.identity ? m->owner->env.identity(m->owner->env.arg, identity, fn, arg) : -ENOENT;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

static int service_timer_start(struct prism_host *host, uint64_t delay_ms, uint64_t repeat_ms, prism_timer_fn fn,
			       void *arg, struct prism_timer **ret)
{
	struct module *m = open_module_of(host);

	return m ? handle_timer(m, delay_ms, repeat_ms, fn, arg, ret) : -EINVAL;
}

static int service_watch_start(struct prism_host *host, int fd, uint32_t events, prism_watch_fn fn, void *arg,
			       struct prism_watch **ret)
{
	struct module *m = open_module_of(host);

	return m ? handle_watch(m, fd, events, fn, arg, ret) : -EINVAL;
}

/* ---- events, metrics, text --------------------------------------------------------------------------------------- */

static bool field_sound(const struct prism_field *f)
{
	if (!f->key || !f->key[0] || f->kind < PRISM_FIELD_UNSIGNED || f->kind > PRISM_FIELD_BOOL)
		return false;
	if (f->kind != PRISM_FIELD_LIST)
		return f->kind != PRISM_FIELD_TEXT || f->v.text;
	if (f->n > MAX_LIST || (f->n && !f->v.list))
		return false;
	for (uint32_t i = 0; i < f->n; i++)
		if (!f->v.list[i])
			return false;
	return true;
}

/* Copies what a module of any minor gave into today's structures. */
static int read_event(const struct module *m, const struct prism_event *in, struct prism_event *out,
		      struct prism_field *fields)
{
	if (!in || in->size < sizeof(*in) || in->type >= m->image->desc.n_events || in->n_fields > MAX_FIELDS)
		return -EINVAL;
	*out = *in;
	out->size = sizeof(*out);
	if (in->n_fields && (!in->fields || in->field_size < sizeof(*fields)))
		return -EINVAL;
	for (uint32_t i = 0; i < in->n_fields; i++) {
		memcpy(&fields[i], (const char *)in->fields + (size_t)i * in->field_size, sizeof(*fields));
		if (!field_sound(&fields[i]))
			return -EINVAL;
	}
	out->fields = fields;
	out->field_size = sizeof(*fields);
	return 0;
}

struct tagging {
	struct host *host;
	struct stream_tag tag;
	struct prism_event *event;
	char facets[256];
	int result;
};

static void put_tagged(void *arg, const struct prism_workload *w)
{
	static const char *const classes[] = {NULL, "critical", "normal", "batch"};
	struct tagging *t = arg;
	unsigned int latency_class;

	if (w) {
		t->tag.workload = w->name;
		t->tag.namespace_name = w->namespace_name;
		/* The kernel side may not have looked; then the flags of now are the best there is. */
		if (!t->event->flags)
			t->event->flags = w->flags | host_facets(t->host, w->identity);
	}
	latency_class = PRISM_FLAGS_CLASS(t->event->flags);
	t->tag.latency_class = latency_class < ARRAY_SIZE(classes) ? classes[latency_class] : NULL;
	t->tag.weight = PRISM_FLAGS_WEIGHT(t->event->flags);
	t->tag.facets = host_facet_names(t->host, t->event->flags, t->facets, sizeof(t->facets));
	t->result = stream_put(t->host->env.stream, &t->tag, t->event);
}

static int service_event(struct prism_host *host, const struct prism_event *event)
{
	struct module *m = open_module_of(host);
	struct prism_field fields[MAX_FIELDS];
	struct prism_event copy;
	struct prism_event_type type;
	struct tagging t;
	int r;

	if (!m || !m->image)
		return -EINVAL;
	r = read_event(m, event, &copy, fields);
	if (r) {
		if (!m->told_bad_event)
			log_warning(m->room, "gave an event that does not fit its declaration (type, fields); such are "
					     "refused, and this is said once");
		m->told_bad_event = true;
		return r;
	}
	if (!m->owner->env.stream)
		return -ENOBUFS;
	type = descriptor_event(&m->image->desc, copy.type);
	t = (struct tagging){.host = m->owner, .event = &copy, .tag = {.source = m->name, .type = type.name}};
	if (!copy.identity || !m->owner->env.identity ||
	    m->owner->env.identity(m->owner->env.arg, copy.identity, put_tagged, &t))
		put_tagged(&t, NULL);
	return t.result ? -ENOBUFS : 0;
}

static void service_sample(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
			   double value)
{
	if (sink && sink == lent.sink)
		sink_sample(sink, metric, identity, labels, value);
}

static void service_histogram(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
			      const uint64_t *counts, double sum)
{
	if (sink && sink == lent.sink && counts)
		sink_histogram(sink, metric, identity, labels, counts, sum);
}

static void service_text(struct prism_text *out, const char *text)
{
	char line[1024];

	if (!out || out != lent.text || out->lines++ >= MAX_LINES)
		return;
	copy_line(line, sizeof(line), text);
	out->fn(out->arg, out->module, line);
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

static const struct option_value *value_of(const struct prism_config *config, uint32_t option)
{
	return config && config == lent.config && option < config->n_options ? &config->values[option] : NULL;
}

static int64_t service_option_int(const struct prism_config *config, uint32_t option)
{
	const struct option_value *v = value_of(config, option);

	return v ? v->number : 0;
}

static const char *service_option_text(const struct prism_config *config, uint32_t option)
{
	const struct option_value *v = value_of(config, option);

	return v ? v->text : NULL;
}

static const struct prism_node *service_option_node(const struct prism_config *config, uint32_t option)
{
	const struct option_value *v = value_of(config, option);

	return v ? v->node : NULL;
}

static uint32_t service_node_kind(const struct prism_node *node)
{
	return node ? (uint32_t)node->kind : (uint32_t)PRISM_NODE_NONE;
}

static uint32_t service_node_count(const struct prism_node *node)
{
	return node ? node->n_child : 0;
}

static const struct prism_node *service_node_at(const struct prism_node *node, uint32_t i, const char **ret_key)
{
	if (!node || i >= node->n_child)
		return NULL;
	if (ret_key)
		*ret_key = node->child[i]->key;
	return node->child[i];
}

static const char *service_node_text(const struct prism_node *node)
{
	return node && node->kind == PRISM_NODE_SCALAR ? node->text : NULL;
}

static void service_node_error(struct prism_host *host, const struct prism_node *node, const char *text)
{
	struct module *m = open_module_of(host);
	char path[512], line[512];

	if (!m || m->report.code)
		return;
	node = node ? node : m->config_node;
	copy_line(line, sizeof(line), text);
	if (!node) {
		error_set(&m->report, EINVAL, NULL, "%s", line);
		return;
	}
	error_set(&m->report, EINVAL, NULL, "%s: %s", node_path(node, path, sizeof(path)), line);
	node_where(node, false, m->report.where, sizeof(m->report.where));
	m->report_located = true;
}

const struct prism_host_api host_services = {
	.size = sizeof(struct prism_host_api),
	.abi_major = PRISM_ABI_MAJOR,
	.abi_minor = PRISM_ABI_MINOR,
	.log = service_log,
	.fail = service_fail,
	.stopped = service_stopped,
	.bus_fd = service_bus_fd,
	.meta_fd = service_meta_fd,
	.cgroup_fd = service_cgroup_fd,
	.cgroup_path = service_cgroup_path,
	.pin_dir = service_pin_dir,
	.facet_mask = service_facet_mask,
	.facet_all = service_facet_all,
	.facet_set = service_facet_set,
	.identities = service_identities,
	.identity = service_identity,
	.timer_start = service_timer_start,
	.timer_stop = handle_timer_stop,
	.watch_start = service_watch_start,
	.watch_stop = handle_watch_stop,
	.event = service_event,
	.sample = service_sample,
	.histogram = service_histogram,
	.text = service_text,
	.option_int = service_option_int,
	.option_text = service_option_text,
	.option_node = service_option_node,
	.node_kind = service_node_kind,
	.node_count = service_node_count,
	.node_at = service_node_at,
	.node_text = service_node_text,
	.node_error = service_node_error,
	.condition = service_condition,
	.program = service_program,
};
