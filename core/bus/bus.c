/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <uthash.h>

#include "base/util.h"
#include "bus/clock.h"
#include "bus/maps.h"

#define BATCH 1024u
#define LEVELS 64u

enum stage {
	STAGE_NONE,
	STAGE_UPDATE,
	STAGE_DELETE,
};

/* What one key holds, as far as this writer knows, and what it shall hold. */
struct cell {
	uint64_t key;
	struct prism_identity value; /* to be written, or what was written */
	bool on_map;
	bool adopted; /* found there, not staged over since */
	bool visible; /* once it is written the generation must rise */
	enum stage stage;
	struct cell *next, **prev; /* staged cells */
	UT_hash_handle hh;
};

struct queue {
	struct cell *first, **last;
	size_t n;
};

struct bus {
	struct bus_maps maps;
	struct prism_meta meta;
	struct metrics *metrics;
	struct jiffies_clock *clock; /* NULL: this kernel cannot */
	struct cell *cells;
	struct queue deletes;
	struct queue changes;  /* of entries that are there: they need no room */
	struct queue arrivals; /* new entries: they wait when the map is full, and nothing waits behind them */
	uint32_t entries;
	uint32_t roots[LEVELS];
	bool generation_due;
	bool levels_due;
	bool full;
	uint64_t writes, removed, failures;
	char note[256];
	/* one batch */
	struct cell *batch[BATCH];
	uint64_t keys[BATCH];
	struct prism_identity values[BATCH];
};

/* ---- staging ---- */

static void enqueue(struct queue *q, struct cell *c)
{
	c->next = NULL;
	c->prev = q->last;
	*q->last = c;
	q->last = &c->next;
	q->n++;
}

static void dequeue(struct queue *q, struct cell *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		q->last = c->prev;
	q->n--;
}

static struct queue *queue_of(struct bus *bus, const struct cell *c)
{
	return c->stage == STAGE_DELETE ? &bus->deletes : c->on_map ? &bus->changes : &bus->arrivals;
}

static void unstage(struct bus *bus, struct cell *c)
{
	if (c->stage != STAGE_NONE)
		dequeue(queue_of(bus, c), c);
	c->stage = STAGE_NONE;
}

static void stage(struct bus *bus, struct cell *c, enum stage what)
{
	c->stage = what;
	enqueue(queue_of(bus, c), c);
}

static struct cell *find(const struct bus *bus, uint64_t key)
{
	struct cell *c;

	HASH_FIND(hh, bus->cells, &key, sizeof(key), c);
	return c;
}

static struct cell *add(struct bus *bus, uint64_t key)
{
	struct cell *c = calloc(1, sizeof(*c));

	if (c) {
		c->key = key;
		HASH_ADD(hh, bus->cells, key, sizeof(c->key), c);
	}
	return c;
}

static void forget(struct bus *bus, struct cell *c)
{
	HASH_DELETE(hh, bus->cells, c);
	free(c);
}

static bool same(const struct prism_identity *a, uint32_t identity, uint32_t flags, uint64_t hash)
{
	return a->identity == identity && a->flags == flags && a->label_hash == hash;
}

int bus_stage(struct bus *bus, uint64_t cgroup_id, uint32_t identity, uint32_t flags, uint64_t hash, bool visible)
{
	struct cell *c = find(bus, cgroup_id);

	if (!c)
		c = add(bus, cgroup_id);
	if (!c)
		return -ENOMEM;
	c->adopted = false;
	if (c->on_map && c->stage == STAGE_NONE && same(&c->value, identity, flags, hash))
		return 0;
	/* An entry that is there may be cached by now; a new one only matters when it changes an answer. */
	c->visible |= visible || c->on_map;
	if (c->stage == STAGE_UPDATE && same(&c->value, identity, flags, hash))
		return 0;
	unstage(bus, c);
	c->value = (struct prism_identity){.identity = identity, .flags = flags, .label_hash = hash};
	stage(bus, c, STAGE_UPDATE);
	return 0;
}

int bus_stage_delete(struct bus *bus, uint64_t cgroup_id)
{
	struct cell *c = find(bus, cgroup_id);

	if (!c || c->stage == STAGE_DELETE)
		return 0;
	unstage(bus, c);
	if (!c->on_map) {
		forget(bus, c);
		return 0;
	}
	c->adopted = false;
	stage(bus, c, STAGE_DELETE);
	return 0;
}

size_t bus_staged(const struct bus *bus)
{
	return bus->deletes.n + bus->changes.n + bus->arrivals.n;
}

void bus_root_level(struct bus *bus, unsigned int level, int by)
{
	uint32_t *count = &bus->roots[level < LEVELS ? level : LEVELS - 1];
	uint64_t bit = UINT64_C(1) << (level < LEVELS ? level : LEVELS - 1);

	*count = (uint32_t)((int64_t)*count + by);
	if (*count && !(bus->meta.root_levels & bit)) {
		bus->meta.root_levels |= bit;
		bus->levels_due = true;
	} else if (!*count && (bus->meta.root_levels & bit)) {
		bus->meta.root_levels &= ~bit;
		bus->levels_due = true;
	}
}

/* ---- writing ---- */

static int write_meta(struct bus *bus)
{
	uint32_t zero = 0;

	return bpf_map_update_elem(bus->maps.meta_fd, &zero, &bus->meta, BPF_ANY);
}

static uint32_t fill_batch(struct bus *bus, const struct queue *q, uint64_t now)
{
	uint32_t n = 0;
	struct cell *c;

	for (c = q->first; c && n < BATCH; c = c->next, n++) {
		c->value.updated_ns = now;
		bus->batch[n] = c;
		bus->keys[n] = c->key;
		bus->values[n] = c->value;
	}
	return n;
}

/*
 * How many of n a batch did. A call that failed has not done all; the count that says so may be none of the kernel's
 * (before 6.8 it is left alone when the call fails early).
 */
static uint32_t batch_done(int r, uint32_t n, uint32_t count)
{
	if (r == 0)
		return n;
	return n == 1 || count >= n ? 0 : count;
}

static void deleted(struct bus *bus, struct cell *c)
{
	dequeue(&bus->deletes, c);
	bus->entries--;
	bus->removed++;
	bus->generation_due = true;
	forget(bus, c);
}

/* Deletes what is staged; a key that somebody else removed is as good as deleted. */
static int flush_deletes(struct bus *bus)
{
	uint32_t n, done, count, i;
	int r;

	while (bus->deletes.n) {
		n = fill_batch(bus, &bus->deletes, 0);
		count = n;
		if (n == 1)
			r = bpf_map_delete_elem(bus->maps.identity_fd, &bus->keys[0]);
		else
			r = bpf_map_delete_batch(bus->maps.identity_fd, bus->keys, &count, NULL);
		done = batch_done(r, n, count);
		if (r == -ENOENT) {
			done++;
			r = 0;
		}
		metric_add(bus->metrics, METRIC_BUS_WRITES, "delete", done);
		for (i = 0; i < done; i++)
			deleted(bus, bus->batch[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static void written(struct bus *bus, struct cell *c)
{
	unstage(bus, c);
	bus->generation_due |= c->visible;
	c->visible = false;
	bus->entries += !c->on_map;
	c->on_map = true;
	bus->writes++;
}

/* A stranger removed it, so it is new after all and must wait for room. */
static void displaced(struct bus *bus, struct cell *c)
{
	unstage(bus, c);
	c->on_map = false;
	bus->entries--;
	stage(bus, c, STAGE_UPDATE);
}

static int flush_updates(struct bus *bus, struct queue *q, uint64_t now)
{
	uint32_t n, done, count, i;
	int r;

	while (q->n) {
		n = fill_batch(bus, q, now);
		count = n;
		if (n == 1)
			r = bpf_map_update_elem(bus->maps.identity_fd, &bus->keys[0], &bus->values[0], BPF_ANY);
		else
			r = bpf_map_update_batch(bus->maps.identity_fd, bus->keys, bus->values, &count, NULL);
		done = batch_done(r, n, count);
		metric_add(bus->metrics, METRIC_BUS_WRITES, "update", done);
		for (i = 0; i < done; i++)
			written(bus, bus->batch[i]);
		if (r == -E2BIG && q == &bus->changes)
			displaced(bus, q->first);
		else if (r == -E2BIG)
			return -ENOSPC;
		else if (r < 0 && !(r == -ENOMEM && done)) /* the kernel's reserve of elements fills up again */
			return r;
	}
	return 0;
}

static int failed(struct bus *bus, int r)
{
	bus->failures++;
	metric_add(bus->metrics, METRIC_BUS_WRITE_FAILURES, r == -ENOSPC ? "full" : "error", 1);
	return r;
}

static int flush_entries(struct bus *bus)
{
	uint64_t now = bus->changes.n + bus->arrivals.n ? wall_ns() : 0;
	int deletes, changes, arrivals;

	/* Room first, so that a full map takes what it can. */
	deletes = flush_deletes(bus);
	changes = flush_updates(bus, &bus->changes, now);
	arrivals = flush_updates(bus, &bus->arrivals, now);
	bus->full = arrivals == -ENOSPC;
	return changes < 0 ? changes : arrivals < 0 ? arrivals : deletes;
}

int bus_flush(struct bus *bus)
{
	int r, m = 0;

	/* A walk must not skip the level of a root whose entry it could find. */
	if (bus->levels_due) {
		m = write_meta(bus);
		if (m < 0)
			return failed(bus, m);
		bus->levels_due = false;
	}
	r = flush_entries(bus);
	if (bus->generation_due) {
		bus->meta.generation++;
		m = write_meta(bus);
		bus->generation_due = m < 0;
	}
	metric_set(bus->metrics, METRIC_BUS_ENTRIES, NULL, bus->entries);
	metric_set(bus->metrics, METRIC_BUS_GENERATION, NULL, (double)bus->meta.generation);
	if (r == 0)
		r = m;
	return r < 0 ? failed(bus, r) : 0;
}

int bus_heartbeat(struct bus *bus)
{
	uint64_t stale = 0;

	bus->meta.heartbeat_ns = monotonic_ns();
	if (bus->clock && jiffies_clock_after(bus->clock, bus->meta.stale_after_ns, &stale) == 0)
		bus->meta.feature_flags |= PRISM_FEATURE_STALE_JIFFIES;
	else
		bus->meta.feature_flags &= ~PRISM_FEATURE_STALE_JIFFIES; /* consumers compare the heartbeat */
	bus->meta.stale_jiffies = stale;
	return write_meta(bus);
}

/* ---- adoption ---- */

struct adoption {
	struct bus *bus;
	bool no_memory;
};

static void adopt_entry(void *arg, uint64_t cgroup_id, const struct prism_identity *entry)
{
	struct adoption *a = arg;
	struct bus *bus = a->bus;
	struct cell *c = find(bus, cgroup_id);

	if (c)
		return; /* seen twice */
	c = add(bus, cgroup_id);
	if (!c) {
		a->no_memory = true;
		return;
	}
	c->value = *entry;
	c->on_map = c->adopted = true;
	bus->entries++;
}

const struct prism_identity *bus_adopted_entry(const struct bus *bus, uint64_t cgroup_id)
{
	const struct cell *c = find(bus, cgroup_id);

	return c && c->adopted ? &c->value : NULL;
}

bool bus_is_written(const struct bus *bus, uint64_t cgroup_id)
{
	const struct cell *c = find(bus, cgroup_id);

	return c && c->on_map;
}

const struct prism_identity *bus_entry(const struct bus *bus, uint64_t cgroup_id)
{
	const struct cell *c = find(bus, cgroup_id);

	return c && c->stage != STAGE_DELETE ? &c->value : NULL;
}

size_t bus_finish_adoption(struct bus *bus)
{
	struct cell *c, *next;
	uint64_t levels = 0;
	unsigned int i;
	size_t n = 0;

	HASH_ITER (hh, bus->cells, c, next) {
		if (c->adopted) {
			bus_stage_delete(bus, c->key);
			n++;
		}
	}
	/* Levels that the writer before had and this one has not counted. */
	for (i = 0; i < LEVELS; i++)
		levels |= bus->roots[i] ? UINT64_C(1) << i : 0;
	bus->levels_due |= levels != bus->meta.root_levels;
	bus->meta.root_levels = levels;
	return n;
}

/* ---- life ---- */

static void start_meta(struct bus *bus, const struct bus_options *options)
{
	struct prism_meta before = {0};
	uint32_t zero = 0;

	bpf_map_lookup_elem(bus->maps.meta_fd, &zero, &before);
	bus->meta = (struct prism_meta){
		.abi_version = PRISM_BUS_ABI,
		.value_size = sizeof(struct prism_identity),
		.feature_flags = PRISM_FEATURE_ROOT_LEVELS | (bus->maps.v1_exact ? PRISM_FEATURE_V1_EXACT : 0),
		/* A new writer: whatever was cached before is looked up again. */
		.generation = before.generation + 1,
		.writer_pid = (uint32_t)getpid(),
		.capacity = bus->maps.capacity,
		/* Adopted entries are still there: keep their levels until the first sync has counted anew. */
		.root_levels = before.root_levels,
		.stale_after_ns = options->stale_after_ns,
		.writer_epoch = before.writer_epoch + 1,
	};
}

__attribute__((format(printf, 2, 3))) static void add_note(struct bus *bus, const char *format, ...)
{
	size_t len = strlen(bus->note);
	va_list args;

	va_start(args, format);
	if (len)
		len += (size_t)snprintf(bus->note + len, sizeof(bus->note) - len, "; ");
	vsnprintf(bus->note + len, sizeof(bus->note) - len, format, args);
	va_end(args);
}

static int adopt(struct bus *bus, uint32_t capacity)
{
	struct adoption a = {.bus = bus};
	int r = bus_maps_each(bus->maps.identity_fd, adopt_entry, &a);

	if (r == 0 && bus->maps.capacity != capacity)
		add_note(bus,
			 "the pinned bus holds %u entries, bus.capacity says %u: it takes effect after "
			 "`prismctl cleanup` or a reboot",
			 bus->maps.capacity, capacity);
	return a.no_memory ? -ENOMEM : r;
}

static void bus_free(struct bus *bus)
{
	struct cell *c, *next;

	jiffies_clock_free(bus->clock);
	HASH_ITER (hh, bus->cells, c, next) {
		forget(bus, c);
	}
	free(bus);
}

int bus_open(const struct bus_options *options, struct bus **ret, struct error *e)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	int r;

	if (!bus)
		return error_set(e, ENOMEM, "bus", "out of memory");
	bus->deletes.last = &bus->deletes.first;
	bus->changes.last = &bus->changes.first;
	bus->arrivals.last = &bus->arrivals.first;
	bus->metrics = options->metrics;
	r = bus_maps_open(options->dir, options->capacity, options->v1_exact, &bus->maps, e);
	if (r < 0) {
		free(bus);
		return r;
	}
	r = jiffies_clock_new(bus->metrics, &bus->clock);
	if (r < 0)
		add_note(bus, "this kernel cannot tell its jiffies (%s): consumers judge staleness by heartbeat_ns",
			 strerror(-r));
	r = bus->maps.adopted ? adopt(bus, options->capacity) : 0;
	if (r == 0) {
		start_meta(bus, options);
		r = bus_heartbeat(bus);
	}
	if (r < 0) {
		error_set(e, -r, options->dir, "the bus cannot be read or written: %s", strerror(-r));
		bus_maps_undo(&bus->maps);
		bus_free(bus);
		return r;
	}
	metric_set(bus->metrics, METRIC_BUS_CAPACITY, NULL, bus->maps.capacity);
	*ret = bus;
	return 0;
}

void bus_close(struct bus *bus, bool remove)
{
	if (!bus)
		return;
	bus->meta.writer_pid = 0;
	write_meta(bus);
	bus_maps_close(&bus->maps, remove);
	bus_free(bus);
}

int bus_keep_pins(struct bus *bus, bool *ret_again, struct error *e)
{
	return bus_maps_keep(&bus->maps, ret_again, e);
}

int bus_fd(const struct bus *bus)
{
	return bus->maps.identity_fd;
}

int bus_meta_fd(const struct bus *bus)
{
	return bus->maps.meta_fd;
}

bool bus_adopted(const struct bus *bus)
{
	return bus->maps.adopted;
}

const char *bus_note(const struct bus *bus)
{
	return bus->note[0] ? bus->note : NULL;
}

void bus_stats(const struct bus *bus, struct bus_stats *ret)
{
	*ret = (struct bus_stats){
		.entries = bus->entries,
		.capacity = bus->maps.capacity,
		.generation = bus->meta.generation,
		.writes = bus->writes,
		.deletes = bus->removed,
		.failures = bus->failures,
		.staged = bus_staged(bus),
		.full = bus->full,
		.lean = !bus->maps.v1_exact,
	};
}

/* ---- verification ---- */

struct verification {
	struct bus *bus;
	bool repair;
	struct bus_check check;
	uint32_t seen;
	void (*fn)(void *arg, uint64_t cgroup_id, const struct prism_identity *found, const char *what);
	void *arg;
	uint64_t foreign[BATCH];
	uint32_t n_foreign;
};

static void verify_entry(void *arg, uint64_t cgroup_id, const struct prism_identity *found)
{
	struct verification *v = arg;
	struct cell *c = find(v->bus, cgroup_id);

	if (!c || !c->on_map) {
		v->check.foreign++;
		if (v->n_foreign < BATCH)
			v->foreign[v->n_foreign++] = cgroup_id;
		if (v->fn)
			v->fn(v->arg, cgroup_id, found, "foreign");
		return;
	}
	v->seen++;
	if (c->stage == STAGE_NONE && !c->adopted &&
	    !same(&c->value, found->identity, found->flags, found->label_hash)) {
		v->check.altered++;
		if (v->fn)
			v->fn(v->arg, cgroup_id, found, "altered");
		c->visible = true;
		stage(v->bus, c, STAGE_UPDATE);
	}
}

int bus_verify(struct bus *bus, bool repair, struct bus_check *ret,
	       void (*fn)(void *arg, uint64_t cgroup_id, const struct prism_identity *found, const char *what),
	       void *arg)
{
	struct verification v = {.bus = bus, .repair = repair, .fn = fn, .arg = arg};
	struct cell *c, *next;
	struct prism_identity there;
	uint32_t i;
	int r;

	r = bus_maps_each(bus->maps.identity_fd, verify_entry, &v);
	if (r < 0)
		return r;
	/* Only when the sums differ is it worth asking for each key. */
	if (v.seen != bus->entries) {
		HASH_ITER (hh, bus->cells, c, next) {
			if (!c->on_map || c->stage != STAGE_NONE ||
			    bpf_map_lookup_elem(bus->maps.identity_fd, &c->key, &there) == 0)
				continue;
			v.check.missing++;
			if (fn)
				fn(arg, c->key, &c->value, "missing");
			c->on_map = false;
			bus->entries--;
			c->visible = true;
			stage(bus, c, STAGE_UPDATE);
		}
	}
	for (i = 0; repair && i < v.n_foreign; i++)
		bpf_map_delete_elem(bus->maps.identity_fd, &v.foreign[i]);
	bus->generation_due |= repair && v.n_foreign;
	*ret = v.check;
	return bus_flush(bus);
}
