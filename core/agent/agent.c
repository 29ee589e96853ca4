/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/pipeline.h"
#include "agent/priority.h"
#include "agent/state.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "cgroup/mount.h"
#include "pods/source.h"
#include "source/rules.h"

#define TRIM_NS (600 * NS_PER_SEC)

/* ---- what the rooms ask of each other, tied together ---- */

static void cgroup_added(void *arg, struct cgroup *cg, uint64_t event_ns)
{
	struct agent *a = arg;

	pipeline_cgroup_added(a->pipeline, cg, event_ns);
}

static void cgroup_removed(void *arg, struct cgroup *cg)
{
	struct agent *a = arg;

	pipeline_cgroup_removed(a->pipeline, cg);
}

static void cgroup_renamed(void *arg, struct cgroup *cg)
{
	struct agent *a = arg;

	pipeline_cgroup_renamed(a->pipeline, cg);
}

static void on_expire(uv_timer_t *timer);

static void schedule_expiry(struct agent *a)
{
	if (identity_held(a->identities) && !uv_is_active((uv_handle_t *)&a->expire))
		uv_timer_start(&a->expire, on_expire, 1000, 0);
}

static void cgroups_drained(void *arg)
{
	struct agent *a = arg;

	if (!a->synced)
		return; /* the start-up walk is written as a whole */
	pipeline_flush(a->pipeline);
	state_changed(a->saver);
	schedule_expiry(a);
}

static void reconsider(void *arg, struct cgroup *cg)
{
	struct agent *a = arg;

	pipeline_reconsider(a->pipeline, cg);
}

static void source_received(void *arg, uint64_t received_ns)
{
	struct agent *a = arg;

	pipeline_received(a->pipeline, received_ns);
}

static void source_node_labels(void *arg, const char *labels)
{
	agent_node_labels(arg, labels);
}

/* What the run before had for this cgroup, in the words of a source. */
static bool source_adopted(void *arg, const struct cgroup *cg, struct workload_spec *ret)
{
	static char weight[8];
	struct agent *a = arg;
	const struct prism_identity *entry = bus_adopted_entry(a->bus, cg->id);
	const struct identity *id = entry ? identity_by_number(a->identities, entry->identity) : NULL;

	if (!id || id->hash != entry->label_hash)
		return false;
	snprintf(weight, sizeof(weight), "%u", PRISM_FLAGS_WEIGHT(entry->flags));
	*ret = (struct workload_spec){
		.namespace_name = id->namespace_name,
		.service_account = id->service_account,
		.labels = id->labels,
		.n_labels = id->n_labels,
		.latency_class = PRISM_FLAGS_CLASS(entry->flags) ? latency_class_name(entry->flags) : NULL,
		.weight = PRISM_FLAGS_WEIGHT(entry->flags) ? weight : NULL,
	};
	return true;
}

struct for_module {
	const struct agent *agent;
	prism_workload_fn fn;
	void *arg;
};

static void show_identity(void *arg, struct identity *id)
{
	struct for_module *f = arg;
	struct prism_workload w;

	/* One that is still queued comes as a live event. */
	if (id->queued)
		return;
	identity_workload(id, host_facets(f->agent->host, id->number), &w);
	f->fn(f->arg, &w);
}

static void host_identities(void *arg, prism_workload_fn fn, void *fn_arg)
{
	struct for_module f = {.agent = arg, .fn = fn, .arg = fn_arg};

	identity_each(f.agent->identities, true, show_identity, &f);
}

static int host_one_identity(void *arg, uint32_t number, prism_workload_fn fn, void *fn_arg)
{
	struct agent *a = arg;
	const struct identity *id = identity_by_number(a->identities, number);
	struct prism_workload w;

	if (!id)
		return -ENOENT;
	identity_workload(id, host_facets(a->host, number), &w);
	fn(fn_arg, &w);
	return 0;
}

static void host_facets_changed(void *arg, uint32_t number)
{
	struct agent *a = arg;

	if (a->pipeline)
		pipeline_facets_changed(a->pipeline, number);
}

/* ---- timers ---- */

/* Somebody may clear out bpffs, or unmount it, at any time. */
static void keep_pins(struct agent *a)
{
	struct error e = {0};
	bool again;

	if (bus_keep_pins(a->bus, &again, &e) < 0) {
		if (a->pin_error.code != e.code)
			log_problem(LOG_LEVEL_ERROR, "bus", &e);
		a->pin_error = e;
		return;
	}
	if (again)
		log_error("bus", "its pins in %s were removed by another process: pinned again", a->settings->bus_dir);
	a->pin_error.code = 0;
	host_keep_pins(a->host);
}

/* After the start, and now and then: a reload or a TLS handshake brings some of it back. */
static void trim(struct agent *a)
{
	if (!agent_ready(a) || (a->trimmed_ns && monotonic_ns() - a->trimmed_ns < TRIM_NS))
		return;
	memory_trim();
	a->trimmed_ns = monotonic_ns();
}

static void on_heartbeat(uv_timer_t *timer)
{
	struct agent *a = timer->data;

	bus_heartbeat(a->bus);
	keep_pins(a);
	priority_restore();
	/* What a full map or a failure left waiting. */
	if (bus_staged(a->bus))
		bus_flush(a->bus);
	agent_choose_profiles(a);
	trim(a);
}

struct comparison {
	struct agent *agent;
	uint32_t foreign;
};

/* A stranger's entry stays where it is and is found again each time: said when there are more of them than before. */
static void report_entry(void *arg, uint64_t cgroup_id, const struct prism_identity *found, const char *what)
{
	struct comparison *c = arg;

	if (strcmp(what, "foreign") == 0) {
		if (++c->foreign <= c->agent->last_check.foreign)
			return;
		metric_add(c->agent->metrics, METRIC_BUS_FOREIGN, NULL, 1);
	}
	log_warning("bus", "%s entry: cgroup id %llu, identity %u, flags %#x: another process writes this bus", what,
		    (unsigned long long)cgroup_id, found->identity, found->flags);
}

static void on_reconcile(uv_timer_t *timer)
{
	struct agent *a = timer->data;
	struct comparison c = {.agent = a};
	struct bus_check check = {0};
	int r = bus_verify(a->bus, false, &check, report_entry, &c);

	/* A full map does not keep the comparison from being true. */
	if (r < 0 && r != -ENOSPC)
		log_error("bus", "comparing the map with what was written: %s", strerror(-r));
	else
		a->last_check = check;
}

static void released(void *arg, const struct identity *id)
{
	struct agent *a = arg;

	pipeline_released(a->pipeline, id);
}

static void on_expire(uv_timer_t *timer)
{
	struct agent *a = timer->data;
	uint64_t now = agent_clock_ns(a), next;

	next = identity_expire(a->identities, now, released, a);
	metric_set(a->metrics, METRIC_HELD_IDENTITIES, NULL, identity_held(a->identities));
	state_changed(a->saver);
	if (next)
		uv_timer_start(&a->expire, on_expire, next > now ? (next - now) / NS_PER_MS + 1000 : 1000, 0);
}

void agent_start_timers(struct agent *a)
{
	const struct settings *s = a->settings;

	uv_timer_start(&a->heartbeat, on_heartbeat, s->heartbeat_ms, s->heartbeat_ms);
	if (s->reconcile_ms)
		uv_timer_start(&a->reconcile, on_reconcile, s->reconcile_ms, s->reconcile_ms);
	else
		uv_timer_stop(&a->reconcile);
	schedule_expiry(a);
}

/* ---- start ---- */

static int open_cgroups(struct agent *a, struct error *e)
{
	uint64_t root_id;
	int r;

	if (a->settings->cgroup_root)
		r = (size_t)snprintf(a->cgroup_root, sizeof(a->cgroup_root), "%s", a->settings->cgroup_root) >=
				    sizeof(a->cgroup_root)
			    ? error_set(e, ENAMETOOLONG, a->settings->cgroup_root, "path is too long")
			    : 0;
	else
		r = cgroup_mount_find(NULL, a->cgroup_root, sizeof(a->cgroup_root), e);
	if (r < 0)
		return r;
	a->cgroup_fd = open(a->cgroup_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (a->cgroup_fd < 0)
		return error_set(e, errno, a->cgroup_root, "cannot be opened: %s", strerror(errno));
	r = cgroup_id_of(a->cgroup_fd, "", &root_id);
	if (r < 0)
		return error_set(e, -r, a->cgroup_root, "is no cgroup v2 directory: %s", strerror(-r));
	/* Consumers count levels from the root of the hierarchy, which is the one cgroup without a type. */
	if (faccessat(a->cgroup_fd, "cgroup.type", F_OK, 0) == 0)
		return error_set(
			e, EINVAL, a->cgroup_root,
			"is not the root of the cgroup v2 hierarchy but a cgroup in it; give prismd the host's mount");
	a->cgroups = cgroups_new(root_id);
	return a->cgroups ? 0 : error_set(e, ENOMEM, "cgroup tree", "out of memory");
}

static int open_bus(struct agent *a, struct error *e)
{
	const struct settings *s = a->settings;
	struct bus_options options = {
		.dir = s->bus_dir,
		.capacity = s->bus_compat == BUS_COMPAT_V1_EXACT ? PRISM_BUS_V1_CAPACITY : s->bus_capacity,
		.v1_exact = s->bus_compat == BUS_COMPAT_V1_EXACT,
		.stale_after_ns = s->stale_after_ms * NS_PER_MS,
		.metrics = a->metrics,
	};

	return bus_open(&options, &a->bus, e);
}

/* Each module's pins have a directory in it. */
static void pin_root(const struct agent *a, char buf[PATH_MAX])
{
	snprintf(buf, PATH_MAX, "%s/modules", a->settings->bus_dir);
}

static int open_host(struct agent *a, struct error *e)
{
	char exe[PATH_MAX], pins[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	struct host_env env = {
		.loop = a->loop,
		.stream = a->stream,
		.metrics = a->metrics,
		.self_exe = exe,
		.state_dir = a->settings->state_dir,
		.pin_root = pins,
		.bus_fd = bus_fd(a->bus),
		.meta_fd = bus_meta_fd(a->bus),
		.cgroup_fd = a->cgroup_fd,
		.cgroup_path = a->cgroup_root,
		.identities = host_identities,
		.identity = host_one_identity,
		.facets_changed = host_facets_changed,
		.arg = a,
	};

	if (n < 0)
		return error_set(e, errno, "/proc/self/exe", "cannot be read: %s", strerror(errno));
	exe[n] = '\0';
	pin_root(a, pins);
	return host_new(&env, &a->host, e);
}

static int open_sources(struct agent *a, struct error *e)
{
	static int (*const make[])(const struct source_env *env, struct source **ret) = {pods_source_new,
											 rules_source_new};
	struct source_env env = {
		.loop = a->loop,
		.reconsider = reconsider,
		.received = source_received,
		.flush = cgroups_drained,
		.adopted = source_adopted,
		.node_labels = source_node_labels,
		.metrics = a->metrics,
		.arg = a,
	};
	struct problems p = {0};
	unsigned int i;
	int r;

	for (i = 0; i < ARRAY_SIZE(make); i++) {
		r = make[i](&env, &a->source[i]);
		if (r < 0)
			return error_set(e, -r, "sources", "%s", strerror(-r));
		a->n_sources++;
	}
	r = 0;
	for (i = 0; r == 0 && i < a->n_sources; i++)
		r = a->source[i]->ops->configure(a->source[i], a->settings, &p);
	if (r < 0)
		error_set(e, -r, p.n ? p.list[0].where : a->source[i - 1]->ops->name, "%s",
			  p.n ? p.list[0].text : strerror(-r));
	problems_done(&p);
	/* From here on a source may ask for a second look at a cgroup. */
	for (i = 0; i < a->n_sources; i++)
		a->source[i]->env.cgroups = a->cgroups;
	return r;
}

/* Everything that exists, onto the bus: adopted entries that still hold are left alone, the others go. */
static int first_sync(struct agent *a, struct error *e)
{
	struct watch_options options = {
		.loop = a->loop,
		.root = a->cgroup_root,
		.root_fd = a->cgroup_fd,
		.tree = a->cgroups,
		.metrics = a->metrics,
	};
	struct watch_callbacks callbacks = {
		.added = cgroup_added,
		.removed = cgroup_removed,
		.renamed = cgroup_renamed,
		.drained = cgroups_drained,
		.arg = a,
	};
	const char *why_not_bpf;
	size_t gone;
	int r;

	r = watch_start(&options, &callbacks, &a->watch, e);
	if (r < 0)
		return r;
	if (strcmp(watch_mechanism(a->watch, &why_not_bpf), "bpf") != 0)
		log_warning("cgroup", "events come from %s: %s", watch_mechanism(a->watch, NULL), why_not_bpf);
	gone = bus_finish_adoption(a->bus);
	if (gone)
		log_info("bus", "%zu adopted entries belong to nobody any more", gone);
	a->synced = true;
	pipeline_flush(a->pipeline);
	log_info("agent", "%zu cgroups, %u identities, bus %s at %s", cgroups_count(a->cgroups),
		 identity_live(a->identities), bus_adopted(a->bus) ? "adopted" : "made", a->settings->bus_dir);
	return 0;
}

static void modules_rested(void *arg)
{
	struct agent *a = arg;

	if (a->stopping)
		return;
	a->modules_rested = true;
	/* Facets that nobody claimed again go now. */
	pipeline_facets_changed(a->pipeline, 0);
}

static int start_modules(struct agent *a, struct error *e)
{
	struct problems p = {0};
	int r = host_apply(a->host, a->settings, &p, modules_rested, a);

	if (r < 0)
		error_set(e, -r, p.n ? p.list[0].where : "modules", "%s", p.n ? p.list[0].text : strerror(-r));
	problems_done(&p);
	return r;
}

static void leave_bus(struct agent *a)
{
	/* A start that failed takes away what it made. */
	bool remove = a->remove || (!a->started && !bus_adopted(a->bus));
	char pins[PATH_MAX];

	pin_root(a, pins);
	if (remove)
		rmdir(pins); /* modules have emptied it */
	bus_close(TAKE_PTR(a->bus), remove);
}

static void undo_start(struct agent *a)
{
	unsigned int i;

	if (a->watch)
		watch_stop(TAKE_PTR(a->watch));
	if (a->pipeline)
		pipeline_free(TAKE_PTR(a->pipeline));
	for (i = a->n_sources; i-- > 0;)
		a->source[i]->ops->free(a->source[i]);
	a->n_sources = 0;
	if (a->host)
		host_free(TAKE_PTR(a->host));
	if (a->bus)
		leave_bus(a);
	cgroups_free(TAKE_PTR(a->cgroups));
	if (a->cgroup_fd >= 0)
		close(TAKE_FD(a->cgroup_fd));
	label_filter_free(TAKE_PTR(a->label_filter));
	identity_table_free(TAKE_PTR(a->identities));
	stream_free(TAKE_PTR(a->stream));
	metrics_free(TAKE_PTR(a->metrics));
}

static int build(struct agent *a, struct error *e)
{
	int r;

	a->metrics = metrics_new();
	a->stream = stream_new(a->settings->event_buffer);
	a->identities = identity_table_new(a->settings->hold_back_ms * NS_PER_MS);
	if (!a->metrics || !a->stream || !a->identities ||
	    label_filter_from(a->settings->label_exclude, a->settings->label_include, &a->label_filter) < 0)
		return error_set(e, ENOMEM, "agent", "out of memory");
	metric_set(a->metrics, METRIC_BUILD_INFO, PRISM_VERSION, 1);
	r = open_cgroups(a, e);
	if (r == 0)
		r = open_bus(a, e);
	if (r == 0)
		r = state_saver_new(a, &a->saver, e);
	if (r == 0)
		r = open_host(a, e);
	if (r == 0)
		r = open_sources(a, e);
	if (r == 0 && pipeline_new(a, &a->pipeline) < 0)
		r = error_set(e, ENOMEM, "agent", "out of memory");
	if (r == 0)
		r = first_sync(a, e);
	if (r == 0)
		r = start_modules(a, e);
	return r;
}

int agent_start(struct agent *a, uv_loop_t *loop, struct settings *settings, struct error *e)
{
	int r;

	a->loop = loop;
	a->settings = settings;
	a->cgroup_fd = -1;
	a->started_ns = monotonic_ns();
	a->started_wall_ns = wall_ns();
	log_setup(settings->log_level, settings->log_format);
	uv_timer_init(loop, &a->heartbeat);
	uv_timer_init(loop, &a->reconcile);
	uv_timer_init(loop, &a->expire);
	a->heartbeat.data = a->reconcile.data = a->expire.data = a;
	r = build(a, e);
	if (r < 0) {
		if (a->saver)
			state_saver_stop(TAKE_PTR(a->saver), NULL, NULL);
		uv_close((uv_handle_t *)&a->heartbeat, NULL);
		uv_close((uv_handle_t *)&a->reconcile, NULL);
		uv_close((uv_handle_t *)&a->expire, NULL);
		undo_start(a);
		a->settings = NULL;
		return r;
	}
	/* Not before: the start-up walk is long, and nobody waits for it. */
	priority_apply(settings);
	agent_start_timers(a);
	a->started = true;
	return 0;
}

/* ---- stop ---- */

static void handle_closed(struct agent *a)
{
	if (--a->closing)
		return;
	undo_start(a);
	settings_free(TAKE_PTR(a->settings));
	if (a->stopped)
		a->stopped(a->stopped_arg);
}

static void timer_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

static void saver_closed(void *arg)
{
	handle_closed(arg);
}

static void modules_stopped(void *arg)
{
	struct agent *a = arg;

	a->closing = 4;
	watch_stop(TAKE_PTR(a->watch));
	uv_close((uv_handle_t *)&a->heartbeat, timer_closed);
	uv_close((uv_handle_t *)&a->reconcile, timer_closed);
	uv_close((uv_handle_t *)&a->expire, timer_closed);
	state_saver_stop(TAKE_PTR(a->saver), saver_closed, a);
}

void agent_stop(struct agent *a, bool remove, void (*done)(void *arg), void *arg)
{
	if (a->stopping)
		return;
	a->stopping = true;
	a->remove = remove;
	a->stopped = done;
	a->stopped_arg = arg;
	host_stop(a->host, remove ? PRISM_STOP_REMOVE : PRISM_STOP_SHUTDOWN, modules_stopped, a);
}
