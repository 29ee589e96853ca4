/* SPDX-License-Identifier: Apache-2.0 */
/* A bus of its own for each test: real maps in /sys/fs/bpf/prism-test-<pid>, gone afterwards whatever happens. */
#ifndef UNIT_BUS_WORLD_H
#define UNIT_BUS_WORLD_H

#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "base/util.h"
#include "bus/bus.h"

static char parent[64]; /* /sys/fs/bpf/prism-test-<pid> */
static char dir[96];    /* the bus in it */
static char v1_pin[128];

static struct bus_options options;
static struct metrics *metrics;

/* ---- world ---- */

static inline void unlink_all(void)
{
	static const char *const names[] = {"bus/prism_identity", "bus/prism_meta", "bus/other", "prism_identity"};
	char path[256];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", parent, names[i]);
		unlink(path);
	}
	rmdir(dir);
	rmdir(parent);
}

static inline void name_world(void)
{
	snprintf(parent, sizeof(parent), "/sys/fs/bpf/prism-test-%d", (int)getpid());
	snprintf(dir, sizeof(dir), "%s/bus", parent);
	snprintf(v1_pin, sizeof(v1_pin), "%s/prism_identity", parent);
}

static inline int each_setup(void **state)
{
	(void)state;
	unlink_all();
	metrics = metrics_new();
	options = (struct bus_options){.dir = dir,
				       .capacity = 4096,
				       .stale_after_ns = 5 * NS_PER_SEC,
				       .metrics = metrics};
	return mkdir(parent, 0700);
}

static inline int each_teardown(void **state)
{
	(void)state;
	metrics_free(metrics);
	return 0;
}

static inline bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static inline bool pinned(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return exists(path);
}

static inline int open_bus(struct bus **ret, struct error *e)
{
	*e = (struct error){0};
	*ret = NULL;
	return bus_open(&options, ret, e);
}

static inline struct bus *must_open(void)
{
	struct error e;
	struct bus *bus;

	if (open_bus(&bus, &e) < 0)
		fail_msg("%s: %s", e.where, e.text);
	return bus;
}

static inline struct bpf_map_info info_of(int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_map_get_info_by_fd(fd, &info, &len), 0);
	return info;
}

static inline struct prism_meta meta_of(const struct bus *bus)
{
	struct prism_meta meta;
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(bus_meta_fd(bus), &zero, &meta), 0);
	return meta;
}

/* What the kernel's map holds; identity 0: nothing. */
static inline struct prism_identity there(const struct bus *bus, uint64_t key)
{
	struct prism_identity value = {0};

	bpf_map_lookup_elem(bus_fd(bus), &key, &value);
	return value;
}

static inline struct bus_stats stats_of(const struct bus *bus)
{
	struct bus_stats s;

	bus_stats(bus, &s);
	return s;
}

static inline void stage(struct bus *bus, uint64_t key, uint32_t identity, bool visible)
{
	assert_int_equal(bus_stage(bus, key, identity, 0x200, identity * 3ull, visible), 0);
}

#endif
