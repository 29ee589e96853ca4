/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be known without prismd: the pinned maps, the identity table on disk, the cgroup tree. Makes the same
 * documents as the admin API, as far as they go; `"offline": true` marks them.
 */
#ifndef CTL_OFFLINE_H
#define CTL_OFFLINE_H

#include <prism/bus.h>

#include "ctl/ctl.h"
#include "identity/table.h"

struct offline_entry {
	uint64_t cgroup_id;
	struct prism_identity entry;
};

struct offline {
	const char *bus_dir;
	struct prism_meta meta;
	struct offline_entry *entries; /* by cgroup id */
	size_t n_entries, capacity;
	bool incomplete;                   /* memory ran out while they were read */
	struct identity_table *identities; /* empty when the file cannot be read: table_error says why */
	struct error table_error;          /* code 0: none */
	char cgroup_root[256];             /* "" when there is no v2 hierarchy */
	int cgroup_fd;                     /* -1 then */
};

/* -ENOENT: no bus is pinned there. */
int offline_open(struct ctl *ctl, struct offline **ret, struct error *e);
void offline_free(struct offline *o);

/* Opens the cgroup v2 hierarchy: the configured root or the one in mountinfo. *ret_fd is the caller's. */
int offline_cgroup_root(struct ctl *ctl, char *ret_path, size_t size, int *ret_fd, struct error *e);

/* The daemon's identity table; an empty one and *ret_bad filled when the file is missing or damaged. NULL: no memory.
 */
struct identity_table *offline_identity_table(struct ctl *ctl, struct error *ret_bad);

/*
 * After a failed request: when `why` says that prismd is not running, reads the maps instead and says so on stderr.
 * Otherwise, or without a pinned bus, returns -errno with why (and, for the latter, what is missing) in it.
 */
int offline_instead(struct ctl *ctl, struct error *why, struct offline **ret);

const struct prism_identity *offline_lookup(const struct offline *o, uint64_t cgroup_id);
/* Seconds since the last heartbeat; *ret_stale: nobody maintains the bus. */
double offline_heartbeat_age(const struct prism_meta *meta, bool *ret_stale);

/* The admin API's documents. NULL: out of memory; identity: also NULL with e when it is not there (-ENOENT). */
json_t *offline_status(struct ctl *ctl, const struct offline *o);
json_t *offline_identities(struct ctl *ctl, const struct offline *o);
json_t *offline_identity(struct ctl *ctl, const struct offline *o, uint32_t number, struct error *e);
/* Why a cgroup has the identity it has. path: below the root. */
json_t *offline_explain(struct ctl *ctl, const struct offline *o, const char *path, struct error *e);
/* Paths of pins below <bus dir>/modules: {"net": ["ingress", ...]}. */
json_t *offline_pins(const char *bus_dir);

/* Names of the facet bits in flags, as a JSON array. */
json_t *facet_names(struct ctl *ctl, uint32_t flags);

static inline void offline_cleanup(struct offline **o)
{
	offline_free(*o);
}
#define _cleanup_offline_ _cleanup_(offline_cleanup)

#endif
