/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of BPF programs: what the kernel counts is what is published, for as long as the program is known. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "base/util.h"
#include "metric/program.h"

static int load(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "nothing", "GPL", insns, ARRAY_SIZE(insns), NULL);
}

static int setup(void **state)
{
	*state = metrics_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	metrics_free(*state);
	return 0;
}

static void run(int fd, int times)
{
	char packet[64] = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet), .repeat = times);

	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
}

static double runs(struct metrics *m, const char *label)
{
	programs_refresh(m);
	return metric_get(m, METRIC_PROGRAM_RUNS, label);
}

static void counted_while_the_kernel_counts(void **state)
{
	struct metrics *m = *state;
	int fd = load(), counting;

	assert_int_equal(program_add(m, "net", "ingress", fd), 0);
	run(fd, 5);
	assert_true(runs(m, "net\tingress") == 0);
	counting = bpf_enable_stats(BPF_STATS_RUN_TIME);
	assert_true(counting >= 0);
	run(fd, 7);
	close(fd); /* the metrics have their own */
	assert_true(runs(m, "net\tingress") == 7);
	assert_true(metric_get(m, METRIC_PROGRAM_TIME, "net\tingress") > 0);
	assert_true(metric_get(m, METRIC_PROGRAM_TIME, "net\tingress") < 1);
	close(counting);
}

static bool is_published(struct metrics *m, const char *labels)
{
	_cleanup_(text_done) struct text out = {0};

	programs_refresh(m);
	metrics_write(m, &out);
	assert_non_null(out.data);
	return strstr(out.data, labels);
}

static void published_until_dropped(void **state)
{
	static const char one[] = "prism_bpf_program_misses_total{module=\"net\",program=\"one\"} 0\n";
	static const char two[] = "prism_bpf_program_misses_total{module=\"net\",program=\"two\"} 0\n";
	static const char other[] = "prism_bpf_program_misses_total{module=\"other\",program=\"one\"} 0\n";
	struct metrics *m = *state;
	int fd = load();

	assert_int_equal(program_add(m, "net", "one", fd), 0);
	assert_int_equal(program_add(m, "net", "two", fd), 0);
	assert_int_equal(program_add(m, "other", "one", fd), 0);
	assert_true(is_published(m, one) && is_published(m, two) && is_published(m, other));
	program_drop(m, "net", "one");
	program_drop(m, "net", "nobody");
	assert_true(!is_published(m, one) && is_published(m, two) && is_published(m, other));
	program_drop(m, "net", NULL);
	assert_true(!is_published(m, two) && is_published(m, other));
	close(fd);
}

static void another_of_the_name_takes_its_place(void **state)
{
	struct metrics *m = *state;
	int before = load(), after = load(), counting = bpf_enable_stats(BPF_STATS_RUN_TIME);

	assert_true(counting >= 0);
	assert_int_equal(program_add(m, "net", "egress", before), 0);
	run(before, 9);
	assert_true(runs(m, "net\tegress") == 9);
	assert_int_equal(program_add(m, "net", "egress", after), 0);
	run(after, 2);
	assert_true(runs(m, "net\tegress") == 2);
	close(before);
	close(after);
	close(counting);
}

static void what_is_no_program_is_refused(void **state)
{
	struct metrics *m = *state;
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nothing", 4, 4, 1, NULL), null, fd = load();
	char name[PROGRAM_NAME_MAX + 1];

	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(map >= 0 && null >= 0);
	assert_int_equal(program_add(m, "net", "p", map), -EINVAL);
	assert_int_equal(program_add(m, "net", "p", null), -EINVAL);
	assert_int_equal(program_add(m, "net", "p", 1 << 20), -EINVAL);
	assert_int_equal(program_add(m, "net", "", fd), -EINVAL);
	assert_int_equal(program_add(m, "net", "a\tb", fd), -EINVAL);
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(program_add(m, "net", name, fd), -EINVAL);
	name[sizeof(name) - 2] = '\0';
	assert_int_equal(program_add(m, "net", name, fd), 0);
	close(map);
	close(null);
	close(fd);
}

static void a_module_has_so_many_and_no_more(void **state)
{
	struct metrics *m = *state;
	int fd = load(), i;
	char name[16];

	for (i = 0; i < PROGRAMS_MAX; i++) {
		snprintf(name, sizeof(name), "p%d", i);
		assert_int_equal(program_add(m, "net", name, fd), 0);
	}
	assert_int_equal(program_add(m, "net", "more", fd), -ENOSPC);
	assert_int_equal(program_add(m, "net", "p7", fd), 0);
	assert_int_equal(program_add(m, "other", "more", fd), 0);
	/* They go with the metrics, and so do the descriptors. */
	metrics_free(m);
	*state = metrics_new();
	assert_int_equal(fcntl(fd + 1, F_GETFD), -1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counted_while_the_kernel_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(published_until_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(another_of_the_name_takes_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_program_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_module_has_so_many_and_no_more, setup, teardown),
	};
	int fd = load();

	if (fd < 0) {
		fprintf(stderr, "UNSUPPORTED: BPF programs cannot be loaded: %s\n", strerror(errno));
		return 77;
	}
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
