/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the lsm leg costs the system calls that it judges. Its programs load in a virtual machine only here and there,
 * so there are two halves, which `tests/bench/run` puts together:
 *
 *   bench_lsm native           ns of each call on this machine, without the leg: NAME=NS words
 *   bench_lsm NAME=NS...       in a machine of one CPU whose clock counts instructions (tests/vm/run --timing --cpus
 * 1): instructions of each call with the leg and without, in turns; and what the difference would be on the first
 * machine, where this many instructions of this call took NS
 *
 * The module runs as it ships, on the fake host. The calls are made by a child that was exec'ed in the workload's
 * cgroup, as the leg is armed by that. Nothing is blocked and no event is made.
 */
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "sandbox.h"

#define IDENTITY_RULED 1001u
#define IDENTITY_PLAIN 1002u
#define IDENTITY_WRITES 1003u
#define RULES 64
#define ROUNDS 5              /* the emulated machine repeats within 1 % */
#define NS_AN_INSTRUCTION 2.0 /* of the emulated machine: -icount shift=1 */
#define FILE_DIR "/tmp/bench-lsm"
#define FILE_NAME FILE_DIR "/etc/app/config"

static void call_open(void)
{
	int fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", FILE_NAME);
	close(fd);
}

static void call_exec(void)
{
	char *command[] = {(char[]){"true"}, NULL};
	pid_t pid;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, command, environ) || waitpid(pid, NULL, 0) != pid)
		err(1, "/bin/true");
}

static int udp_socket(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket");
	return fd;
}

static const struct sockaddr_in loopback = {.sin_family = AF_INET, .sin_port = 0x0900, .sin_addr = {0x0100007f}};

static void call_connect(void)
{
	if (connect(udp_socket(), (const struct sockaddr *)&loopback, sizeof(loopback)) < 0)
		err(1, "connect");
}

static void call_bind(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {0x0100007f}};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		err(1, "bind");
	close(fd);
}

/* A priority above 6 asks for a capability. */
static void call_capable(void)
{
	const int priority = 7;

	if (setsockopt(udp_socket(), SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)) < 0)
		err(1, "SO_PRIORITY");
}

static const struct call {
	const char *name, *title;
	void (*call)(void);
	int count; /* a round */
} calls[] = {
	{"open", "file open (and close)", call_open, 10000},
	{"exec", "fork+exec", call_exec, 50},
	{"connect", "connect, UDP", call_connect, 10000},
	{"bind", "bind (socket, bind, close), UDP", call_bind, 5000},
	{"capable", "a capability", call_capable, 10000},
};

#define CALLS (sizeof(calls) / sizeof(calls[0]))

static double ns_a_call(const struct call *call)
{
	uint64_t start;

	for (int i = 0; i < call->count / 10 + 1; i++)
		call->call();
	start = bench_now_ns();
	for (int i = 0; i < call->count; i++)
		call->call();
	return (double)(bench_now_ns() - start) / call->count;
}

static const struct call *find(const char *name)
{
	for (size_t i = 0; i < CALLS; i++) {
		if (!strcmp(calls[i].name, name))
			return &calls[i];
	}
	errx(2, "%s: no such call", name);
}

static int exec_self(void *arg)
{
	const struct call *call = arg;

	execl("/proc/self/exe", "bench_lsm", "call", call->name, NULL);
	err(1, "/proc/self/exe");
}

/* By a process that was exec'ed in this cgroup. */
static double measure(const struct sandbox_cgroup *cgroup, const struct call *call)
{
	int out[2], before = dup(STDOUT_FILENO);
	double ns = 0;
	FILE *answer;
	pid_t pid;

	if (before < 0 || pipe(out) < 0)
		err(1, "pipe");
	fflush(stdout);
	dup2(out[1], STDOUT_FILENO);
	close(out[1]);
	pid = sandbox_spawn(cgroup, exec_self, (void *)call);
	dup2(before, STDOUT_FILENO);
	close(before);
	answer = fdopen(out[0], "r");
	if (!answer || fscanf(answer, "%lf", &ns) != 1)
		errx(1, "%s: the child gave no answer", call->name);
	fclose(answer);
	sandbox_wait(pid);
	return ns;
}

static char *configuration(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		err(1, "open_memstream");
	fprintf(out, "rule_sets:\n- name: bench\n  select: {name: test/%u}\n  exec:\n", IDENTITY_RULED);
	for (int i = 0; i < RULES; i++)
		fprintf(out, "  - {path: /usr/local/bin/tool-%d, action: block}\n", i);
	fputs("  open:\n", out);
	for (int i = 0; i < RULES; i++)
		fprintf(out, "  - {directory: /srv/data-%d/, action: block}\n", i);
	fputs("  connect:\n", out);
	for (int i = 0; i < RULES; i++)
		fprintf(out, "  - {cidr: 10.%d.0.0/16, ports: 443, action: block}\n", i);
	fputs("  bind:\n  - {cidr: 10.0.0.0/8, action: block}\n", out);
	fputs("  capabilities:\n  - {name: sys_module, action: block}\n", out);
	fprintf(out, "- name: writes\n  select: {name: test/%u}\n  open:\n", IDENTITY_WRITES);
	for (int i = 0; i < RULES; i++)
		fprintf(out, "  - {directory: /srv/data-%d/, access: write, action: block}\n", i);
	fclose(out);
	return text;
}

enum state {
	WITHOUT,
	IDLE,
	UNMANAGED,
	PLAIN,
	WRITES, /* open alone */
	RULED,
	STATES,
};

static const char *const states[] = {
	[IDLE] = "no rule set anywhere",
	[UNMANAGED] = "no workload's task",
	[PLAIN] = "a workload without a rule set",
	[WRITES] = "a read, 64 rules about writes",
	[RULED] = "a workload with 64 rules a hook",
};

static struct samples taken[CALLS][STATES];

/* Centiseconds that the machine has been idle since it booted. */
static double idle_cs(void)
{
	FILE *file = fopen("/proc/uptime", "re");
	double uptime, idle;

	if (!file || fscanf(file, "%lf %lf", &uptime, &idle) != 2)
		err(1, "/proc/uptime");
	fclose(file);
	return 100 * idle;
}

/* What a start or a stop leaves to the kernel's own threads, such as freeing maps, is no cost of a call. */
static void settle(void)
{
	const struct timespec look = {.tv_nsec = 500000000};

	for (int i = 0; i < 100; i++) {
		double before = idle_cs();

		nanosleep(&look, NULL);
		if (idle_cs() - before >= 48)
			return;
	}
	errx(1, "the machine does not get idle");
}

static void take(enum state state, const struct sandbox_cgroup *cgroup)
{
	settle();
	for (size_t i = 0; i < (state == WRITES ? 1 : CALLS); i++)
		samples_add(&taken[i][state], measure(cgroup, &calls[i]) / NS_AN_INSTRUCTION);
}

static const char *target(const struct call *call)
{
	if (call->call == call_open)
		return "<= 200 ns added";
	return call->call == call_exec ? ">= 0.99 of without" : "-";
}

static void row(const struct call *call, enum state state, double native_ns)
{
	struct samples *with = &taken[call - calls][state], *without = &taken[call - calls][WITHOUT];
	double base = samples_median(without), added = samples_median(with) - base;
	char title[128], ns[64] = "";

	if (!with->n)
		return;
	if (native_ns > 0)
		snprintf(ns, sizeof(ns), "about %.0f ns added, ", added / base * native_ns);
	snprintf(title, sizeof(title), "lsm leg, %s, %s", call->title, states[state]);
	bench_row(title, target(call),
		  "%s%.0f instructions, %.3f of without | %.1f %% | without: %.0f instructions, %.0f ns natively", ns,
		  added, base / (base + added), 100 * samples_spread(with), base, native_ns);
}

static void start(struct prism_fake_host *fake)
{
	if (prism_fake_host_start(fake))
		errx(1, "lsm does not start: %s", prism_fake_host_reason(fake));
}

static void reconfigure(struct prism_fake_host *fake, const char *config)
{
	if (prism_fake_host_reconfigure(fake, config))
		errx(1, "lsm does not take its rules: %s", prism_fake_host_reason(fake));
}

static void compare(const double *native_ns)
{
	struct sandbox_cgroup ruled, plain, writes, unmanaged;
	struct prism_fake_host *fake;
	char *config = configuration();

	fake = sandbox_host_new(sandbox_module(MODULE_FILE), config);
	if (!fake)
		err(1, "the fake host");
	sandbox_cgroup_make(fake, "ruled", &ruled);
	sandbox_cgroup_make(fake, "plain", &plain);
	sandbox_cgroup_make(fake, "writes", &writes);
	sandbox_cgroup_make(fake, "unmanaged", &unmanaged);
	sandbox_identity(fake, PRISM_IDENTITY_ADDED, IDENTITY_RULED, IDENTITY_RULED, &ruled);
	sandbox_identity(fake, PRISM_IDENTITY_ADDED, IDENTITY_PLAIN, IDENTITY_PLAIN, &plain);
	sandbox_identity(fake, PRISM_IDENTITY_ADDED, IDENTITY_WRITES, IDENTITY_WRITES, &writes);
	for (int i = 0; i < ROUNDS; i++) {
		start(fake);
		take(RULED, &ruled);
		take(WRITES, &writes);
		take(PLAIN, &plain);
		take(UNMANAGED, &unmanaged);
		reconfigure(fake, "");
		take(IDLE, &unmanaged);
		reconfigure(fake, config);
		prism_fake_host_stop(fake, PRISM_STOP_REMOVE);
		take(WITHOUT, &unmanaged);
	}
	bench_header();
	for (size_t i = 0; i < CALLS; i++) {
		for (enum state state = IDLE; state < STATES; state++)
			row(&calls[i], state, native_ns[i]);
	}
	sandbox_host_free(fake);
	sandbox_cgroup_remove(&ruled);
	sandbox_cgroup_remove(&plain);
	sandbox_cgroup_remove(&writes);
	sandbox_cgroup_remove(&unmanaged);
	free(config);
}

static void native(void)
{
	for (size_t i = 0; i < CALLS; i++) {
		struct samples ns = {0};

		for (int round = 0; round < BENCH_ROUNDS; round++)
			samples_add(&ns, ns_a_call(&calls[i]));
		printf("%s=%.1f\n", calls[i].name, samples_median(&ns));
		samples_done(&ns);
	}
}

static void make_file(void)
{
	int fd;

	mkdir(FILE_DIR, 0755);
	mkdir(FILE_DIR "/etc", 0755);
	mkdir(FILE_DIR "/etc/app", 0755);
	fd = open(FILE_NAME, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		err(1, "%s", FILE_NAME);
	close(fd);
}

static void remove_file(void)
{
	unlink(FILE_NAME);
	rmdir(FILE_DIR "/etc/app");
	rmdir(FILE_DIR "/etc");
	rmdir(FILE_DIR);
}

int main(int argc, char **argv)
{
	double native_ns[CALLS] = {0};

	if (argc == 3 && !strcmp(argv[1], "call")) {
		printf("%f\n", ns_a_call(find(argv[2])));
		return 0;
	}
	make_file();
	if (argc == 2 && !strcmp(argv[1], "native")) {
		native();
		remove_file();
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			errx(2, "usage: bench_lsm native | NAME=NS...");
		*value++ = '\0';
		native_ns[find(argv[i]) - calls] = atof(value);
	}
	sandbox_require_root();
	compare(native_ns);
	remove_file();
	return 0;
}
