/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host does for a module. A module calls the prism_*() wrappers below, never the table: each checks that this
 * host has the service (-ENOSYS or a harmless answer if not), so that a module built against a later minor says so
 * instead of jumping into nothing.
 *
 * Context: from prismd's thread only, inside a callback of the module, its timers or its watches.
 * Errors: negative errno. Ownership: what a call returns belongs to the host unless stated.
 */
#ifndef PRISM_HOST_H
#define PRISM_HOST_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <prism/module.h>

#ifdef __cplusplus
extern "C" {
#endif

enum prism_log_level {
	PRISM_LOG_ERROR = 3, /* syslog's numbers */
	PRISM_LOG_WARNING = 4,
	PRISM_LOG_INFO = 6,
	PRISM_LOG_DEBUG = 7,
};

struct prism_timer;
struct prism_watch;

#define PRISM_READABLE 1u
#define PRISM_WRITABLE 2u

enum prism_node_kind {
	PRISM_NODE_NONE = 0,
	PRISM_NODE_SCALAR = 1,
	PRISM_NODE_LIST = 2,
	PRISM_NODE_MAP = 3,
};

enum prism_field_kind {
	PRISM_FIELD_UNSIGNED = 1, /* .u */
	PRISM_FIELD_SIGNED = 2,   /* .i */
	PRISM_FIELD_TEXT = 3,     /* .text, any bytes up to NUL; the host escapes what is not UTF-8 */
	PRISM_FIELD_LIST = 4,     /* .list of n texts */
	PRISM_FIELD_BOOL = 5,     /* .u */
};

/* One key and value of an event. Borrowed for the call. */
struct prism_field {
	const char *key;
	uint32_t kind;
	uint32_t n; /* LIST: how many */
	union {
		uint64_t u;
		int64_t i;
		const char *text;
		const char *const *list;
	} v;
};

/* An event. The host adds the workload's names and facets. Borrowed for the call. */
struct prism_event {
	uint32_t size;     /* sizeof(struct prism_event) */
	uint32_t type;     /* index into the module's events */
	uint32_t identity; /* 0: unknown */
	uint32_t flags;    /* of the bus entry that the kernel side saw: facets, class, weight */
	uint64_t ktime_ns; /* CLOCK_MONOTONIC when it happened; 0: now */
	const struct prism_field *fields;
	uint32_t n_fields;
	uint32_t field_size; /* sizeof(struct prism_field) */
};

typedef void (*prism_timer_fn)(void *arg);
typedef void (*prism_watch_fn)(void *arg, int fd, uint32_t events);
typedef void (*prism_workload_fn)(void *arg, const struct prism_workload *workload);

/* The table. The first three members protect the rest and never move. */
struct prism_host_api {
	uint32_t size;
	uint16_t abi_major;
	uint16_t abi_minor;

	void (*log)(struct prism_host *host, int level, const char *text);
	void (*fail)(struct prism_host *host, int code, const char *where, const char *text);
	void (*stopped)(struct prism_host *host);

	int (*bus_fd)(struct prism_host *host);
	int (*meta_fd)(struct prism_host *host);
	int (*cgroup_fd)(struct prism_host *host);
	const char *(*cgroup_path)(struct prism_host *host);
	const char *(*pin_dir)(struct prism_host *host);

	uint32_t (*facet_mask)(struct prism_host *host);
	int (*facet_all)(struct prism_host *host, bool on);
	int (*facet_set)(struct prism_host *host, uint32_t identity, bool on);

	int (*identities)(struct prism_host *host, prism_workload_fn fn, void *arg);
	int (*identity)(struct prism_host *host, uint32_t identity, prism_workload_fn fn, void *arg);

	int (*timer_start)(struct prism_host *host, uint64_t delay_ms, uint64_t repeat_ms, prism_timer_fn fn, void *arg,
			   struct prism_timer **ret);
	void (*timer_stop)(struct prism_timer *timer);
	int (*watch_start)(struct prism_host *host, int fd, uint32_t events, prism_watch_fn fn, void *arg,
			   struct prism_watch **ret);
	void (*watch_stop)(struct prism_watch *watch);

	int (*event)(struct prism_host *host, const struct prism_event *event);

	void (*sample)(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
		       double value);
	void (*histogram)(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
			  const uint64_t *counts, double sum);
	void (*text)(struct prism_text *out, const char *text);

	/* Options by index, already checked against the declaration. */
	int64_t (*option_int)(const struct prism_config *config, uint32_t option);
	const char *(*option_text)(const struct prism_config *config, uint32_t option);
	const struct prism_node *(*option_node)(const struct prism_config *config, uint32_t option);

	/* Nodes of the tree. All accept NULL. */
	uint32_t (*node_kind)(const struct prism_node *node);
	uint32_t (*node_count)(const struct prism_node *node);
	const struct prism_node *(*node_at)(const struct prism_node *node, uint32_t i, const char **ret_key);
	const char *(*node_text)(const struct prism_node *node);
	void (*node_error)(struct prism_host *host, const struct prism_node *node, const char *text);

	/* ABI 1.1 */
	void (*condition)(struct prism_host *host, const char *text);

	/* ABI 1.2 */
	int (*program)(struct prism_host *host, const char *name, int fd);
};

/* A module sees this much of its host; the rest is the host's. */
struct prism_host {
	const struct prism_host_api *api;
};

#define PRISM_HOST_HAS(host, member)                                                                                   \
	((host)->api->size >= offsetof(struct prism_host_api, member) + sizeof((host)->api->member) &&                 \
	 (host)->api->member)

/* ---- saying things ---------------------------------------------------------------------------------------------- */

/* One line into prismd's log, with the module's name before it. Cut at 1023 bytes. */
__attribute__((format(printf, 3, 4))) static inline void prism_log(struct prism_host *host, int level,
								   const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!PRISM_HOST_HAS(host, log))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	host->api->log(host, level, text);
}

/*
 * Why this step failed, for the operator: what was being done (where), why, what to do. code is a positive errno.
 * In a callback: `return prism_fail(...)`. From a timer or watch of a running module: moves it to `failed`.
 */
__attribute__((format(printf, 4, 5))) static inline int prism_fail(struct prism_host *host, int code, const char *where,
								   const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (PRISM_HOST_HAS(host, fail))
		(host->api->fail)(host, code, where, text); /* cmocka has a macro fail() */
	return -code;
}

/* This kernel cannot run the leg: the module becomes `unsupported`, the node stays healthy unless it is required. */
#define prism_unsupported(host, where, ...) prism_fail((host), EOPNOTSUPP, (where), __VA_ARGS__)

/*
 * Why a module that runs does not do its work now, or not all of it, and what comes next: "the scheduler scx_lavd is
 * loaded; tried again when it is gone". Shown as `degraded` wherever the module's state is, until it is taken back with
 * a NULL format; the node is degraded meanwhile, and not ready if the module is required. Each change of the text is
 * said in the log and the event stream: leave out what counts up or down. Between open() and close(), which ends it.
 * Since ABI 1.1; an older host does not show it.
 */
__attribute__((format(printf, 2, 3))) static inline void prism_condition(struct prism_host *host, const char *format,
									 ...)
{
	char text[1024] = "";
	va_list args;

	if (!PRISM_HOST_HAS(host, condition))
		return;
	if (format) {
		va_start(args, format);
		vsnprintf(text, sizeof(text), format, args);
		va_end(args);
	}
	host->api->condition(host, text);
}

/* An asynchronous stop() is done. */
static inline void prism_stopped(struct prism_host *host)
{
	if (PRISM_HOST_HAS(host, stopped))
		host->api->stopped(host);
}

/* ---- the bus and the node --------------------------------------------------------------------------------------- */

/* The bus map and its meta map. The host's fds: hand them to bpf_map__reuse_fd(), which duplicates; never close them.
 */
static inline int prism_bus_fd(struct prism_host *host)
{
	return PRISM_HOST_HAS(host, bus_fd) ? host->api->bus_fd(host) : -ENOSYS;
}

static inline int prism_meta_fd(struct prism_host *host)
{
	return PRISM_HOST_HAS(host, meta_fd) ? host->api->meta_fd(host) : -ENOSYS;
}

/* The root directory of the cgroup v2 hierarchy; the host's fd. */
static inline int prism_cgroup_fd(struct prism_host *host)
{
	return PRISM_HOST_HAS(host, cgroup_fd) ? host->api->cgroup_fd(host) : -ENOSYS;
}

/* Where the cgroup v2 hierarchy is mounted, or NULL. */
static inline const char *prism_cgroup_path(struct prism_host *host)
{
	return PRISM_HOST_HAS(host, cgroup_path) ? host->api->cgroup_path(host) : NULL;
}

/* The module's own directory in bpffs, made before start; what is pinned there outlives prismd. */
static inline const char *prism_pin_dir(struct prism_host *host)
{
	return PRISM_HOST_HAS(host, pin_dir) ? host->api->pin_dir(host) : NULL;
}

/* The bit of the module's facet in `flags`; 0 without a facet. */
static inline uint32_t prism_facet_mask(struct prism_host *host)
{
	return PRISM_HOST_HAS(host, facet_mask) ? host->api->facet_mask(host) : 0;
}

/* Every identity, present and future, is taken care of by this module (or no longer). */
static inline int prism_facet_all(struct prism_host *host, bool on)
{
	return PRISM_HOST_HAS(host, facet_all) ? host->api->facet_all(host, on) : -ENOSYS;
}

/* This one is (or no longer); goes before prism_facet_all(). On the bus when the callback has returned. */
static inline int prism_facet_set(struct prism_host *host, uint32_t identity, bool on)
{
	return PRISM_HOST_HAS(host, facet_set) ? host->api->facet_set(host, identity, on) : -ENOSYS;
}

/* Call fn for every identity that is on the bus now. */
static inline int prism_identities(struct prism_host *host, prism_workload_fn fn, void *arg)
{
	return PRISM_HOST_HAS(host, identities) ? host->api->identities(host, fn, arg) : -ENOSYS;
}

/* Call fn for this one, also while its number is held back; -ENOENT if it is not known. */
static inline int prism_identity_get(struct prism_host *host, uint32_t identity, prism_workload_fn fn, void *arg)
{
	return PRISM_HOST_HAS(host, identity) ? host->api->identity(host, identity, fn, arg) : -ENOSYS;
}

/*
 * A BPF program that this module has loaded: its runs are published as prism_bpf_program_*{module,program}. The leg
 * loader says it of every program of a leg. The host keeps a duplicate of fd until another program of the module has
 * the name, the module is closed, or fd is -1: it is no longer. -EINVAL: fd is no BPF program, or the name is empty,
 * longer than 127 bytes or not printable. -ENOSPC: more than 256. -EMFILE: descriptors are short. Between open() and
 * close(). Since ABI 1.2.
 */
static inline int prism_program(struct prism_host *host, const char *name, int fd)
{
	return PRISM_HOST_HAS(host, program) ? host->api->program(host, name, fd) : -ENOSYS;
}

/* ---- the loop --------------------------------------------------------------------------------------------------- */

/*
 * Call fn after delay_ms, then every repeat_ms (0: once). An idle node wants no period below a second. ret may be NULL
 * for a timer that goes with the module; otherwise it is the module's to stop, also after its only call.
 */
static inline int prism_timer_start(struct prism_host *host, uint64_t delay_ms, uint64_t repeat_ms, prism_timer_fn fn,
				    void *arg, struct prism_timer **ret)
{
	return PRISM_HOST_HAS(host, timer_start) ? host->api->timer_start(host, delay_ms, repeat_ms, fn, arg, ret)
						 : -ENOSYS;
}

/* Stop and free; NULL is fine. fn is not called again. */
static inline void prism_timer_stop(struct prism_host *host, struct prism_timer *timer)
{
	if (timer && PRISM_HOST_HAS(host, timer_stop))
		host->api->timer_stop(timer);
}

/* Call fn when fd is PRISM_READABLE or PRISM_WRITABLE (level-triggered). The fd stays the module's. */
static inline int prism_watch_start(struct prism_host *host, int fd, uint32_t events, prism_watch_fn fn, void *arg,
				    struct prism_watch **ret)
{
	return PRISM_HOST_HAS(host, watch_start) ? host->api->watch_start(host, fd, events, fn, arg, ret) : -ENOSYS;
}

/* Stop and free; NULL is fine. Before the fd is closed. */
static inline void prism_watch_stop(struct prism_host *host, struct prism_watch *watch)
{
	if (watch && PRISM_HOST_HAS(host, watch_stop))
		host->api->watch_stop(watch);
}

/* ---- events, metrics, text -------------------------------------------------------------------------------------- */

/* Into the event stream (`prismctl events`). 0, or -ENOBUFS when no room was left: then the host counts the loss. */
static inline int prism_event_emit(struct prism_host *host, const struct prism_event *event)
{
	return PRISM_HOST_HAS(host, event) ? host->api->event(host, event) : -ENOSYS;
}

/* In collect(): one sample of the counter or gauge with this index. labels: as many values as it declares, or NULL. */
static inline void prism_sample(struct prism_host *host, struct prism_sink *sink, uint32_t metric, uint32_t identity,
				const char *const *labels, double value)
{
	if (PRISM_HOST_HAS(host, sample))
		host->api->sample(sink, metric, identity, labels, value);
}

/* In collect(): one histogram; counts has n_buckets + 1 members, each bucket's own count, the last for +Inf. */
static inline void prism_sample_histogram(struct prism_host *host, struct prism_sink *sink, uint32_t metric,
					  uint32_t identity, const char *const *labels, const uint64_t *counts,
					  double sum)
{
	if (PRISM_HOST_HAS(host, histogram))
		host->api->histogram(sink, metric, identity, labels, counts, sum);
}

/* In explain(): one line. */
__attribute__((format(printf, 3, 4))) static inline void prism_explain(struct prism_host *host, struct prism_text *out,
								       const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!PRISM_HOST_HAS(host, text))
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	host->api->text(out, text);
}

/* ---- configuration ---------------------------------------------------------------------------------------------- */

/* BOOL: 0 or 1. INT, SIZE (bytes), DURATION (ns): the number. ENUM: the index of the choice. */
static inline int64_t prism_option_int(struct prism_host *host, const struct prism_config *config, uint32_t option)
{
	return PRISM_HOST_HAS(host, option_int) ? host->api->option_int(config, option) : 0;
}

/* Any scalar as its text; NULL when it was not given and has no default. Valid until configure() returns. */
static inline const char *prism_option_text(struct prism_host *host, const struct prism_config *config, uint32_t option)
{
	return PRISM_HOST_HAS(host, option_text) ? host->api->option_text(config, option) : NULL;
}

/* The node of this option; NULL when it was not given. Valid until configure() returns. */
static inline const struct prism_node *prism_option_node(struct prism_host *host, const struct prism_config *config,
							 uint32_t option)
{
	return PRISM_HOST_HAS(host, option_node) ? host->api->option_node(config, option) : NULL;
}

static inline uint32_t prism_node_kind(struct prism_host *host, const struct prism_node *node)
{
	return PRISM_HOST_HAS(host, node_kind) ? host->api->node_kind(node) : (uint32_t)PRISM_NODE_NONE;
}

/* Children of a map or list. */
static inline uint32_t prism_node_count(struct prism_host *host, const struct prism_node *node)
{
	return PRISM_HOST_HAS(host, node_count) ? host->api->node_count(node) : 0;
}

/* Child i; *ret_key (may be NULL) is its key in a map. NULL past the end. */
static inline const struct prism_node *prism_node_at(struct prism_host *host, const struct prism_node *node, uint32_t i,
						     const char **ret_key)
{
	return PRISM_HOST_HAS(host, node_at) ? host->api->node_at(node, i, ret_key) : NULL;
}

/* Text of a scalar; NULL for others. */
static inline const char *prism_node_text(struct prism_host *host, const struct prism_node *node)
{
	return PRISM_HOST_HAS(host, node_text) ? host->api->node_text(node) : NULL;
}

/* In configure(): this node is wrong. The host adds file:line:column and the path. `return prism_node_error(...)`. */
__attribute__((format(printf, 3, 4))) static inline int
prism_node_error(struct prism_host *host, const struct prism_node *node, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (PRISM_HOST_HAS(host, node_error))
		host->api->node_error(host, node, text);
	return -EINVAL;
}

#ifdef __cplusplus
}
#endif
#endif
