/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/clock.h"

#include <errno.h>

#include <bpf/bpf.h>

#include "base/util.h"
#include "clock.skel.h"
#include "metric/program.h"

struct jiffies_clock {
	struct clock_bpf *skeleton;
	uint64_t tick_ns;
};

int jiffies_clock_new(struct metrics *metrics, struct jiffies_clock **ret)
{
	struct jiffies_clock *c;
	struct timespec tick;
	uint64_t now;
	int r;

	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	/* The coarse clock advances once a jiffy, and says so. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0 || tick.tv_sec || !tick.tv_nsec) {
		free(c);
		return -ENOTSUP;
	}
	c->tick_ns = (uint64_t)tick.tv_nsec;
	c->skeleton = clock_bpf__open_and_load();
	r = c->skeleton ? jiffies_clock_after(c, 0, &now) : -errno;
	if (r < 0) {
		jiffies_clock_free(c);
		return r;
	}
	programs_add(metrics, PROGRAMS_OF_CORE, c->skeleton->obj);
	*ret = c;
	return 0;
}

void jiffies_clock_free(struct jiffies_clock *c)
{
	if (!c)
		return;
	clock_bpf__destroy(c->skeleton);
	free(c);
}

int jiffies_clock_after(const struct jiffies_clock *c, uint64_t ns, uint64_t *ret)
{
	uint64_t jiffies = 0;
	/* The context goes in and comes back in the same place; this kind of program takes no ctx_out. */
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &jiffies, .ctx_size_in = sizeof(jiffies));
	int r = bpf_prog_test_run_opts(bpf_program__fd(c->skeleton->progs.read_clock), &opts);

	if (r < 0)
		return r;
	*ret = jiffies + (ns + c->tick_ns - 1) / c->tick_ns;
	return 0;
}
