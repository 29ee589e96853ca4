/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedulers side by side in one boot: bench_sched [-r ROUNDS] [-s SECONDS] [-w ROW,...] SUBJECT...
 *
 * Each round runs each row under each subject in turn. What was measured goes to stdout, one line of JSON a window;
 * tests/bench/sched/run boots a machine for it and makes the table. Meant for a machine of its own: it makes cgroups at
 * the root, changes how the kernel preempts, and runs with the priority of a real-time task.
 */
#include <err.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "hogs.h"
#include "pingpong.h"
#include "probe.h"
#include "spin.h"
#include "subject.h"

#define SUBJECTS_MAX 8
#define HOGS_A_CPU 4
#define WARM_UP_NS 300000000ull
#define GRACE_NS 20000000 /* after a window, for requests that came at its end */
#define GROUPS_MAX 5

static const struct probe_load loads[] = {
	{"light", 28, 2000},
	{"medium", 800, 8000},
};

static struct bench {
	unsigned int rounds;
	double seconds; /* of one window */
	const char *rows;
	int cpus;
	uint64_t turns_a_us;
	struct subject subjects[SUBJECTS_MAX];
	int n_subjects;
	struct workload groups[GROUPS_MAX]; /* of the row that runs */
	struct hogs hogs;
} bench = {.rounds = 5, .seconds = 3, .rows = "light,medium,attribution,starve,shares,cpu_weight,pingpong"};

static uint64_t window_ns(void)
{
	return (uint64_t)(bench.seconds * 1e9);
}

static struct workload *group(int i, uint32_t class, uint32_t weight, uint32_t cpu_weight)
{
	struct workload *group = &bench.groups[i];

	group->identity = PRISM_ID_FIRST + (uint32_t)i;
	group->class = class;
	group->weight = weight;
	group->cpu_weight = cpu_weight;
	return group;
}

/* Of a row under a subject: the line is open for what the row adds. */
static void line(const char *row, const struct subject *subject, unsigned int round)
{
	printf("{\"row\": \"%s\", \"subject\": \"%s\", \"round\": %u", row, subject->name, round);
}

static void quantiles(const char *name, struct samples *samples)
{
	if (samples->n) {
		printf(", \"%s_p50\": %.1f, \"%s_p99\": %.1f, \"%s_p999\": %.1f", name, samples_quantile(samples, 0.5),
		       name, samples_quantile(samples, 0.99), name, samples_quantile(samples, 0.999));
	}
}

/* A window of the probe in group 0 against hogs in group 1: its line but for the beginning. */
static void against_hogs(const struct probe_load *load, enum probe_mode mode, unsigned int round)
{
	uint64_t start = bench_now_ns() + WARM_UP_NS, end = start + window_ns();
	int n = HOGS_A_CPU * bench.cpus;
	struct probe_result result = {0};
	struct probe *probe;
	double longest, work;

	hogs_add(&bench.hogs, &bench.groups[1].cgroup, n, bench.turns_a_us, start);
	probe = probe_start(&bench.groups[0].cgroup, mode, load, bench.turns_a_us, round, start, end);
	bench_sleep_until(start);
	hogs_mark(&bench.hogs);
	bench_sleep_until(end);
	work = (double)hogs_work(&bench.hogs, 0, n);
	longest = (double)hogs_longest_ns(&bench.hogs, 0, n, end);
	bench_sleep_until(end + GRACE_NS);
	probe_end(probe, bench_now_ns(), &result);
	hogs_end(&bench.hogs);
	quantiles("wake", &result.wake_us);
	quantiles("response", &result.response_us);
	printf(", \"requests\": %u, \"late\": %u, \"undone\": %u, \"batch\": %.3f, \"gap_ms\": %.1f}\n",
	       result.requests, result.late, result.undone, work * HOG_STEP_US / 1e6 / bench.seconds, longest / 1e6);
	probe_result_done(&result);
}

/* A critical workload that comes and goes, against batch. */
static void latency(struct subject *subject, const struct probe_load *load, enum probe_mode mode, unsigned int round)
{
	struct workload *critical = group(0, PRISM_CLASS_CRITICAL, 0, 100);
	struct workload *batch = group(1, PRISM_CLASS_BATCH, 0, 100);

	subject_publish(subject, critical);
	subject_publish(subject, batch);
	line(load->name, subject, round);
	printf(", \"mode\": \"%s\"", mode == PROBE_TIMER ? "timer" : "message");
	against_hogs(load, mode, round);
	subject_withdraw(subject, critical);
	subject_withdraw(subject, batch);
}

/* What the identity does: the same load as nobody's, as a normal and as a critical workload's, against normal hogs. */
static void attribution(struct subject *subject, unsigned int round)
{
	static const struct {
		const char *name;
		uint32_t class;
	} variants[] = {
		{"absent", PRISM_CLASS_UNSET},
		{"normal", PRISM_CLASS_NORMAL},
		{"critical", PRISM_CLASS_CRITICAL},
	};
	struct workload *normal = group(1, PRISM_CLASS_NORMAL, 0, 100);

	subject_publish(subject, normal);
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		struct workload *probed = group(0, variants[i].class, 0, 100);

		subject_weigh(subject, probed);
		if (variants[i].class != PRISM_CLASS_UNSET)
			subject_publish(subject, probed);
		line("attribution", subject, round);
		printf(", \"mode\": \"%s\"", variants[i].name);
		against_hogs(&loads[0], PROBE_TIMER, round);
		if (variants[i].class != PRISM_CLASS_UNSET)
			subject_withdraw(subject, probed);
	}
	subject_withdraw(subject, normal);
}

/* Critical tasks that never sleep, on every CPU, and HOGS_A_CPU batch tasks a CPU with weights from end to end. */
static void starve(struct subject *subject, unsigned int round)
{
	static const uint32_t weights[] = {1, 8, PRISM_WEIGHT_ONE, PRISM_WEIGHT_MAX};
	const int kinds = sizeof(weights) / sizeof(weights[0]);
	int each = HOGS_A_CPU * bench.cpus / kinds, n = each * kinds, criticals = 2 * bench.cpus;
	uint64_t start = bench_now_ns() + WARM_UP_NS, end = start + window_ns();

	for (int i = 0; i < kinds; i++) {
		subject_publish(subject, group(1 + i, PRISM_CLASS_BATCH, weights[i], 100));
		hogs_add(&bench.hogs, &bench.groups[1 + i].cgroup, each, bench.turns_a_us, start);
	}
	subject_publish(subject, group(0, PRISM_CLASS_CRITICAL, PRISM_WEIGHT_MAX, 100));
	hogs_add(&bench.hogs, &bench.groups[0].cgroup, criticals, bench.turns_a_us, start);
	bench_sleep_until(start);
	hogs_mark(&bench.hogs);
	bench_sleep_until(end);
	line("starve", subject, round);
	printf(", \"longest_ms\": %.1f, \"critical_longest_ms\": %.1f, \"batch_share\": %.4f}\n",
	       (double)hogs_longest_ns(&bench.hogs, 0, n, end) / 1e6,
	       (double)hogs_longest_ns(&bench.hogs, n, criticals, end) / 1e6,
	       (double)hogs_work(&bench.hogs, 0, n) / (double)hogs_work(&bench.hogs, 0, n + criticals));
	hogs_end(&bench.hogs);
	for (int i = 0; i <= kinds; i++)
		subject_withdraw(subject, &bench.groups[i]);
}

/* CPU time of the group's tasks, by the kernel's account. */
static uint64_t group_us(int i)
{
	char path[512];
	uint64_t us;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cpu.stat", bench.groups[i].cgroup.path);
	f = fopen(path, "re");
	if (!f || fscanf(f, "usage_usec %" SCNu64, &us) != 1)
		err(1, "%s", path);
	fclose(f);
	return us;
}

/*
 * Two groups of the same class whose weights are 3:1, on the bus or by cpu.weight. The work is what the instructions of
 * an emulated CPU were enough for, which differs from CPU to CPU.
 */
static void shares(struct subject *subject, bool on_the_bus, unsigned int round)
{
	bool bus = on_the_bus && subject->kind >= SUBJECT_OBJECT;
	uint64_t start = bench_now_ns() + WARM_UP_NS, end = start + window_ns();
	int n = HOGS_A_CPU * bench.cpus / 2;
	uint64_t us[2];

	for (int i = 0; i < 2; i++) {
		subject_publish(subject, group(i, PRISM_CLASS_NORMAL, bus ? (i ? 32 : 96) : 0, bus || i ? 100 : 300));
		hogs_add(&bench.hogs, &bench.groups[i].cgroup, n, bench.turns_a_us, start);
	}
	bench_sleep_until(start);
	hogs_mark(&bench.hogs);
	for (int i = 0; i < 2; i++)
		us[i] = group_us(i);
	bench_sleep_until(end);
	for (int i = 0; i < 2; i++)
		us[i] = group_us(i) - us[i];
	line(on_the_bus ? "shares" : "cpu_weight", subject, round);
	printf(", \"ratio\": %.3f, \"work\": %.3f, \"longest_ms\": %.1f}\n", (double)us[0] / (double)us[1],
	       (double)hogs_work(&bench.hogs, 0, n) / (double)hogs_work(&bench.hogs, n, n),
	       (double)hogs_longest_ns(&bench.hogs, 0, 2 * n, end) / 1e6);
	hogs_end(&bench.hogs);
	for (int i = 0; i < 2; i++)
		subject_withdraw(subject, &bench.groups[i]);
}

static void to_and_fro(struct subject *subject, unsigned int round)
{
	struct workload *normal = group(0, PRISM_CLASS_NORMAL, 0, 100);
	struct pingpong *pingpong;
	uint64_t start, before;

	subject_publish(subject, normal);
	pingpong = pingpong_start(&normal->cgroup, 4);
	start = bench_now_ns() + WARM_UP_NS;
	bench_sleep_until(start);
	before = pingpong_trips(pingpong);
	bench_sleep_until(start + window_ns());
	line("pingpong", subject, round);
	printf(", \"trips\": %.0f}\n", (double)(pingpong_trips(pingpong) - before) / bench.seconds);
	pingpong_end(pingpong);
	subject_withdraw(subject, normal);
}

static bool want(const char *row)
{
	const char *at = bench.rows;
	size_t size = strlen(row);

	while ((at = strstr(at, row))) {
		if ((at == bench.rows || at[-1] == ',') && (!at[size] || at[size] == ','))
			return true;
		at += size;
	}
	return false;
}

static void run(struct subject *subject, unsigned int round)
{
	subject_enter(subject);
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		if (!want(loads[i].name))
			continue;
		latency(subject, &loads[i], PROBE_TIMER, round);
		latency(subject, &loads[i], PROBE_MESSAGE, round);
	}
	if (want("attribution"))
		attribution(subject, round);
	if (want("starve"))
		starve(subject, round);
	if (want("shares"))
		shares(subject, true, round);
	if (want("cpu_weight"))
		shares(subject, false, round);
	if (want("pingpong"))
		to_and_fro(subject, round);
	if (!subject_leave(subject))
		printf("{\"row\": \"ejected\", \"subject\": \"%s\", \"round\": %u}\n", subject->name, round);
}

static void options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "r:s:w:")) >= 0) {
		switch (option) {
		case 'r':
			bench.rounds = (unsigned int)atoi(optarg);
			break;
		case 's':
			bench.seconds = atof(optarg);
			break;
		case 'w':
			bench.rows = optarg;
			break;
		default:
			errx(1, "usage: bench_sched [-r rounds] [-s seconds] [-w row,...] subject...");
		}
	}
	for (; optind < argc; optind++) {
		if (bench.n_subjects == SUBJECTS_MAX)
			errx(1, "more than %d subjects", SUBJECTS_MAX);
		subject_init(&bench.subjects[bench.n_subjects++], argv[optind]);
	}
	if (!bench.n_subjects)
		errx(1, "no subject: which schedulers are to be compared?");
}

int main(int argc, char **argv)
{
	const struct sched_param first = {.sched_priority = 50};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (geteuid() != 0)
		errx(1, "this changes how the whole machine schedules: run it as root, in a machine of its own");
	bench.cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	bench.turns_a_us = spin_turns_a_us();
	options(argc, argv);
	for (int i = 0; i < GROUPS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%d", i);
		sandbox_cgroup_make(bench.subjects[0].fake, name, &bench.groups[i].cgroup);
	}
	hogs_init(&bench.hogs);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) < 0)
		err(1, "real-time priority");
	printf("{\"row\": \"machine\", \"cpus\": %d, \"turns_a_us\": %lu, \"seconds\": %g}\n", bench.cpus,
	       bench.turns_a_us, bench.seconds);
	for (unsigned int round = 0; round < bench.rounds; round++) {
		for (int i = 0; i < bench.n_subjects; i++)
			run(&bench.subjects[i], round);
	}
	return 0;
}
