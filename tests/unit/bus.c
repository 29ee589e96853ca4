/* SPDX-License-Identifier: Apache-2.0 */
/* The bus's maps: their shapes and pins, what is adopted and what is refused, what the meta map says, who may write. */
#include "bus_world.h"

/* ---- shapes and pins ---- */

static void the_lean_shape(void **state)
{
	struct bus *bus = must_open();
	struct bpf_map_info info = info_of(bus_fd(bus));
	struct prism_meta meta = meta_of(bus);
	struct stat st;

	(void)state;
	assert_int_equal(info.type, BPF_MAP_TYPE_HASH);
	assert_int_equal(info.key_size, 8);
	assert_int_equal(info.value_size, 24);
	assert_int_equal(info.max_entries, 4096);
	assert_int_equal(info.map_flags, BPF_F_RDONLY_PROG | BPF_F_NO_PREALLOC);
	assert_string_equal(info.name, "prism_identity");
	info = info_of(bus_meta_fd(bus));
	assert_int_equal(info.type, BPF_MAP_TYPE_ARRAY);
	assert_int_equal(info.key_size, 4);
	assert_int_equal(info.value_size, 128);
	assert_int_equal(info.max_entries, 1);
	assert_int_equal(info.map_flags, BPF_F_RDONLY_PROG);
	assert_true(pinned("prism_identity") && pinned("prism_meta"));
	assert_false(exists(v1_pin));
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);

	assert_int_equal(meta.abi_version, 1);
	assert_int_equal(meta.value_size, 24);
	assert_int_equal(meta.writer_pid, getpid());
	assert_int_equal(meta.capacity, 4096);
	assert_int_equal(meta.writer_epoch, 1);
	assert_true(meta.feature_flags & PRISM_FEATURE_ROOT_LEVELS);
	assert_false(meta.feature_flags & PRISM_FEATURE_V1_EXACT);
	assert_false(bus_adopted(bus));
	assert_true(stats_of(bus).lean);
	bus_close(bus, true);
	assert_false(exists(dir));
}

static void the_v1_exact_shape(void **state)
{
	struct bpf_map_info info, second;
	struct bus *bus;
	int fd;

	(void)state;
	options.v1_exact = true;
	options.capacity = PRISM_BUS_V1_CAPACITY;
	bus = must_open();
	info = info_of(bus_fd(bus));
	assert_int_equal(info.max_entries, 1 << 20);
	assert_int_equal(info.map_flags, 0x80);
	fd = bpf_obj_get(v1_pin);
	assert_true(fd >= 0);
	second = info_of(fd);
	close(fd);
	assert_int_equal(second.id, info.id);
	assert_true(meta_of(bus).feature_flags & PRISM_FEATURE_V1_EXACT);
	assert_false(stats_of(bus).lean);
	/* Adopted with its second pin; a slash at the end changes nothing. */
	stage(bus, 7, 300, true);
	assert_int_equal(bus_flush(bus), 0);
	bus_close(bus, false);
	strcat(dir, "/");
	bus = must_open();
	dir[strlen(dir) - 1] = '\0';
	assert_true(bus_adopted(bus));
	assert_int_equal(there(bus, 7).identity, 300);
	bus_close(bus, true);
	assert_false(exists(v1_pin));
	assert_false(exists(dir));
}

static void a_directory_that_is_no_bpffs(void **state)
{
	static const char *const bad[] = {"prism", "", "/", "./x"};
	struct error e;
	struct bus *bus;
	unsigned int i;

	(void)state;
	options.dir = "/tmp/prism-test-none/bus";
	assert_int_equal(open_bus(&bus, &e), -ENOTSUP);
	assert_string_equal(e.where, "/tmp/prism-test-none/bus");
	assert_string_equal(e.text,
			    "is not in a BPF filesystem; `mount -t bpf bpf /sys/fs/bpf` makes one, or set bus.dir "
			    "to a directory in one");
	assert_false(exists("/tmp/prism-test-none"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		options.dir = bad[i];
		assert_int_equal(open_bus(&bus, &e), -EINVAL);
		assert_contains(e.text, "is no absolute path");
	}
}

/* ---- what is there already ---- */

static void adoption_keeps_entries(void **state)
{
	struct prism_meta before, meta;
	struct bus_stats s;
	struct bus *bus = must_open();
	uint64_t i;

	(void)state;
	for (i = 1; i <= 3000; i++)
		stage(bus, i, (uint32_t)(1000 + i), true);
	bus_root_level(bus, 3, 1);
	assert_int_equal(bus_flush(bus), 0);
	before = meta_of(bus);
	bus_close(bus, false);

	bus = must_open();
	meta = meta_of(bus);
	s = stats_of(bus);
	assert_true(bus_adopted(bus));
	assert_int_equal(s.entries, 3000);
	assert_int_equal(s.writes, 0);
	assert_int_equal(meta.generation, before.generation + 1);
	assert_int_equal(meta.writer_epoch, before.writer_epoch + 1);
	assert_int_equal(meta.root_levels, 1 << 3);
	assert_int_equal(bus_adopted_entry(bus, 5)->identity, 1005);
	assert_null(bus_adopted_entry(bus, 3001));
	/* The same again writes nothing; another value does. */
	for (i = 1; i <= 2000; i++)
		stage(bus, i, (uint32_t)(1000 + i), true);
	assert_null(bus_adopted_entry(bus, 5));
	assert_int_equal(bus_staged(bus), 0);
	stage(bus, 2000, 9, true);
	bus_root_level(bus, 5, 1);
	/* The other 1,000 belong to nobody, and nobody is at level 3 any more. */
	assert_int_equal(bus_finish_adoption(bus), 1000);
	assert_int_equal(bus_flush(bus), 0);
	s = stats_of(bus);
	assert_int_equal(s.entries, 2000);
	assert_int_equal(s.writes, 1);
	assert_int_equal(s.deletes, 1000);
	assert_int_equal(there(bus, 2000).identity, 9);
	assert_int_equal(there(bus, 1999).identity, 2999);
	assert_int_equal(there(bus, 2001).identity, 0);
	meta = meta_of(bus);
	assert_int_equal(meta.generation, before.generation + 2);
	assert_int_equal(meta.root_levels, 1 << 5);
	bus_close(bus, true);
}

static void another_capacity_is_noted(void **state)
{
	struct bus *bus = must_open();

	(void)state;
	assert_null(bus_note(bus));
	bus_close(bus, false);
	options.capacity = 100;
	bus = must_open();
	assert_int_equal(stats_of(bus).capacity, 4096);
	assert_string_equal(bus_note(bus),
			    "the pinned bus holds 4096 entries, bus.capacity says 100: it takes effect after "
			    "`prismctl cleanup` or a reboot");
	bus_close(bus, true);
}

static void another_shape_is_refused(void **state)
{
	struct bus *bus = must_open();
	struct error e;

	(void)state;
	stage(bus, 1, 300, true);
	assert_int_equal(bus_flush(bus), 0);
	bus_close(bus, false);
	options.v1_exact = true;
	options.capacity = PRISM_BUS_V1_CAPACITY;
	assert_int_equal(open_bus(&bus, &e), -EEXIST);
	assert_string_equal(e.text,
			    "the pinned bus has the lean shape and bus.compat says v1-exact; a map cannot change its "
			    "shape: run `prismctl cleanup` and start again");
	assert_null(bus);
	assert_false(exists(v1_pin));
	options.v1_exact = false;
	options.capacity = 4096;
	bus = must_open();
	assert_int_equal(there(bus, 1).identity, 300);
	bus_close(bus, true);
}

/* A map of somebody else where ours would be: nothing is touched. */
static void refuse_foreign(const char *name, uint32_t type, uint32_t key, uint32_t value, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = flags);
	int fd = bpf_map_create((enum bpf_map_type)type, "stranger", key, value, 16, &opts);
	char path[256], expected[512];
	struct bpf_map_info info;
	struct error e;
	struct bus *bus;

	assert_true(fd >= 0);
	mkdir(dir, 0755);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	assert_int_equal(open_bus(&bus, &e), -EEXIST);
	assert_string_equal(e.where, path);
	snprintf(expected, sizeof(expected),
		 "is a foreign map, not Prism's: type %u, key %u, value %u bytes, flags %#x where", type, key, value,
		 flags);
	assert_contains(e.text, expected);
	assert_contains(e.text, "nothing was touched: move it away or set bus.dir");
	assert_null(bus);
	close(fd);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	info = info_of(fd);
	assert_string_equal(info.name, "stranger");
	close(fd);
	/* And nothing was left beside it. */
	assert_true(pinned("prism_identity") == !strcmp(name, "prism_identity"));
	assert_true(pinned("prism_meta") == !strcmp(name, "prism_meta"));
	unlink(path);
}

static void foreign_maps_are_refused(void **state)
{
	(void)state;
	refuse_foreign("prism_identity", BPF_MAP_TYPE_HASH, 8, 24, BPF_F_NO_PREALLOC);
	refuse_foreign("prism_identity", BPF_MAP_TYPE_HASH, 8, 16, BPF_F_RDONLY_PROG);
	refuse_foreign("prism_identity", BPF_MAP_TYPE_HASH, 4, 24, BPF_F_RDONLY_PROG);
	refuse_foreign("prism_identity", BPF_MAP_TYPE_LRU_HASH, 8, 24, BPF_F_RDONLY_PROG);
	refuse_foreign("prism_identity", BPF_MAP_TYPE_ARRAY, 4, 24, BPF_F_RDONLY_PROG);
	refuse_foreign("prism_meta", BPF_MAP_TYPE_ARRAY, 4, 64, BPF_F_RDONLY_PROG);
	refuse_foreign("prism_meta", BPF_MAP_TYPE_ARRAY, 4, 128, 0);
}

/* What was pinned before a start that fails stays pinned, and what it pinned itself goes. */
static void a_failed_start_leaves_what_it_found(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_RDONLY_PROG);
	char path[256];
	struct error e;
	struct bus *bus;
	int fd, stranger;

	(void)state;
	options.v1_exact = true;
	options.capacity = PRISM_BUS_V1_CAPACITY;
	/* The second pin's place is taken, and a meta map is there. */
	stranger = bpf_map_create(BPF_MAP_TYPE_ARRAY, "stranger", 4, 4, 1, NULL);
	assert_true(stranger >= 0);
	assert_int_equal(bpf_obj_pin(stranger, v1_pin), 0);
	assert_int_equal(open_bus(&bus, &e), -EEXIST);
	assert_string_equal(e.where, v1_pin);
	assert_contains(e.text, "is there and is not this bus");
	assert_false(exists(dir));

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, PRISM_META_MAP, 4, sizeof(struct prism_meta), 1, &opts);
	assert_true(fd >= 0);
	assert_int_equal(mkdir(dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/prism_meta", dir);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	assert_int_equal(open_bus(&bus, &e), -EEXIST);
	assert_true(pinned("prism_meta"));
	assert_false(pinned("prism_identity"));
	assert_true(exists(v1_pin));
	close(fd);
	close(stranger);
}

static void a_second_writer_is_refused(void **state)
{
	int ready[2], go[2], status;
	char c, expected[128];
	struct error e;
	struct bus *bus;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(go[1]);
		bus = bus_open(&options, &bus, &e) == 0 ? bus : NULL;
		if (bus && write(ready[1], "r", 1) == 1)
			(void)!read(go[0], &c, 1); /* until the parent lets go */
		_exit(bus ? 0 : 1);                /* as a crash does: nothing is closed properly */
	}
	close(ready[1]);
	close(go[0]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(open_bus(&bus, &e), -EBUSY);
	snprintf(expected, sizeof(expected),
		 "another prismd (pid %d) writes this bus; stop it, or set bus.dir to another directory", (int)child);
	assert_string_equal(e.text, expected);
	close(go[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(ready[0]);
	/* Its lock went with it, and its bus is there. */
	bus = must_open();
	assert_true(bus_adopted(bus));
	assert_int_equal(meta_of(bus).writer_pid, getpid());
	bus_close(bus, true);
}

/* ---- meta ---- */

static void the_heart_beats(void **state)
{
	struct bus *bus = must_open();
	struct prism_meta first = meta_of(bus), second;
	struct timespec tick;
	uint64_t jiffies;

	(void)state;
	assert_in_range(first.heartbeat_ns, monotonic_ns() - NS_PER_SEC * 10, monotonic_ns());
	assert_int_equal(first.stale_after_ns, 5 * NS_PER_SEC);
	if (!(first.feature_flags & PRISM_FEATURE_STALE_JIFFIES))
		fail_msg("no jiffies on this kernel: %s", bus_note(bus));
	/* jiffies64 counts from 5 minutes before the boot, in ticks of the coarse clock. */
	assert_int_equal(clock_getres(CLOCK_MONOTONIC_COARSE, &tick), 0);
	jiffies = first.stale_jiffies - (uint64_t)(int64_t)(int32_t)(-300 * (int64_t)(NS_PER_SEC / tick.tv_nsec));
	jiffies &= UINT32_MAX;
	assert_in_range(jiffies * tick.tv_nsec, first.heartbeat_ns + 4 * NS_PER_SEC,
			first.heartbeat_ns + 6 * NS_PER_SEC);
	assert_int_equal(bus_heartbeat(bus), 0);
	second = meta_of(bus);
	assert_true(second.heartbeat_ns > first.heartbeat_ns);
	assert_true(second.stale_jiffies >= first.stale_jiffies);
	assert_int_equal(second.generation, first.generation);
	bus_close(bus, false);
	{
		struct error e;

		assert_int_equal(bus_read_meta(dir, &second, &e), 0);
		assert_int_equal(second.writer_pid, 0);
	}
	bus_close(must_open(), true);
}

static uint64_t levels_after_flush(struct bus *bus)
{
	assert_int_equal(bus_flush(bus), 0);
	return meta_of(bus).root_levels;
}

static void levels_are_counted(void **state)
{
	struct bus *bus = must_open();

	(void)state;
	assert_int_equal(levels_after_flush(bus), 0);
	bus_root_level(bus, 2, 1);
	bus_root_level(bus, 2, 1);
	bus_root_level(bus, 0, 1);
	bus_root_level(bus, 63, 1);
	bus_root_level(bus, 200, 1);
	assert_int_equal(levels_after_flush(bus), 1ull << 63 | 5);
	bus_root_level(bus, 2, -1);
	bus_root_level(bus, 63, -1);
	assert_int_equal(levels_after_flush(bus), 1ull << 63 | 5);
	bus_root_level(bus, 2, -1);
	bus_root_level(bus, 64, -1);
	assert_int_equal(levels_after_flush(bus), 1);
	bus_root_level(bus, 0, -1);
	assert_int_equal(levels_after_flush(bus), 0);
	bus_close(bus, true);
}

/* ---- who may write ---- */

/* r1 = the map, r2 = &key, r3 = &value; update (2) or delete (3). */
static int load_writer(int map_fd, int helper, char *log, size_t size)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = (uint32_t)size, .log_level = 1);
	const struct bpf_insn program[] = {
		{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = 10, .off = -8, .imm = 1},
		{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = 10, .off = -16, .imm = 0},
		{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = 10, .off = -24, .imm = 0},
		{.code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = 10, .off = -32, .imm = 0},
		{.code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map_fd},
		{0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -32},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = 0},
		{.code = BPF_JMP | BPF_CALL, .imm = helper},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	log[0] = '\0';
	return bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "writer", "GPL", program, ARRAY_SIZE(program), &opts);
}

static void programs_cannot_write(void **state)
{
	struct bus *bus = must_open();
	static char log[65536];
	int fd;

	(void)state;
	/* The same program loads when it only looks up, so that it is the write that is refused. */
	fd = load_writer(bus_fd(bus), BPF_FUNC_map_lookup_elem, log, sizeof(log));
	if (fd < 0)
		fail_msg("%s", log);
	close(fd);
	assert_int_equal(load_writer(bus_fd(bus), BPF_FUNC_map_update_elem, log, sizeof(log)), -EACCES);
	assert_contains(log, "write into map forbidden");
	assert_int_equal(load_writer(bus_fd(bus), BPF_FUNC_map_delete_elem, log, sizeof(log)), -EACCES);
	assert_contains(log, "write into map forbidden");
	bus_close(bus, true);
}

/* ---- the read side ---- */

static void count_entry(void *arg, uint64_t key, const struct prism_identity *entry)
{
	assert_int_equal(entry->identity, 300 + key);
	++*(unsigned int *)arg;
}

static void tools_read_the_pins(void **state)
{
	char path[256];
	struct prism_meta meta;
	unsigned int n = 0;
	struct error e;
	struct bus *bus;
	uint64_t i;

	(void)state;
	assert_int_equal(bus_read_meta(dir, &meta, &e), -ENOENT);
	snprintf(path, sizeof(path), "%s/prism_meta", dir);
	assert_string_equal(e.where, path);
	assert_contains(e.text, "no bus is pinned here");
	options.capacity = 20000;
	bus = must_open();
	for (i = 1; i <= 9000; i++)
		stage(bus, i, (uint32_t)(300 + i), true);
	assert_int_equal(bus_flush(bus), 0);
	assert_int_equal(bus_read_meta(dir, &meta, &e), 0);
	assert_int_equal(meta.writer_pid, getpid());
	assert_int_equal(bus_read_entries(dir, count_entry, &n, &e), 0);
	assert_int_equal(n, 9000);
	bus_close(bus, true);
	assert_int_equal(bus_read_entries(dir, count_entry, &n, &e), -ENOENT);
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_lean_shape, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(the_v1_exact_shape, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(a_directory_that_is_no_bpffs, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(adoption_keeps_entries, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(another_capacity_is_noted, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(another_shape_is_refused, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(foreign_maps_are_refused, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(a_failed_start_leaves_what_it_found, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(a_second_writer_is_refused, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(the_heart_beats, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(levels_are_counted, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(programs_cannot_write, each_setup, each_teardown),
		cmocka_unit_test_setup_teardown(tools_read_the_pins, each_setup, each_teardown),
	};

	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}

int main(void)
{
	name_world();
	return run_guarded(run_all, unlink_all);
}
