// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <prism/rows.h>

#define BATCH_BYTES 65536u /* of values a system call */
#define BATCH_MAX 65536u   /* rows a system call: grows up to it when one bucket of the hash holds more */

int prism_rows_init(struct prism_rows *rows, struct prism_host *host, int rows_fd, int owners_fd, const char *full)
{
	int r, cpus = libbpf_num_possible_cpus();
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	bool per_cpu;

	if (cpus < 0)
		return cpus;
	r = bpf_map_get_info_by_fd(rows_fd, &info, &len);
	if (r < 0)
		return r;
	if (info.key_size != sizeof(uint32_t))
		return -EINVAL;
	per_cpu = info.type == BPF_MAP_TYPE_PERCPU_HASH || info.type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	*rows = (struct prism_rows){
		.host = host,
		.rows_fd = rows_fd,
		.owners_fd = owners_fd,
		.cpus = per_cpu ? (uint32_t)cpus : 1,
		.row_size = per_cpu ? (info.value_size + 7) / 8 * 8 : info.value_size,
		.full = full,
	};
	return 0;
}

static int make_row(const struct prism_rows *rows, uint32_t identity)
{
	void *empty = calloc(rows->cpus, rows->row_size);
	int r;

	if (!empty)
		return -ENOMEM;
	r = bpf_map_update_elem(rows->rows_fd, &identity, empty, BPF_NOEXIST);
	free(empty);
	return r == -EEXIST ? 0 : r;
}

static int drop(struct prism_rows *rows, uint32_t identity)
{
	int row = bpf_map_delete_elem(rows->rows_fd, &identity);
	int owner = bpf_map_delete_elem(rows->owners_fd, &identity);

	if (row < 0 && row != -ENOENT)
		return row;
	return owner == -ENOENT ? 0 : owner;
}

static int claim(struct prism_rows *rows, uint32_t identity, uint64_t label_hash)
{
	uint64_t owner;
	int r;

	/* No owner yet: the row, if there is one, was made in the kernel for this very workload. */
	r = bpf_map_lookup_elem(rows->owners_fd, &identity, &owner);
	if (r == 0 && owner != label_hash)
		r = drop(rows, identity);
	if (r < 0 && r != -ENOENT)
		return r;
	r = make_row(rows, identity);
	if (r < 0)
		return r;
	return bpf_map_update_elem(rows->owners_fd, &identity, &label_hash, BPF_ANY);
}

int prism_rows_claim(struct prism_rows *rows, uint32_t identity, uint64_t label_hash)
{
	int r = claim(rows, identity, label_hash);

	if (r != -E2BIG) {
		if (r < 0)
			prism_log(rows->host, PRISM_LOG_ERROR, "no counters for identity %" PRIu32 ": %s", identity,
				  strerror(-r));
		rows->told_full = rows->told_full && r < 0;
		return r;
	}
	if (!rows->told_full)
		prism_log(rows->host, PRISM_LOG_ERROR, "no room for the counters of identity %" PRIu32 ": %s", identity,
			  rows->full);
	rows->told_full = true;
	return r;
}

int prism_rows_drop(struct prism_rows *rows, uint32_t identity)
{
	int r = drop(rows, identity);

	if (r < 0)
		prism_log(rows->host, PRISM_LOG_ERROR, "the counters of identity %" PRIu32 " could not be removed: %s",
			  identity, strerror(-r));
	return r;
}

int prism_rows_read(const struct prism_rows *rows, uint32_t identity, void *values)
{
	return bpf_map_lookup_elem(rows->rows_fd, &identity, values);
}

/* ---- all of them ---- */

/* Room for so many rows of one system call. */
struct batch {
	uint32_t room;
	uint32_t *keys;
	char *values;
};

static int grow(struct batch *batch, const struct prism_rows *rows, uint32_t room)
{
	uint32_t *keys = reallocarray(batch->keys, room, sizeof(*keys));
	char *values;

	if (!keys)
		return -ENOMEM;
	batch->keys = keys;
	values = reallocarray(batch->values, (size_t)room * rows->cpus, rows->row_size);
	if (!values)
		return -ENOMEM;
	batch->values = values;
	batch->room = room;
	return 0;
}

static int walk(const struct prism_rows *rows, struct batch *batch, prism_row_fn fn, void *arg)
{
	size_t stride = (size_t)rows->cpus * rows->row_size;
	uint32_t position = 0, next = 0;
	void *from = NULL;
	int r;

	do {
		uint32_t n = batch->room;

		r = bpf_map_lookup_batch(rows->rows_fd, from, &next, batch->keys, batch->values, &n, NULL);
		if (r == -ENOSPC && batch->room < BATCH_MAX) {
			r = grow(batch, rows, batch->room * 2); /* nothing was handed out: the same place again */
			continue;
		}
		if (r < 0 && r != -ENOENT)
			return r;
		for (uint32_t i = 0; i < n; i++)
			fn(arg, batch->keys[i], batch->values + i * stride);
		position = next;
		from = &position;
	} while (r == 0);
	return r == -ENOENT ? 0 : r;
}

int prism_rows_each(const struct prism_rows *rows, prism_row_fn fn, void *arg)
{
	size_t fit = BATCH_BYTES / ((size_t)rows->cpus * rows->row_size);
	struct batch batch = {};
	int r = grow(&batch, rows, fit < 16 ? 16 : fit > 1024 ? 1024 : (uint32_t)fit);

	if (r == 0)
		r = walk(rows, &batch, fn, arg);
	free(batch.keys);
	free(batch.values);
	return r;
}

/* ---- identities ---- */

/* Numbers of rows that nobody owns any more. */
struct orphans {
	struct prism_rows *rows;
	uint32_t *ids;
	size_t n;
	bool short_of_memory;
};

static void ignore_workload(void *arg, const struct prism_workload *workload)
{
	(void)arg;
	(void)workload;
}

static void note_orphan(void *arg, uint32_t identity, const void *values)
{
	struct orphans *orphans = arg;
	uint32_t *ids;

	(void)values;
	if (identity < PRISM_ID_FIRST ||
	    prism_identity_get(orphans->rows->host, identity, ignore_workload, NULL) != -ENOENT)
		return;
	ids = reallocarray(orphans->ids, orphans->n + 1, sizeof(*ids));
	if (!ids) {
		orphans->short_of_memory = true;
		return;
	}
	orphans->ids = ids;
	orphans->ids[orphans->n++] = identity;
}

/* Numbers whose hold-back ended while no prismd ran: nobody will say RELEASED for them. */
static void drop_orphans(struct prism_rows *rows)
{
	struct orphans orphans = {.rows = rows};
	int r = prism_rows_each(rows, note_orphan, &orphans);

	if (r == 0 && orphans.short_of_memory)
		r = -ENOMEM;
	if (r < 0)
		prism_log(rows->host, PRISM_LOG_WARNING, "looking for counters without an owner: %s", strerror(-r));
	for (size_t i = 0; i < orphans.n; i++)
		prism_rows_drop(rows, orphans.ids[i]);
	if (orphans.n)
		prism_log(rows->host, PRISM_LOG_INFO, "removed the counters of %zu identities that are gone",
			  orphans.n);
	free(orphans.ids);
}

void prism_rows_identity(struct prism_rows *rows, enum prism_change change, const struct prism_workload *workload)
{
	switch (change) {
	case PRISM_IDENTITY_ADDED:
		prism_rows_claim(rows, workload->identity, workload->label_hash);
		break;
	case PRISM_IDENTITY_RELEASED:
		prism_rows_drop(rows, workload->identity);
		break;
	case PRISM_IDENTITY_SYNCED:
		drop_orphans(rows);
		break;
	case PRISM_IDENTITY_CHANGED:
	case PRISM_IDENTITY_REMOVED: /* the number is held back, and so is its row */
		break;
	}
}

static void claim_workload(void *arg, const struct prism_workload *workload)
{
	prism_rows_claim(arg, workload->identity, workload->label_hash);
}

void prism_rows_claim_all(struct prism_rows *rows)
{
	prism_identities(rows->host, claim_workload, rows);
}
