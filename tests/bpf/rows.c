// SPDX-License-Identifier: Apache-2.0
/* Rows by identity: one for each owner of a number, none that nobody owns, in plain and in per-CPU maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <prism/fake_host.h>
#include <prism/rows.h>

#define ROOM 1500u

/* 12 bytes: a per-CPU map hands out 16 for each. */
struct row {
	uint32_t count[3];
};

static struct prism_rows rows;

static void identity(void *self, enum prism_change change, const struct prism_workload *workload)
{
	(void)self;
	if (rows.host)
		prism_rows_identity(&rows, change, workload);
}

static const struct prism_module module = {
	PRISM_MODULE_HEADER, .name = "rows", .version = "1", .summary = "keeps rows", .identity = identity,
};

static struct prism_fake_host *fake;
static int rows_fd = -1, owners_fd = -1;

static int make_maps(enum bpf_map_type type)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);

	rows_fd = bpf_map_create(type, "rows", 4, sizeof(struct row), ROOM, &opts);
	owners_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "owners", 4, 8, ROOM, &opts);
	return rows_fd < 0 || owners_fd < 0 ? -1 : 0;
}

static int setup(void **state)
{
	enum bpf_map_type type = *state ? BPF_MAP_TYPE_PERCPU_HASH : BPF_MAP_TYPE_HASH;

	memset(&rows, 0, sizeof(rows));
	fake = prism_fake_host_new(&module, NULL);
	assert_non_null(fake);
	assert_int_equal(make_maps(type), 0);
	assert_int_equal(prism_rows_init(&rows, prism_fake_host_host(fake), rows_fd, owners_fd, "raise max_identities"),
			 0);
	assert_int_equal(prism_fake_host_start(fake), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	prism_fake_host_free(fake);
	close(rows_fd);
	close(owners_fd);
	return 0;
}

static void tell(enum prism_change change, uint32_t number, uint64_t label_hash)
{
	const struct prism_workload workload = {.size = sizeof(workload),
						.identity = number,
						.label_hash = label_hash,
						.name = "shop/web"};

	assert_int_equal(prism_fake_host_identity(fake, change, &workload, 0), 0);
}

/* As the kernel side would, on the last CPU. */
static void count(uint32_t number, uint32_t value)
{
	char *values = calloc(rows.cpus, rows.row_size);
	struct row row = {.count = {value, 0, value}};

	memcpy(values + (size_t)(rows.cpus - 1) * rows.row_size, &row, sizeof(row));
	assert_int_equal(bpf_map_update_elem(rows_fd, &number, values, BPF_ANY), 0);
	free(values);
}

static uint64_t sum(const void *values)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < rows.cpus; i++) {
		const struct row *row = (const void *)((const char *)values + (size_t)i * rows.row_size);

		n += row->count[0] + row->count[2];
	}
	return n;
}

/* -1: there is none. */
static int64_t counted(uint32_t number)
{
	char *values = calloc(rows.cpus, rows.row_size);
	int r = prism_rows_read(&rows, number, values);
	int64_t n = r < 0 ? -1 : (int64_t)sum(values);

	assert_true(r == 0 || r == -ENOENT);
	free(values);
	return n;
}

static unsigned int logged(const char *what)
{
	const char *line;
	unsigned int i, n = 0;

	for (i = 0; (line = prism_fake_host_log_line(fake, i)); i++)
		n += strstr(line, what) != NULL;
	return n;
}

static void one_row_an_owner(void **state)
{
	(void)state;
	tell(PRISM_IDENTITY_ADDED, 300, 1);
	assert_int_equal(counted(300), 0);
	count(300, 5);
	/* Held back, and the same workload comes again: it goes on counting. */
	tell(PRISM_IDENTITY_REMOVED, 300, 1);
	tell(PRISM_IDENTITY_ADDED, 300, 1);
	assert_int_equal(counted(300), 10);
	/* Another owner begins at 0, whoever forgot to release the number. */
	assert_int_equal(prism_rows_claim(&rows, 300, 2), 0);
	assert_int_equal(counted(300), 0);
	tell(PRISM_IDENTITY_REMOVED, 300, 1);
	tell(PRISM_IDENTITY_RELEASED, 300, 1);
	assert_int_equal(counted(300), -1);
	assert_int_equal(prism_rows_drop(&rows, 300), 0);
	/* A row that the kernel side made before its workload was told of. */
	count(301, 3);
	tell(PRISM_IDENTITY_ADDED, 301, 7);
	assert_int_equal(counted(301), 6);
}

static void rows_without_an_owner_go(void **state)
{
	(void)state;
	tell(PRISM_IDENTITY_ADDED, 300, 1);
	assert_int_equal(prism_rows_claim(&rows, PRISM_ID_UNMANAGED, 0), 0);
	count(PRISM_ID_UNMANAGED, 1);
	count(300, 1);
	count(400, 1);
	count(401, 1);
	tell(PRISM_IDENTITY_SYNCED, 0, 0);
	assert_int_equal(counted(PRISM_ID_UNMANAGED), 2);
	assert_int_equal(counted(300), 2);
	assert_int_equal(counted(400), -1);
	assert_int_equal(counted(401), -1);
	assert_int_equal(logged("removed the counters of 2 identities that are gone"), 1);
}

static void note(void *arg, uint32_t number, const void *values)
{
	unsigned char *seen = arg;

	assert_true(number >= 1000 && number < 1000 + ROOM);
	assert_int_equal(sum(values), 2 * (uint64_t)number);
	seen[number - 1000]++;
}

static void each_row_once(void **state)
{
	unsigned char *seen = calloc(ROOM, 1);
	uint32_t i;

	(void)state;
	for (i = 0; i < ROOM; i++) {
		assert_int_equal(prism_rows_claim(&rows, 1000 + i, i), 0);
		count(1000 + i, 1000 + i);
	}
	assert_int_equal(prism_rows_each(&rows, note, seen), 0);
	for (i = 0; i < ROOM; i++)
		assert_int_equal(seen[i], 1);
	free(seen);
	/* Full: said once, and again after there has been room. */
	assert_int_equal(prism_rows_claim(&rows, 1, 0), -E2BIG);
	assert_int_equal(prism_rows_claim(&rows, 2, 0), -E2BIG);
	assert_int_equal(logged("no room for the counters of identity 1: raise max_identities"), 1);
	assert_int_equal(logged("no room"), 1);
	assert_int_equal(prism_rows_drop(&rows, 1000), 0);
	assert_int_equal(prism_rows_claim(&rows, 1, 0), 0);
	assert_int_equal(prism_rows_claim(&rows, 2, 0), -E2BIG);
	assert_int_equal(logged("no room"), 2);
}

/* Made anew while the module runs: a row for everybody who is there. */
static void all_are_claimed_again(void **state)
{
	(void)state;
	tell(PRISM_IDENTITY_ADDED, 300, 1);
	tell(PRISM_IDENTITY_ADDED, 301, 2);
	tell(PRISM_IDENTITY_REMOVED, 301, 2);
	assert_int_equal(prism_rows_drop(&rows, 300), 0);
	assert_int_equal(prism_rows_drop(&rows, 301), 0);
	prism_rows_claim_all(&rows);
	assert_int_equal(counted(300), 0);
	assert_int_equal(counted(301), -1);
}

static void maps_that_hold_no_rows(void **state)
{
	struct prism_rows other = {.cpus = 77};
	int by_u64 = bpf_map_create(BPF_MAP_TYPE_HASH, "by_u64", 8, 8, 1, NULL);

	(void)state;
	assert_true(by_u64 >= 0);
	assert_int_equal(prism_rows_init(&other, rows.host, by_u64, owners_fd, ""), -EINVAL);
	close(by_u64);
	assert_true(prism_rows_init(&other, rows.host, -1, owners_fd, "") < 0);
	assert_int_equal(other.cpus, 77);
}

#define ROWS_TESTS(test)                                                                                               \
	{#test " (plain)", test, setup, teardown, NULL}, {#test " (per CPU)", test, setup, teardown, (void *)1}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROWS_TESTS(one_row_an_owner),      ROWS_TESTS(rows_without_an_owner_go), ROWS_TESTS(each_row_once),
		ROWS_TESTS(all_are_claimed_again), ROWS_TESTS(maps_that_hold_no_rows),
	};

	if (make_maps(BPF_MAP_TYPE_HASH) < 0) {
		fprintf(stderr, "UNSUPPORTED: this process may not create BPF maps\n");
		return 77;
	}
	close(rows_fd);
	close(owners_fd);
	return cmocka_run_group_tests_name("rows", tests, NULL, NULL);
}
