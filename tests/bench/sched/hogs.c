// SPDX-License-Identifier: Apache-2.0
#include "hogs.h"

#include <err.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "bench.h"
#include "spin.h"

void hogs_init(struct hogs *hogs)
{
	*hogs = (struct hogs){.hog = sandbox_shared(HOGS_MAX * sizeof(struct hog))};
	memset(hogs->hog, 0, HOGS_MAX * sizeof(struct hog));
}

struct task {
	struct hog *hog;
	uint64_t turns;
};

/* How long it is, of the time that counts, that this hog looked at the clock. */
static uint64_t without_progress(const struct hog *hog, uint64_t now_ns)
{
	uint64_t since = hog->last_ns > hog->count_from_ns ? hog->last_ns : hog->count_from_ns;

	return now_ns > since ? now_ns - since : 0;
}

static int compute(void *arg)
{
	const struct task *task = arg;
	struct hog *hog = task->hog;

	for (;;) {
		uint64_t now, gap;

		spin(task->turns);
		hog->work++;
		now = bench_now_ns();
		gap = without_progress(hog, now);
		if (gap > hog->longest_ns)
			hog->longest_ns = gap;
		hog->last_ns = now;
	}
	return 0;
}

void hogs_add(struct hogs *hogs, const struct sandbox_cgroup *cgroup, int n, uint64_t turns_a_us, uint64_t from_ns)
{
	struct task task = {.turns = turns_a_us * HOG_STEP_US};

	if (hogs->n + n > HOGS_MAX)
		errx(1, "more than %d hogs", HOGS_MAX);
	for (int i = 0; i < n; i++) {
		task.hog = &hogs->hog[hogs->n++];
		*task.hog = (struct hog){.count_from_ns = from_ns, .last_ns = bench_now_ns()};
		task.hog->pid = sandbox_spawn(cgroup, compute, &task);
	}
}

void hogs_mark(struct hogs *hogs)
{
	for (int i = 0; i < hogs->n; i++)
		hogs->hog[i].work_at_start = hogs->hog[i].work;
}

uint64_t hogs_work(const struct hogs *hogs, int first, int n)
{
	uint64_t sum = 0;

	for (int i = first; i < first + n; i++)
		sum += hogs->hog[i].work - hogs->hog[i].work_at_start;
	return sum;
}

uint64_t hogs_longest_ns(const struct hogs *hogs, int first, int n, uint64_t now_ns)
{
	uint64_t longest = 0;

	for (int i = first; i < first + n; i++) {
		const struct hog *hog = &hogs->hog[i];
		uint64_t open = without_progress(hog, now_ns);

		if (hog->longest_ns > longest)
			longest = hog->longest_ns;
		if (open > longest)
			longest = open;
	}
	return longest;
}

void hogs_end(struct hogs *hogs)
{
	for (int i = 0; i < hogs->n; i++)
		kill(hogs->hog[i].pid, SIGKILL);
	for (int i = 0; i < hogs->n; i++)
		waitpid(hogs->hog[i].pid, NULL, 0);
	hogs->n = 0;
}
