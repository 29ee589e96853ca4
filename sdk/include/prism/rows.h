/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows by identity: the user's side of a BPF hash map that keeps something for each identity, such as its counters. A
 * number gets another owner once its hold-back has ended, also while no prismd runs; what the earlier owner left must
 * be gone before the next one's first reading. So a second map beside the rows says who owns each of them:
 *
 *     struct { HASH or PERCPU_HASH, __u32 -> any value, LIBBPF_PIN_BY_NAME } my_rows SEC(".maps");
 *     struct { HASH, __u32 -> __u64, as many entries, LIBBPF_PIN_BY_NAME } my_owners SEC(".maps");
 *
 * The kernel side only looks rows up (or makes them too); user space makes one for each identity that arrives and
 * removes it when the number is released. Linked into the module with libprism_sdk.a; prismd's thread only.
 */
#ifndef PRISM_ROWS_H
#define PRISM_ROWS_H

#include <prism/host.h>

#ifdef __cplusplus
extern "C" {
#endif

struct prism_rows {
	struct prism_host *host;
	int rows_fd;       /* borrowed */
	int owners_fd;     /* borrowed */
	uint32_t cpus;     /* values of one row: the possible CPUs of a per-CPU map, else 1 */
	uint32_t row_size; /* bytes of one value, rounded up to 8 in a per-CPU map */
	const char *full;  /* borrowed: ends the message that there is no room, see prism_rows_init() */
	bool told_full;
};

/* values: cpus of them, row_size bytes each. Borrowed for the call. */
typedef void (*prism_row_fn)(void *arg, uint32_t identity, const void *values);

/*
 * Both fds are borrowed for the life of rows. full: what it means for an identity that the map has no room, and what to
 * do: "its packets count as prism_net_overflow_total; raise max_identities". -errno, nothing is said to the operator.
 */
int prism_rows_init(struct prism_rows *rows, struct prism_host *host, int rows_fd, int owners_fd, const char *full);

/*
 * What a module's identity() does about its rows: ADDED claims one, RELEASED drops it, SYNCED drops those whose number
 * nobody has any more. What goes wrong is logged; that the map is full is said once, until there is room again.
 */
void prism_rows_identity(struct prism_rows *rows, enum prism_change change, const struct prism_workload *workload);

/* A row for every identity there is now: after the map was made anew while the module runs. */
void prism_rows_claim_all(struct prism_rows *rows);

/* There is a row for this identity, all zero at first, and it is this owner's: one of another owner was removed. What
 * goes wrong is logged, as above. -E2BIG: the map is full. Reserved identities: label_hash 0. */
int prism_rows_claim(struct prism_rows *rows, uint32_t identity, uint64_t label_hash);

/* The row and its owner go; no error if there is none. What goes wrong is logged. */
int prism_rows_drop(struct prism_rows *rows, uint32_t identity);

/* The row into values, which has room for cpus * row_size bytes. -ENOENT without a row. */
int prism_rows_read(const struct prism_rows *rows, uint32_t identity, void *values);

/* fn for every row, in no order. fn must not add or remove rows. 0 or -errno. */
int prism_rows_each(const struct prism_rows *rows, prism_row_fn fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
