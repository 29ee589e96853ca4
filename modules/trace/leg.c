// SPDX-License-Identifier: Apache-2.0
#include "leg.h"

#include <string.h>
#include <unistd.h>

#include "trace.skel.h"

#define RESERVED_ROWS 256u /* numbers below PRISM_ID_FIRST never lack a row */
#define NS_PER_SEC 1000000000ull

static const char *const programs[] = {"trace_exec", "trace_exit"};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define _cleanup_fd_ __attribute__((cleanup(close_fd)))

/* ---- what an earlier start left ---- */

static uint64_t program_misses(int fd)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	return bpf_prog_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.recursion_misses;
}

/* The programs that are about to be replaced take their own count with them. */
static uint64_t earlier_misses(struct prism_host *host)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct prism_leg_link link;
		_cleanup_fd_ int program = -1;

		if (prism_leg_pinned(host, programs[i], &link) == 1)
			program = bpf_prog_get_fd_by_id(link.prog_id);
		if (program >= 0)
			sum += program_misses(program);
	}
	return sum;
}

static bool same_map(int a, int b)
{
	struct bpf_map_info info_a = {0}, info_b = {0};
	uint32_t size_a = sizeof(info_a), size_b = sizeof(info_b);

	return bpf_map_get_info_by_fd(a, &info_a, &size_a) == 0 && bpf_map_get_info_by_fd(b, &info_b, &size_b) == 0 &&
	       info_a.id == info_b.id;
}

/* From here on only programs of this generation or a later one report, and none of an earlier one is still at it. */
static int name_generation(const struct prism_grace *grace, struct trace_reader *shared, uint64_t generation)
{
	__atomic_store_n(&shared->generation, generation, __ATOMIC_SEQ_CST);
	return prism_grace_wait(grace);
}

static uint64_t next_generation(struct prism_host *host)
{
	struct trace_reader shared;

	return prism_leg_read_map(host, "trace_reader", &shared, sizeof(shared)) < 0 ? 1 : shared.generation + 1;
}

/* The ring of another size that the new programs do not write into. */
static int drain_earlier(struct prism_host *host, int earlier_fd, int shared_fd, reader_record_fn record, void *arg)
{
	struct reader reader;
	int r;

	r = reader_init(&reader, host, earlier_fd, shared_fd, record, arg);
	if (r < 0)
		return r;
	r = reader_drain(&reader);
	reader_done(&reader);
	return r;
}

/* ---- up and down ---- */

static struct trace_bpf *open_skel(struct prism_host *host, const struct trace_leg_config *config)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts);
	struct trace_bpf *skel = trace_bpf__open_opts(prism_leg_open_opts(host, &opts));

	if (!skel)
		return NULL;
	skel->rodata->trace_generation = next_generation(host);
	skel->rodata->trace_want_exec = config->exec;
	skel->rodata->trace_want_fork_exits = config->fork_exits;
	skel->rodata->trace_max_arg_bytes = config->max_arg_bytes;
	skel->rodata->trace_wake_bytes = config->ring_size / 4;
	if (config->rate) {
		skel->rodata->trace_interval_ns = NS_PER_SEC / config->rate;
		skel->rodata->trace_burst_ns = NS_PER_SEC / config->rate * (config->burst - 1);
	}
	bpf_map__set_max_entries(skel->maps.trace_ring, config->ring_size);
	bpf_map__set_max_entries(skel->maps.trace_rows, config->max_identities + RESERVED_ROWS);
	bpf_map__set_max_entries(skel->maps.trace_owners, config->max_identities + RESERVED_ROWS);
	return skel;
}

/*
 * The exec program runs for the exits too: it keeps the mark that they are told by. The kernel may be on its way
 * through a tracepoint that it found with the earlier programs alone: until it is through, they are who reports, and
 * this waits.
 */
static int attach(struct prism_host *host, struct trace_leg *leg, const struct trace_leg_config *config)
{
	int r = prism_leg_attach(leg->leg, leg->skel->progs.trace_exec);

	if (r == 0 && !config->exit)
		r = prism_leg_detach(leg->leg, bpf_program__name(leg->skel->progs.trace_exit));
	else if (r == 0)
		r = prism_leg_attach(leg->leg, leg->skel->progs.trace_exit);
	if (r < 0)
		return r;
	r = prism_grace_wait(&leg->grace);
	return r < 0 ? prism_fail(host, -r, "trace: taking over", "%s", strerror(-r)) : 0;
}

static int start_reading(struct prism_host *host, struct trace_leg *leg, int earlier_fd, reader_record_fn record,
			 void *arg)
{
	int ring_fd = bpf_map__fd(leg->skel->maps.trace_ring);
	int shared_fd = bpf_map__fd(leg->skel->maps.trace_reader);
	struct trace_reader *shared;
	int r;

	r = reader_map_shared(shared_fd, &shared);
	if (r < 0)
		return prism_fail(host, -r, "trace: mapping the reader's state", "%s", strerror(-r));
	r = name_generation(&leg->grace, shared, leg->skel->rodata->trace_generation);
	reader_unmap_shared(shared);
	if (r < 0)
		return prism_fail(host, -r, "trace: taking over", "%s", strerror(-r));
	if (earlier_fd >= 0 && !same_map(earlier_fd, ring_fd))
		r = drain_earlier(host, earlier_fd, shared_fd, record, arg);
	if (r < 0)
		return prism_fail(host, -r, "trace: reading the earlier ring", "%s", strerror(-r));
	r = reader_init(&leg->reader, host, ring_fd, shared_fd, record, arg);
	if (r < 0)
		return prism_fail(host, -r, "trace: opening the ring", "%s", strerror(-r));
	return 0;
}

static int init_rows(struct prism_host *host, struct trace_leg *leg)
{
	int r = prism_rows_init(&leg->rows, host, bpf_map__fd(leg->skel->maps.trace_rows),
				bpf_map__fd(leg->skel->maps.trace_owners),
				"its events are reported without a rate limit; raise max_identities");

	return r < 0 ? prism_fail(host, -r, "trace: counter rows", "%s", strerror(-r)) : 0;
}

int trace_leg_up(struct prism_host *host, const struct trace_leg_config *config, reader_record_fn record, void *arg,
		 struct trace_leg *ret_leg)
{
	_cleanup_fd_ int earlier_fd = -1;
	struct trace_leg *leg = ret_leg;
	uint64_t misses;
	int r;

	*leg = (struct trace_leg){0};
	r = prism_grace_init(&leg->grace);
	if (r < 0)
		return prism_fail(host, -r, "trace: grace periods", "%s", strerror(-r));
	leg->skel = open_skel(host, config);
	if (leg->skel)
		earlier_fd = prism_leg_open_map(host, leg->skel->maps.trace_ring, true);
	r = prism_leg_load(host, leg->skel ? leg->skel->skeleton : NULL, &leg->leg);
	if (r == 0) {
		misses = earlier_misses(host);
		r = init_rows(host, leg);
	}
	if (r == 0)
		r = attach(host, leg, config);
	if (r == 0)
		r = start_reading(host, leg, earlier_fd, record, arg);
	if (r < 0) {
		/* The host takes away what a failed start pinned; a failed reload keeps the links that are there. */
		trace_leg_down(leg, PRISM_STOP_SHUTDOWN);
		return r;
	}
	leg->reader.shared->skipped += misses;
	return 0;
}

int trace_leg_finish(struct trace_leg *leg)
{
	int r = name_generation(&leg->grace, leg->reader.shared, UINT64_MAX);

	return r < 0 ? r : reader_drain(&leg->reader);
}

void trace_leg_down(struct trace_leg *leg, enum prism_stop why)
{
	reader_done(&leg->reader);
	prism_leg_close(leg->leg, why);
	trace_bpf__destroy(leg->skel);
	prism_grace_done(&leg->grace);
	*leg = (struct trace_leg){0};
}

int trace_leg_counts_fd(const struct trace_leg *leg)
{
	return bpf_map__fd(leg->skel->maps.trace_counts);
}

uint64_t trace_leg_skipped(const struct trace_leg *leg)
{
	return leg->reader.shared->skipped + program_misses(bpf_program__fd(leg->skel->progs.trace_exec)) +
	       program_misses(bpf_program__fd(leg->skel->progs.trace_exit));
}
