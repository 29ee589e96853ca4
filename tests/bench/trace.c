/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the trace leg costs a fork+exec loop: bench_trace. The same number of /bin/true with the leg and without, in
 * turns; with it, this process reads and formats each event meanwhile, as prismd would.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bench.h"
#include "sandbox.h"

#define IDENTITY 1001u
#define ROUNDS 21
#define EXECS 300 /* a round */

struct loop {
	volatile double took_ns;
	volatile int done;
};

static int fork_and_exec(void *arg)
{
	struct loop *loop = arg;
	uint64_t start = bench_now_ns();
	int status;

	for (int i = 0; i < EXECS; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			execl("/bin/true", "true", "an", "argument", NULL);
			_exit(1);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			errx(1, "/bin/true");
	}
	loop->took_ns = (double)(bench_now_ns() - start);
	loop->done = 1;
	return 0;
}

static bool is_done(void *arg)
{
	return ((struct loop *)arg)->done;
}

static double execs_per_second(struct prism_fake_host *fake, const struct sandbox_cgroup *cgroup, struct loop *loop)
{
	pid_t pid;

	loop->done = 0;
	pid = sandbox_spawn(cgroup, fork_and_exec, loop);
	prism_fake_host_run(fake, 60000, is_done, loop);
	if (sandbox_wait(pid))
		errx(1, "the loop failed");
	return 1e9 * EXECS / loop->took_ns;
}

/* ns that the program behind this pinned link took a run, while statistics were on. */
static double ns_a_run(struct prism_fake_host *fake, const char *link)
{
	struct bpf_link_info info = {0};
	struct bpf_prog_info program = {0};
	uint32_t size = sizeof(info), program_size = sizeof(program);
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", prism_pin_dir(prism_fake_host_host(fake)), link);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_link_get_info_by_fd(fd, &info, &size) < 0)
		err(1, "%s", path);
	close(fd);
	fd = bpf_prog_get_fd_by_id(info.prog_id);
	if (fd < 0 || bpf_prog_get_info_by_fd(fd, &program, &program_size) < 0 || !program.run_cnt)
		err(1, "statistics of %s", link);
	close(fd);
	return (double)program.run_time_ns / (double)program.run_cnt;
}

/* The programs alone, with the kernel's own statistics on. */
static void per_event(struct prism_fake_host *fake, const struct sandbox_cgroup *cgroup, struct loop *loop)
{
	struct samples exec = {0}, exit = {0}, whole = {0};

	for (int i = 0; i < BENCH_ROUNDS; i++) {
		int statistics = bpf_enable_stats(BPF_STATS_RUN_TIME);

		if (prism_fake_host_start(fake))
			errx(1, "trace does not start: %s", prism_fake_host_reason(fake));
		samples_add(&whole, 1e6 / execs_per_second(fake, cgroup, loop));
		samples_add(&exec, ns_a_run(fake, "link_trace_exec"));
		samples_add(&exit, ns_a_run(fake, "link_trace_exit"));
		prism_fake_host_stop(fake, PRISM_STOP_REMOVE);
		close(statistics);
	}
	bench_row("trace leg, its programs", "-",
		  "%.0f ns an exec, %.0f ns an exit | %.0f %%, %.0f %% | a fork+exec: %.0f us", samples_median(&exec),
		  samples_median(&exit), 100 * samples_spread(&exec), 100 * samples_spread(&exit),
		  samples_median(&whole));
	samples_done(&exec);
	samples_done(&exit);
	samples_done(&whole);
}

int main(void)
{
	struct samples without = {0}, with = {0}, ratio = {0};
	struct loop *loop = sandbox_shared(sizeof(*loop));
	struct prism_fake_host *fake;
	struct sandbox_cgroup cgroup;

	sandbox_require_root();
	fake = sandbox_host_new(sandbox_module(MODULE_FILE), "rate: 0\n");
	if (!fake)
		err(1, "no fake host");
	sandbox_cgroup_make(fake, "bench", &cgroup);
	sandbox_identity(fake, PRISM_IDENTITY_ADDED, IDENTITY, IDENTITY, &cgroup);
	execs_per_second(fake, &cgroup, loop);
	for (int i = 0; i < ROUNDS; i++) {
		double a, b;

		b = execs_per_second(fake, &cgroup, loop);
		if (prism_fake_host_start(fake))
			errx(1, "trace does not start: %s", prism_fake_host_reason(fake));
		a = execs_per_second(fake, &cgroup, loop);
		prism_fake_host_stop(fake, PRISM_STOP_REMOVE);
		samples_add(&with, a);
		samples_add(&without, b);
		samples_add(&ratio, a / b);
	}
	bench_header();
	bench_row("the same, read by the fake host in the loop's own process", "-",
		  "%.3f (rounds: %.3f) | %.1f %% | without: %.0f execs/s, %.1f %%",
		  samples_median(&with) / samples_median(&without), samples_median(&ratio), 100 * samples_spread(&with),
		  samples_median(&without), 100 * samples_spread(&without));
	per_event(fake, &cgroup, loop);
	samples_done(&with);
	samples_done(&without);
	samples_done(&ratio);
	sandbox_host_free(fake);
	sandbox_cgroup_remove(&cgroup);
	return 0;
}
