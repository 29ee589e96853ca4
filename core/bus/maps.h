/* SPDX-License-Identifier: Apache-2.0 */
/* The pinned maps themselves: making, adopting, checking their shape, reading them whole. */
#ifndef BUS_MAPS_H
#define BUS_MAPS_H

#include <stdbool.h>
#include <stdint.h>

#include <prism/bus.h>

#include "base/error.h"

struct bus_maps {
	int dir_fd; /* holds the writer's lock */
	int identity_fd;
	int meta_fd;
	uint32_t capacity; /* of the map as it is */
	bool v1_exact;
	bool adopted;
	bool made_dir, made_identity, made_meta, made_v1; /* by this open, for bus_maps_undo() */
	char dir[256];
	char v1_pin[256]; /* second pin of the v1-exact shape; "" for lean */
};

/* See bus_open(). *ret is untouched on failure, and so is what was pinned. */
int bus_maps_open(const char *dir, uint32_t capacity, bool v1_exact, struct bus_maps *ret, struct error *e);
/*
 * Are the maps still pinned where consumers look? A pin that somebody took away is made again (*ret_again), its
 * directory too. -EEXIST: another map has the place. Another errno: it cannot be made now. Cheap: ask every few
 * seconds.
 */
int bus_maps_keep(struct bus_maps *m, bool *ret_again, struct error *e);
/* Takes back what this open made and closes; what was there before it stays. */
void bus_maps_undo(struct bus_maps *m);
/* Closes; remove: unpins first and removes the directory when it is empty. */
void bus_maps_close(struct bus_maps *m, bool remove);

/* Calls fn for each entry of the map. Entries that change meanwhile may be missed or seen twice. */
int bus_maps_each(int fd, void (*fn)(void *arg, uint64_t cgroup_id, const struct prism_identity *entry), void *arg);

#endif
