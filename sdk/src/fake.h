/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the fake host.
 *
 *   fake_host.c        the life of a module and the table of services
 *   fake_descriptor.c  what a module says of itself, judged as prismd does
 *   fake_bus.c         maps, cgroup root and pin directory of this process
 *   fake_identity.c    workloads, their cgroups and facets
 *   fake_loop.c        timers and watches over poll(2)
 *   fake_record.c      what the module said: log, events, samples, explanations
 *   fake_config.c      YAML text to a tree of nodes
 *   fake_option.c      that tree against the module's options
 */
#ifndef PRISM_FAKE_H
#define PRISM_FAKE_H

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include <prism/fake_host.h>

struct prism_node {
	uint32_t kind; /* enum prism_node_kind */
	uint32_t n;
	uint32_t line, column;
	char *key;  /* in a map; NULL otherwise */
	char *text; /* SCALAR */
	struct prism_node **children;
};

struct option_value {
	int64_t number;
	const char *text;
	const struct prism_node *node;
};

struct prism_config {
	struct prism_node *root;
	struct option_value *values;
	uint32_t n;
};

/* Growing list of owned strings. */
struct lines {
	char **at;
	size_t n;
};

struct sample {
	uint32_t metric, identity;
	char *labels;       /* a="b",c="d" */
	const char *suffix; /* of a histogram: _bucket, _count or _sum, else "" */
	double value;
};

struct prism_sink {
	struct prism_fake_host *fake;
	struct sample *samples;
	size_t n;
};

struct prism_text {
	char *text;
	size_t len;
};

struct fake_cgroup {
	uint64_t id;
	uint64_t levels; /* the bit of its level in root_levels; every bit when it is no cgroup of this machine */
	struct fake_cgroup *next;
};

/* A workload with all of its own memory. */
struct fake_workload {
	struct prism_workload view;
	char *strings[4];
	struct prism_label *labels;
	struct fake_cgroup *cgroups;
	bool removed; /* held back */
	int facet;    /* -1: as facet_all says */
	UT_hash_handle hh;
};

struct prism_timer {
	struct prism_fake_host *fake;
	uint64_t due_ns, repeat_ns;
	prism_timer_fn fn;
	void *arg;
	bool dead;
	struct prism_timer *next;
};

struct prism_watch {
	struct prism_fake_host *fake;
	int fd;
	uint32_t events;
	prism_watch_fn fn;
	void *arg;
	bool dead;
	struct prism_watch *next;
};

enum fake_state {
	FAKE_NEW,
	FAKE_OPEN,
	FAKE_CONFIGURED,
	FAKE_RUNNING,
};

struct prism_fake_host {
	struct prism_host host; /* first: the module's view of us */
	const struct prism_module *module;
	char *config_text;
	void *self;
	enum fake_state state;
	bool stopped;
	char reason[1400];
	char condition[1024];

	int bus_fd, meta_fd, cgroup_fd;
	char *cgroup_path, *pin_dir;
	uint64_t generation;

	struct fake_workload *workloads;
	bool facet_all;

	struct prism_timer *timers;
	struct prism_watch *watches;

	struct lines log, events, programs;
	struct prism_text explained;
};

static inline struct prism_fake_host *fake_of(struct prism_host *host)
{
	return (struct prism_fake_host *)host;
}

/* fake_bus.c. Without privileges the fds are -EPERM and there is no pin directory; -errno for anything else. */
int fake_bus_init(struct prism_fake_host *fake);
void fake_bus_done(struct prism_fake_host *fake);
/* Removes what is pinned in the module's directory, and says in the log that there was something. */
void fake_bus_unpin(struct prism_fake_host *fake);
int fake_bus_write(struct prism_fake_host *fake, uint64_t cgroup_id, const struct prism_workload *workload,
		   uint32_t flags);
int fake_bus_delete(struct prism_fake_host *fake, uint64_t cgroup_id);
int fake_bus_next_generation(struct prism_fake_host *fake);
uint64_t fake_bus_levels(const struct prism_fake_host *fake, uint64_t cgroup_id);

/* fake_identity.c */
uint32_t fake_facet_mask(struct prism_host *host);
int fake_facet_all(struct prism_host *host, bool on);
int fake_facet_set(struct prism_host *host, uint32_t identity, bool on);
int fake_identities(struct prism_host *host, prism_workload_fn fn, void *arg);
int fake_identity(struct prism_host *host, uint32_t identity, prism_workload_fn fn, void *arg);
/* Of every cgroup that carries a workload. */
uint64_t fake_identity_levels(const struct prism_fake_host *fake);
void fake_identity_replay(struct prism_fake_host *fake);
void fake_identity_clear_facets(struct prism_fake_host *fake);
void fake_identity_done(struct prism_fake_host *fake);

/* fake_loop.c */
int fake_timer_start(struct prism_host *host, uint64_t delay_ms, uint64_t repeat_ms, prism_timer_fn fn, void *arg,
		     struct prism_timer **ret);
void fake_timer_stop(struct prism_timer *timer);
int fake_watch_start(struct prism_host *host, int fd, uint32_t events, prism_watch_fn fn, void *arg,
		     struct prism_watch **ret);
void fake_watch_stop(struct prism_watch *watch);
void fake_loop_done(struct prism_fake_host *fake);

/* fake_record.c */
void fake_log(struct prism_host *host, int level, const char *text);
void fake_fail(struct prism_host *host, int code, const char *where, const char *text);
void fake_condition(struct prism_host *host, const char *text);
int fake_program(struct prism_host *host, const char *name, int fd);
void fake_programs_done(struct prism_fake_host *fake);
int fake_event(struct prism_host *host, const struct prism_event *event);
void fake_sample(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels, double value);
void fake_histogram(struct prism_sink *sink, uint32_t metric, uint32_t identity, const char *const *labels,
		    const uint64_t *counts, double sum);
void fake_text(struct prism_text *out, const char *text);
void fake_record_done(struct prism_fake_host *fake);

/* fake_config.c. NULL text: an empty map. -EINVAL with the reason set. */
int fake_config_parse(struct prism_fake_host *fake, const char *text, struct prism_node **ret);
void fake_node_free(struct prism_node *node);
uint32_t fake_node_kind(const struct prism_node *node);
uint32_t fake_node_count(const struct prism_node *node);
const struct prism_node *fake_node_at(const struct prism_node *node, uint32_t i, const char **ret_key);
const char *fake_node_text(const struct prism_node *node);
void fake_node_error(struct prism_host *host, const struct prism_node *node, const char *text);

/* fake_option.c */
int fake_options_check(struct prism_fake_host *fake, const char *text, struct prism_config *ret);
void fake_options_done(struct prism_config *config);
int64_t fake_option_int(const struct prism_config *config, uint32_t option);
const char *fake_option_text(const struct prism_config *config, uint32_t option);
const struct prism_node *fake_option_node(const struct prism_config *config, uint32_t option);

/* fake_descriptor.c. 0, or -EPROTO, -EINVAL with the reason set. */
int fake_descriptor_check(struct prism_fake_host *fake);

/* Element i of an array that travels with its element size; members that it is too old to have are zero. */
static inline void fake_element(void *out, size_t out_size, const void *array, uint32_t element_size, uint32_t i)
{
	memset(out, 0, out_size);
	memcpy(out, (const char *)array + (size_t)i * element_size, element_size < out_size ? element_size : out_size);
}

#endif
