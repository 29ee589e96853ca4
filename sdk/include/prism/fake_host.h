/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host for a module author's tests: everything prismd offers, in the test's own process, without prismd. It runs a
 * module through its life, feeds it identities, and records what it said, emitted and sampled. Maps are real ones
 * when the process may call bpf(2); otherwise bus_fd is -EPERM and a leg cannot be loaded. Single-threaded.
 */
#ifndef PRISM_FAKE_HOST_H
#define PRISM_FAKE_HOST_H

#include <prism/host.h>

#ifdef __cplusplus
extern "C" {
#endif

struct prism_fake_host;

/* A host for this module. config is the text of the module's `config:` as `key: value` lines (NULL: defaults only).
 * NULL with errno set on failure. prism_fake_host_free() runs what is left of the module's life and removes every pin.
 */
struct prism_fake_host *prism_fake_host_new(const struct prism_module *module, const char *config);
void prism_fake_host_free(struct prism_fake_host *fake);

struct prism_host *prism_fake_host_host(struct prism_fake_host *fake);
void *prism_fake_host_self(struct prism_fake_host *fake);

/* probe, open, configure, start, replay, SYNCED; stops at the first failure and undoes the rest, as prismd does. */
int prism_fake_host_start(struct prism_fake_host *fake);
/* configure() again with this text. */
int prism_fake_host_reconfigure(struct prism_fake_host *fake, const char *config);
/* stop (waiting for an asynchronous one up to its deadline) and close. */
int prism_fake_host_stop(struct prism_fake_host *fake, enum prism_stop why);

/*
 * Put an identity on the fake's bus under this cgroup id (0: none) and tell the module, in prismd's order and with a
 * new generation. flags: PRISM_FLAGS_POLICY(class, weight). Copies what it needs.
 *
 * A relabel is ADDED of the new identity for a cgroup that another one has: that loses it, and with its last cgroup the
 * module hears REMOVED of it first. A change of class or weight is CHANGED.
 */
int prism_fake_host_identity(struct prism_fake_host *fake, enum prism_change change,
			     const struct prism_workload *workload, uint64_t cgroup_id);

/* Run timers and watches until done(arg) is true or timeout_ms passed; true when done() said so. NULL: one turn. */
bool prism_fake_host_run(struct prism_fake_host *fake, int timeout_ms, bool (*done)(void *arg), void *arg);

/* What was recorded, oldest first; NULL past the end. Each event is one line of JSON. */
const char *prism_fake_host_log_line(const struct prism_fake_host *fake, unsigned int i);
const char *prism_fake_host_event(const struct prism_fake_host *fake, unsigned int i);
/* The module's reason after a failure: "where: text", or "". */
const char *prism_fake_host_reason(const struct prism_fake_host *fake);
/* What the module said with prism_condition(), or "". */
const char *prism_fake_host_condition(const struct prism_fake_host *fake);
/* Is this a BPF program that the module told of with prism_program(), as the leg loader does? */
bool prism_fake_host_program(const struct prism_fake_host *fake, const char *name);
/* collect(), then the value of one sample; labels as `a="b"` joined by commas in declared order. Of a histogram:
 * NAME_count, NAME_sum, and NAME_bucket with `le="0.001"` (as %g says it) or `le="+Inf"` behind its labels. NAN when
 * there is none. */
double prism_fake_host_sample(struct prism_fake_host *fake, const char *metric, uint32_t identity, const char *labels);
/* explain() as text. Valid until the next call. */
const char *prism_fake_host_explain(struct prism_fake_host *fake, const struct prism_workload *workload);
/* Facets the module claimed for this identity. */
bool prism_fake_host_facet(const struct prism_fake_host *fake, uint32_t identity);

#ifdef __cplusplus
}
#endif
#endif
