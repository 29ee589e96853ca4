// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <err.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spin.h"

#define REQUESTS_MAX 32768 /* of a thread */
#define STACK (64 * 1024)

struct request {
	uint64_t due_ns;
	volatile uint64_t begun_ns;
	volatile uint64_t done_ns; /* 0: not yet */
};

struct server {
	struct probe *probe;
	int event; /* message: counts requests that are sent */
	unsigned int n;
	struct request request[REQUESTS_MAX];
};

struct probe {
	enum probe_mode mode;
	uint64_t turns; /* of one request */
	pid_t pid;
	struct server server[PROBE_THREADS];
};

static void serve(struct server *server, struct request *request)
{
	request->begun_ns = bench_now_ns();
	spin(server->probe->turns);
	request->done_ns = bench_now_ns();
}

static void *by_timer(void *arg)
{
	struct server *server = arg;

	prctl(PR_SET_TIMERSLACK, 1);
	for (unsigned int i = 0; i < server->n; i++) {
		struct request *request = &server->request[i];

		if (bench_now_ns() < request->due_ns)
			bench_sleep_until(request->due_ns);
		serve(server, request);
	}
	return NULL;
}

static void *by_message(void *arg)
{
	struct server *server = arg;

	for (unsigned int i = 0; i < server->n; i++) {
		uint64_t one;

		if (read(server->event, &one, sizeof(one)) != sizeof(one))
			err(1, "the probe's event");
		serve(server, &server->request[i]);
	}
	return NULL;
}

/* The server whose next request is due first; NULL when all are sent. */
static struct server *next_due(struct probe *probe, const unsigned int *sent)
{
	struct server *first = NULL;
	uint64_t due = UINT64_MAX;

	for (int i = 0; i < PROBE_THREADS; i++) {
		struct server *server = &probe->server[i];

		if (sent[i] < server->n && server->request[sent[i]].due_ns < due) {
			due = server->request[sent[i]].due_ns;
			first = server;
		}
	}
	return first;
}

static void *send_all(void *arg)
{
	struct probe *probe = arg;
	unsigned int sent[PROBE_THREADS] = {0};
	const uint64_t one = 1;
	struct server *server;

	prctl(PR_SET_TIMERSLACK, 1);
	while ((server = next_due(probe, sent))) {
		struct request *request = &server->request[sent[server - probe->server]++];

		if (bench_now_ns() < request->due_ns)
			bench_sleep_until(request->due_ns);
		if (write(server->event, &one, sizeof(one)) != sizeof(one))
			err(1, "the probe's event");
	}
	return NULL;
}

static void thread(pthread_t *ret_thread, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	if (pthread_create(ret_thread, &attr, fn, arg))
		errx(1, "the probe's threads cannot be made");
	pthread_attr_destroy(&attr);
}

static int run(void *arg)
{
	struct probe *probe = arg;
	pthread_t threads[PROBE_THREADS + 1];
	int n = 0;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		err(1, "mlockall");
	for (; n < PROBE_THREADS; n++)
		thread(&threads[n], probe->mode == PROBE_TIMER ? by_timer : by_message, &probe->server[n]);
	if (probe->mode == PROBE_MESSAGE)
		thread(&threads[n++], send_all, probe);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static double uniform(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return ((double)(*state >> 11) + 1) / 9007199254740993.0;
}

static void plan(struct server *server, const struct probe_load *load, uint64_t seed, uint64_t start_ns,
		 uint64_t end_ns)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15;
	double at = (double)start_ns;

	for (server->n = 0; server->n < REQUESTS_MAX; server->n++) {
		at -= 1000.0 * (double)load->gap_us * log(uniform(&state));
		if (at >= (double)end_ns)
			return;
		server->request[server->n] = (struct request){.due_ns = (uint64_t)at};
	}
	errx(1, "load %s: more than %d requests a thread", load->name, REQUESTS_MAX);
}

struct probe *probe_start(const struct sandbox_cgroup *cgroup, enum probe_mode mode, const struct probe_load *load,
			  uint64_t turns_a_us, unsigned int seed, uint64_t start_ns, uint64_t end_ns)
{
	static struct probe *probe;

	if (!probe)
		probe = sandbox_shared(sizeof(*probe));
	probe->mode = mode;
	probe->turns = load->work_us * turns_a_us;
	for (unsigned int i = 0; i < PROBE_THREADS; i++) {
		struct server *server = &probe->server[i];

		plan(server, load, seed * PROBE_THREADS + i + 1, start_ns, end_ns);
		server->probe = probe;
		server->event = eventfd(0, EFD_SEMAPHORE | EFD_CLOEXEC);
		if (server->event < 0)
			err(1, "eventfd");
	}
	probe->pid = sandbox_spawn(cgroup, run, probe);
	return probe;
}

static void collect(const struct server *server, uint64_t now_ns, struct probe_result *result)
{
	uint64_t free_ns = 0; /* when the thread was done with the request before */

	for (unsigned int i = 0; i < server->n; i++) {
		const struct request *request = &server->request[i];
		uint64_t due = request->due_ns, done = request->done_ns;

		result->requests++;
		if (!done) {
			result->undone++;
			samples_add(&result->response_us, (double)(now_ns - due) / 1000);
			continue;
		}
		if (free_ns < due)
			samples_add(&result->wake_us, (double)(request->begun_ns - due) / 1000);
		else
			result->late++;
		samples_add(&result->response_us, (double)(done - due) / 1000);
		free_ns = done;
	}
}

void probe_end(struct probe *probe, uint64_t now_ns, struct probe_result *result)
{
	kill(probe->pid, SIGKILL);
	waitpid(probe->pid, NULL, 0);
	for (int i = 0; i < PROBE_THREADS; i++) {
		close(probe->server[i].event);
		collect(&probe->server[i], now_ns, result);
	}
}

void probe_result_done(struct probe_result *result)
{
	samples_done(&result->wake_us);
	samples_done(&result->response_us);
}
