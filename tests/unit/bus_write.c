/* SPDX-License-Identifier: Apache-2.0 */
/* What is staged is written, once, in order; a full map; entries that somebody else wrote. */
#include "bus_world.h"

/* ---- staging and writing ---- */

static void nothing_is_written_twice(void **state)
{
	struct bus *bus = must_open();
	struct prism_meta before;
	uint64_t written;
	unsigned int i;

	(void)state;
	stage(bus, 1, 300, true);
	stage(bus, 1, 300, true);
	assert_int_equal(bus_staged(bus), 1);
	assert_int_equal(bus_flush(bus), 0);
	written = there(bus, 1).updated_ns;
	assert_in_range(written, wall_ns() - 60 * NS_PER_SEC, wall_ns());
	before = meta_of(bus);
	for (i = 0; i < 1000; i++) {
		stage(bus, 1, 300, true);
		assert_int_equal(bus_flush(bus), 0);
	}
	assert_int_equal(stats_of(bus).writes, 1);
	assert_int_equal(meta_of(bus).generation, before.generation);
	assert_int_equal(there(bus, 1).updated_ns, written);
	/* A change that is taken back before it was written. */
	assert_int_equal(bus_stage_delete(bus, 77), 0);
	stage(bus, 78, 400, true);
	assert_int_equal(bus_stage_delete(bus, 78), 0);
	assert_int_equal(bus_staged(bus), 0);
	assert_null(bus_entry(bus, 78));
	assert_int_equal(bus_flush(bus), 0);
	assert_int_equal(stats_of(bus).writes, 1);
	assert_int_equal(meta_of(bus).generation, before.generation);
	bus_close(bus, true);
}

static uint64_t flush_and_rise(struct bus *bus)
{
	uint64_t before = meta_of(bus).generation;

	assert_int_equal(bus_flush(bus), 0);
	return meta_of(bus).generation - before;
}

static void when_the_generation_rises(void **state)
{
	struct bus *bus = must_open();

	(void)state;
	assert_int_equal(flush_and_rise(bus), 0);
	stage(bus, 1, 300, true);
	assert_int_equal(flush_and_rise(bus), 1); /* an answer changed */
	stage(bus, 2, 300, false);
	assert_int_equal(flush_and_rise(bus), 0); /* it inherits: the walk has said the same */
	stage(bus, 2, 301, false);
	assert_int_equal(flush_and_rise(bus), 1); /* an entry that could be cached */
	assert_int_equal(bus_stage(bus, 2, 301, 0x201, 903, false), 0);
	assert_int_equal(flush_and_rise(bus), 1); /* so do its flags */
	assert_int_equal(bus_stage(bus, 2, 301, 0x201, 904, false), 0);
	assert_int_equal(flush_and_rise(bus), 1);
	assert_int_equal(bus_stage_delete(bus, 2), 0);
	assert_null(bus_entry(bus, 2));
	assert_int_equal(flush_and_rise(bus), 1);
	assert_int_equal(flush_and_rise(bus), 0);
	/* Visible and not, staged over each other in either order. */
	stage(bus, 3, 300, false);
	stage(bus, 3, 300, true);
	assert_int_equal(flush_and_rise(bus), 1);
	stage(bus, 4, 300, true);
	stage(bus, 4, 300, false);
	assert_int_equal(flush_and_rise(bus), 1);
	/* Deleted and put back before anything was written. */
	assert_int_equal(bus_stage_delete(bus, 4), 0);
	stage(bus, 4, 302, false);
	assert_int_equal(flush_and_rise(bus), 1);
	assert_int_equal(there(bus, 4).identity, 302);
	/* Once for a whole batch. */
	stage(bus, 5, 300, true);
	stage(bus, 6, 300, true);
	assert_int_equal(bus_stage_delete(bus, 4), 0);
	assert_int_equal(flush_and_rise(bus), 1);
	bus_close(bus, true);
}

static void a_large_batch(void **state)
{
	struct bus *bus;
	uint64_t i;

	(void)state;
	options.capacity = 20000;
	bus = must_open();
	for (i = 1; i <= 10000; i++)
		stage(bus, i << 32 | i, (uint32_t)(256 + i), true);
	assert_int_equal(bus_staged(bus), 10000);
	assert_int_equal(bus_flush(bus), 0);
	assert_int_equal(stats_of(bus).entries, 10000);
	for (i = 1; i <= 10000; i++)
		assert_int_equal(there(bus, i << 32 | i).identity, 256 + i);
	/* A third goes, a third changes; some of those that go were taken by somebody else. */
	for (i = 1; i <= 10000; i++) {
		uint64_t key = i << 32 | i;

		if (i % 3 == 0)
			assert_int_equal(bus_stage_delete(bus, key), 0);
		else if (i % 3 == 1)
			stage(bus, key, 7000, true);
		if (i % 300 == 0)
			assert_int_equal(bpf_map_delete_elem(bus_fd(bus), &key), 0);
	}
	assert_int_equal(bus_flush(bus), 0);
	assert_int_equal(bus_staged(bus), 0);
	for (i = 1; i <= 10000; i++)
		assert_int_equal(there(bus, i << 32 | i).identity, i % 3 == 0 ? 0 : i % 3 == 1 ? 7000 : 256 + i);
	assert_int_equal(stats_of(bus).entries, 10000 - 3333);
	bus_close(bus, true);
}

/* ---- a full map ---- */

static void a_full_map_is_loud_and_loses_nothing(void **state)
{
	struct bus_stats s;
	struct bus *bus;
	uint64_t i, generation, in = 0;

	(void)state;
	options.capacity = 16;
	bus = must_open();
	for (i = 1; i <= 20; i++)
		stage(bus, i, (uint32_t)(300 + i), true);
	assert_int_equal(bus_flush(bus), -ENOSPC);
	s = stats_of(bus);
	assert_true(s.full);
	assert_int_equal(s.entries, 16);
	assert_int_equal(s.staged, 4);
	assert_int_equal(s.failures, 1);
	assert_true(metric_get(metrics, METRIC_BUS_WRITE_FAILURES, "full") == 1.0);
	assert_true(metric_get(metrics, METRIC_BUS_ENTRIES, NULL) == 16.0);
	for (i = 1; i <= 20; i++)
		in += there(bus, i).identity == 300 + i;
	assert_int_equal(in, 16);
	/* Again and again changes nothing, nor does the generation rise for what was not written. */
	generation = meta_of(bus).generation;
	assert_int_equal(bus_flush(bus), -ENOSPC);
	assert_int_equal(meta_of(bus).generation, generation);
	/* What is there can be changed all the while. */
	stage(bus, 1, 999, false);
	assert_int_equal(bus_flush(bus), -ENOSPC);
	assert_int_equal(there(bus, 1).identity, 999);
	assert_int_equal(meta_of(bus).generation, ++generation);
	/* Room is filled at once, and what waited is as visible as it would have been. */
	assert_int_equal(bus_stage_delete(bus, 2), 0);
	assert_int_equal(bus_stage_delete(bus, 3), 0);
	assert_int_equal(bus_flush(bus), -ENOSPC);
	assert_int_equal(stats_of(bus).entries, 16);
	assert_int_equal(stats_of(bus).staged, 2);
	/* One that waits goes; one gets the room of another. */
	assert_int_equal(bus_stage_delete(bus, 19), 0);
	assert_int_equal(bus_stage_delete(bus, 4), 0);
	assert_int_equal(bus_flush(bus), 0);
	s = stats_of(bus);
	assert_false(s.full);
	assert_int_equal(s.staged, 0);
	assert_int_equal(there(bus, 20).identity, 320);
	assert_int_equal(there(bus, 19).identity, 0);
	bus_close(bus, true);
}

/* What a failed write left over is written later; then, and only then, the generation must rise. */
static void what_waited_raises_the_generation_when_it_comes(void **state)
{
	uint64_t key, generation;
	struct bus *bus;

	(void)state;
	options.capacity = 16;
	bus = must_open();
	for (key = 1; key <= 17; key++)
		stage(bus, key, 300, true);
	assert_int_equal(bus_flush(bus), -ENOSPC);
	generation = meta_of(bus).generation;
	/* Somebody else makes room, so that no change of ours raises it. */
	key = 1;
	assert_int_equal(bpf_map_delete_elem(bus_fd(bus), &key), 0);
	assert_int_equal(bus_flush(bus), 0);
	assert_int_equal(there(bus, 17).identity, 300);
	assert_int_equal(meta_of(bus).generation, generation + 1);
	/* The stolen one is full's victim now: a change of it waits, and holds up nobody. */
	stage(bus, 1, 301, true);
	stage(bus, 5, 301, true);
	assert_int_equal(bus_flush(bus), -ENOSPC);
	assert_int_equal(there(bus, 5).identity, 301);
	assert_int_equal(there(bus, 1).identity, 0);
	assert_int_equal(bus_staged(bus), 1);
	assert_int_equal(stats_of(bus).entries, 16);
	assert_int_equal(bus_stage_delete(bus, 6), 0);
	assert_int_equal(bus_flush(bus), 0);
	assert_int_equal(there(bus, 1).identity, 301);
	bus_close(bus, true);
}

/* ---- verification ---- */

static struct {
	uint64_t key;
	char what[16];
} heard[8];
static unsigned int n_heard;

static void hear(void *arg, uint64_t key, const struct prism_identity *found, const char *what)
{
	(void)arg;
	assert_non_null(found);
	assert_true(n_heard < ARRAY_SIZE(heard));
	heard[n_heard].key = key;
	snprintf(heard[n_heard++].what, sizeof(heard[0].what), "%s", what);
}

static bool was_heard(uint64_t key, const char *what)
{
	unsigned int i;

	for (i = 0; i < n_heard; i++)
		if (heard[i].key == key && strcmp(heard[i].what, what) == 0)
			return true;
	return false;
}

static void meddle(const struct bus *bus, uint64_t key, uint32_t identity)
{
	struct prism_identity value = {.identity = identity};

	assert_int_equal(bpf_map_update_elem(bus_fd(bus), &key, &value, BPF_ANY), 0);
}

static void a_meddler_is_seen(void **state)
{
	struct bus *bus = must_open();
	uint64_t key, generation;
	struct bus_check check;

	(void)state;
	for (key = 1; key <= 100; key++)
		stage(bus, key, 300, true);
	assert_int_equal(bus_flush(bus), 0);
	assert_int_equal(bus_verify(bus, true, &check, hear, NULL), 0);
	assert_int_equal(check.foreign + check.altered + check.missing + n_heard, 0);

	generation = meta_of(bus).generation;
	meddle(bus, 500, 666); /* a stranger's */
	meddle(bus, 7, 666);   /* ours, changed */
	key = 9;
	assert_int_equal(bpf_map_delete_elem(bus_fd(bus), &key), 0);
	n_heard = 0;
	assert_int_equal(bus_verify(bus, false, &check, hear, NULL), 0);
	assert_int_equal(check.foreign, 1);
	assert_int_equal(check.altered, 1);
	assert_int_equal(check.missing, 1);
	assert_int_equal(n_heard, 3);
	assert_true(was_heard(500, "foreign") && was_heard(7, "altered") && was_heard(9, "missing"));
	assert_int_equal(there(bus, 7).identity, 300);
	assert_int_equal(there(bus, 7).label_hash, 900);
	assert_int_equal(there(bus, 9).identity, 300);
	assert_int_equal(there(bus, 500).identity, 666); /* not ours to remove, unless told */
	assert_int_equal(meta_of(bus).generation, generation + 1);
	assert_int_equal(stats_of(bus).entries, 100);
	n_heard = 0;
	assert_int_equal(bus_verify(bus, true, &check, hear, NULL), 0);
	assert_int_equal(check.foreign, 1);
	assert_int_equal(check.altered + check.missing, 0);
	assert_int_equal(there(bus, 500).identity, 0);
	assert_int_equal(meta_of(bus).generation, generation + 2);
	assert_int_equal(bus_verify(bus, true, &check, NULL, NULL), 0);
	assert_int_equal(check.foreign, 0);
	bus_close(bus, true);
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_written_twice, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(when_the_generation_rises, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(a_large_batch, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(a_full_map_is_loud_and_loses_nothing, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(what_waited_raises_the_generation_when_it_comes, each_setup,
						each_teardown),
		cmocka_unit_test_setup_teardown(a_meddler_is_seen, each_setup, each_teardown),
	};

	return cmocka_run_group_tests_name("bus_write", tests, NULL, NULL);
}

int main(void)
{
	name_world();
	return run_guarded(run_all, unlink_all);
}
