// SPDX-License-Identifier: Apache-2.0
#include "pingpong.h"

#include <err.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAIRS_MAX 16

struct pair {
	int there[2], back[2];
	pid_t pids[2];
	volatile uint64_t trips;
};

struct pingpong {
	int n;
	struct pair pair[PAIRS_MAX];
};

static int ping(void *arg)
{
	struct pair *pair = arg;
	char byte = 0;

	while (write(pair->there[1], &byte, 1) == 1 && read(pair->back[0], &byte, 1) == 1)
		pair->trips++;
	return 1;
}

static int pong(void *arg)
{
	struct pair *pair = arg;
	char byte;

	while (read(pair->there[0], &byte, 1) == 1 && write(pair->back[1], &byte, 1) == 1)
		;
	return 1;
}

struct pingpong *pingpong_start(const struct sandbox_cgroup *cgroup, int pairs)
{
	static struct pingpong *pingpong;

	if (!pingpong)
		pingpong = sandbox_shared(sizeof(*pingpong));
	if (pairs > PAIRS_MAX)
		errx(1, "more than %d pairs", PAIRS_MAX);
	pingpong->n = pairs;
	for (int i = 0; i < pairs; i++) {
		struct pair *pair = &pingpong->pair[i];

		*pair = (struct pair){0};
		if (pipe(pair->there) < 0 || pipe(pair->back) < 0)
			err(1, "pipe");
		pair->pids[0] = sandbox_spawn(cgroup, pong, pair);
		pair->pids[1] = sandbox_spawn(cgroup, ping, pair);
	}
	return pingpong;
}

uint64_t pingpong_trips(const struct pingpong *pingpong)
{
	uint64_t sum = 0;

	for (int i = 0; i < pingpong->n; i++)
		sum += pingpong->pair[i].trips;
	return sum;
}

void pingpong_end(struct pingpong *pingpong)
{
	for (int i = 0; i < pingpong->n; i++) {
		struct pair *pair = &pingpong->pair[i];

		for (int side = 0; side < 2; side++) {
			kill(pair->pids[side], SIGKILL);
			waitpid(pair->pids[side], NULL, 0);
			close(pair->there[side]);
			close(pair->back[side]);
		}
	}
}
