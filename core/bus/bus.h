/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus, seen from its only writer: creates or adopts the pinned maps, stages changes and writes them in batches,
 * remembers what it wrote so that nothing is written twice and a stranger's entry is seen, beats the heart.
 * Order: entries first, then the generation. What a failed write could not do stays staged and is tried again.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <prism/bus.h>

#include "base/error.h"
#include "metric/metric.h"

struct bus;

struct bus_options {
	const char *dir;
	uint32_t capacity;
	bool v1_exact;
	uint64_t stale_after_ns;
	struct metrics *metrics;
};

/*
 * Makes the directory and the maps, or adopts what is pinned there. Refused, with nothing touched: a map of another
 * shape at the pin path, a directory that is not in bpffs, another live writer (-EBUSY, names its pid). On adoption a
 * capacity that differs from the configured one stays and is reported in bus_note().
 */
int bus_open(const struct bus_options *options, struct bus **ret, struct error *e);
/* Clean stop: writer_pid 0, entries stay. remove: unpin and remove the directory if it is empty. */
void bus_close(struct bus *bus, bool remove);

int bus_fd(const struct bus *bus);
int bus_meta_fd(const struct bus *bus);
bool bus_adopted(const struct bus *bus);
const char *bus_note(const struct bus *bus); /* something an operator should know, or NULL */

/* The entry found at adoption for this cgroup, if it has not been staged over since; NULL otherwise. */
const struct prism_identity *bus_adopted_entry(const struct bus *bus, uint64_t cgroup_id);

/* Is there an entry of ours for this cgroup in the map itself? */
bool bus_is_written(const struct bus *bus, uint64_t cgroup_id);

/* What is or shall be on the bus for this cgroup; NULL: nothing. Valid until the next stage. */
const struct prism_identity *bus_entry(const struct bus *bus, uint64_t cgroup_id);

/*
 * Stage an entry; equal to what is there: nothing happens. visible: the answer a consumer gets changes with it (not
 * just a child that inherits what the walk said already), so the generation must rise.
 */
int bus_stage(struct bus *bus, uint64_t cgroup_id, uint32_t identity, uint32_t flags, uint64_t label_hash,
	      bool visible);
int bus_stage_delete(struct bus *bus, uint64_t cgroup_id);
/*
 * Write what is staged: deletions, changes of entries, new entries; then the generation, if something that a consumer
 * could have cached was written. 0; -ENOSPC when the map is full (new entries wait, nothing else does); another errno
 * (what is left stays staged, and raises the generation when it is written).
 */
int bus_flush(struct bus *bus);
size_t bus_staged(const struct bus *bus);

/* The own cgroup of a workload came to or went from this level: keeps root_levels. Set before its entry is flushed. */
void bus_root_level(struct bus *bus, unsigned int level, int by);

/* Deletes adopted entries nobody staged since (the end of the first sync), and forgets their levels. Returns how many.
 */
size_t bus_finish_adoption(struct bus *bus);

/* Writes heartbeat_ns and stale_jiffies. Call at least every stale_after / 3. */
int bus_heartbeat(struct bus *bus);

/* Pins the maps again when somebody took their pins away (*ret_again); see bus_maps_keep(). */
int bus_keep_pins(struct bus *bus, bool *ret_again, struct error *e);

struct bus_stats {
	uint32_t entries;
	uint32_t capacity;
	uint64_t generation;
	uint64_t writes, deletes, failures;
	size_t staged; /* waiting, because the map is full or a write failed */
	bool full;
	bool lean;
};
void bus_stats(const struct bus *bus, struct bus_stats *ret);

/*
 * Compares the map with what was written: foreign (there, not ours), altered (ours, other content), missing. Puts ours
 * back; foreign entries are reported and removed only when repair is set. fn (may be NULL) hears each one.
 */
struct bus_check {
	uint32_t foreign, altered, missing;
};
int bus_verify(struct bus *bus, bool repair, struct bus_check *ret,
	       void (*fn)(void *arg, uint64_t cgroup_id, const struct prism_identity *found, const char *what),
	       void *arg);

/* Read side for tools, without a struct bus: opens the pinned maps read-only. */
int bus_read_meta(const char *dir, struct prism_meta *ret, struct error *e);
int bus_read_entries(const char *dir, void (*fn)(void *arg, uint64_t cgroup_id, const struct prism_identity *entry),
		     void *arg, struct error *e);

#endif
