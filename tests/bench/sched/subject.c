// SPDX-License-Identifier: Apache-2.0
#include "subject.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <prism/module.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PREEMPT "/sys/kernel/debug/sched/preempt"
#define SCX_STATE "/sys/kernel/sched_ext/state"

static const char *const kinds[] = {"eevdf", "tuned", "object", "module", "command"};

/* A bus without a module: nothing of this is ever started. */
static const struct prism_module bus_only = {
	PRISM_MODULE_HEADER,
	.name = "bench",
	.version = "1",
	.summary = "a bus for the bench",
};

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "writing '%s' to %s", text, path);
	close(fd);
}

/* The first line, without its newline. */
static bool read_file(const char *path, char *ret_text, int size)
{
	FILE *file = fopen(path, "re");
	bool read = file && fgets(ret_text, size, file);

	if (read)
		ret_text[strcspn(ret_text, "\n")] = '\0';
	if (file)
		fclose(file);
	return read;
}

/* The model in force stands in brackets. */
static const char *preemption_at_boot(void)
{
	static char text[128];
	static char *model;

	if (model)
		return model;
	if (!read_file(PREEMPT, text, sizeof(text)) || !(model = strchr(text, '(')))
		errx(1, "%s: this kernel does not say how it preempts (debugfs mounted? PREEMPT_DYNAMIC?)", PREEMPT);
	model++;
	model[strcspn(model, ")")] = '\0';
	return model;
}

void subject_init(struct subject *subject, char *text)
{
	char *name = strchr(text, '='), *file = strchr(text, ':'), *config = strchr(text, ',');
	size_t kind;

	if (name && (!file || name < file))
		*name++ = '\0';
	else
		name = NULL;
	subject->name = text;
	if (file)
		*file++ = '\0';
	if (config)
		*config++ = '\0';
	for (kind = 0; strcmp(name ? name : text, kinds[kind]); kind++) {
		if (kind + 1 == sizeof(kinds) / sizeof(kinds[0]))
			errx(1, "%s: not one of eevdf, tuned, object:FILE, module:FILE, command:FILE",
			     name ? name : text);
	}
	subject->kind = kind;
	subject->file = file;
	if (kind >= SUBJECT_OBJECT && !file)
		errx(1, "%s: of which file?", subject->name);
	for (char *c = config; c && *c; c++)
		*c = *c == ',' ? '\n' : *c;
	subject->config = config;
	subject->fake = kind == SUBJECT_MODULE ? sandbox_host_new(sandbox_module(file), config)
					       : sandbox_host_new(&bus_only, NULL);
	if (!subject->fake)
		err(1, "%s: the fake host", subject->name);
}

/* MAP=HEX: what the scheduler's only element of this array is to be. */
static void fill(const struct bpf_object *object, char *text)
{
	char *hex = strchr(text, '=');
	struct bpf_map *map;
	uint8_t value[1024] = {0};
	uint32_t zero = 0;

	if (!hex)
		errx(1, "%s: not MAP=HEX", text);
	*hex = '\0';
	map = bpf_object__find_map_by_name(object, text);
	if (!map || bpf_map__value_size(map) > sizeof(value))
		errx(1, "%s: no such map", text);
	for (size_t i = 0; i < sizeof(value) && sscanf(hex + 1 + 2 * i, "%2hhx", &value[i]) == 1; i++)
		;
	*hex = '=';
	if (bpf_map_update_elem(bpf_map__fd(map), &zero, value, BPF_ANY) < 0)
		err(1, "%s", text);
}

static void hand_over(const struct bpf_object *object, const char *name, int fd)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (map && bpf_map__reuse_fd(map, fd) < 0)
		err(1, "%s", name);
}

struct loaded {
	struct bpf_object *object;
	struct bpf_link *link;
};

/* The verifier's last words, not the whole log. */
static int complain(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[65536];
	int size;

	if (level != LIBBPF_WARN)
		return 0;
	size = vsnprintf(text, sizeof(text), format, args);
	size = size >= (int)sizeof(text) ? (int)sizeof(text) - 1 : size;
	return fputs(text + (size > 2000 ? size - 2000 : 0), stderr);
}

static struct loaded *load(const struct subject *subject)
{
	struct loaded *loaded = calloc(1, sizeof(*loaded));
	struct prism_host *host = prism_fake_host_host(subject->fake);
	struct bpf_map *map;

	if (!loaded)
		err(1, "%s", subject->file);
	libbpf_set_print(complain);
	loaded->object = bpf_object__open(subject->file);
	if (!loaded->object)
		err(1, "%s", subject->file);
	hand_over(loaded->object, PRISM_BUS_MAP, prism_bus_fd(host));
	hand_over(loaded->object, PRISM_META_MAP, prism_meta_fd(host));
	bpf_object__for_each_map (map, loaded->object)
		bpf_map__set_pin_path(map, NULL);
	if (bpf_object__load(loaded->object) < 0)
		err(1, "loading %s", subject->file);
	if (subject->config)
		fill(loaded->object, subject->config);
	bpf_object__for_each_map (map, loaded->object) {
		if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		loaded->link = bpf_map__attach_struct_ops(map);
		if (!loaded->link)
			err(1, "attaching %s of %s", bpf_map__name(map), subject->file);
		return loaded;
	}
	errx(1, "%s: no scheduler in it", subject->file);
}

static bool sched_ext_is(const char *wanted)
{
	char state[32];

	return read_file(SCX_STATE, state, sizeof(state)) && !strcmp(state, wanted);
}

static void wait_for_sched_ext(const struct subject *subject, const char *wanted)
{
	const struct timespec pause = {.tv_nsec = 10000000};

	for (int i = 0; !sched_ext_is(wanted); i++) {
		if (i == 1000 || (subject->pid && waitpid(subject->pid, NULL, WNOHANG)))
			errx(1, "%s: sched_ext does not get %s", subject->name, wanted);
		nanosleep(&pause, NULL);
	}
}

static pid_t spawn(const struct subject *subject)
{
	pid_t pid = fork();
	int null;

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	execl(subject->file, subject->file, subject->config, NULL);
	err(1, "%s", subject->file);
}

void subject_enter(struct subject *subject)
{
	switch (subject->kind) {
	case SUBJECT_EEVDF:
		break;
	case SUBJECT_TUNED:
		preemption_at_boot();
		write_file(PREEMPT, "full");
		break;
	case SUBJECT_OBJECT:
		subject->loaded = load(subject);
		break;
	case SUBJECT_MODULE:
		if (prism_fake_host_start(subject->fake) < 0)
			errx(1, "%s does not start: %s", subject->file, prism_fake_host_reason(subject->fake));
		break;
	case SUBJECT_COMMAND:
		subject->pid = spawn(subject);
		wait_for_sched_ext(subject, "enabled");
		break;
	}
}

bool subject_leave(struct subject *subject)
{
	bool held = subject->kind < SUBJECT_OBJECT || sched_ext_is("enabled");
	struct loaded *loaded = subject->loaded;

	if (subject->kind == SUBJECT_TUNED)
		write_file(PREEMPT, preemption_at_boot());
	if (subject->kind == SUBJECT_MODULE)
		prism_fake_host_stop(subject->fake, PRISM_STOP_REMOVE);
	if (loaded) {
		bpf_link__destroy(loaded->link);
		bpf_object__close(loaded->object);
		free(loaded);
		subject->loaded = NULL;
	}
	if (subject->kind == SUBJECT_COMMAND) {
		kill(subject->pid, SIGINT);
		waitpid(subject->pid, NULL, 0);
		subject->pid = 0;
	}
	if (subject->kind >= SUBJECT_OBJECT)
		wait_for_sched_ext(subject, "disabled");
	return held;
}

void subject_weigh(const struct subject *subject, const struct workload *workload)
{
	uint32_t weight = workload->cpu_weight;
	char path[300], text[16];

	if (subject->kind == SUBJECT_TUNED && workload->class == PRISM_CLASS_CRITICAL)
		weight = 10000;
	if (subject->kind == SUBJECT_TUNED && workload->class == PRISM_CLASS_BATCH)
		weight = 1;
	snprintf(path, sizeof(path), "%s/cpu.weight", workload->cgroup.path);
	snprintf(text, sizeof(text), "%" PRIu32, weight);
	write_file(path, text);
}

static void tell(struct subject *subject, enum prism_change change, const struct workload *workload)
{
	char name[32], canonical[64];
	struct prism_workload view = {
		.size = sizeof(view),
		.identity = workload->identity,
		.flags = workload->class << PRISM_CLASS_SHIFT | workload->weight << PRISM_WEIGHT_SHIFT,
		.n_cgroups = 1,
		.label_hash = workload->identity,
		.name = name,
		.namespace_name = "bench",
		.service_account = "default",
		.canonical = canonical,
		.label_size = sizeof(struct prism_label),
	};
	int r;

	snprintf(name, sizeof(name), "bench/%" PRIu32, workload->identity);
	snprintf(canonical, sizeof(canonical), "io.prism/namespace=bench;name=%" PRIu32, workload->identity);
	r = prism_fake_host_identity(subject->fake, change, &view,
				     change == PRISM_IDENTITY_ADDED ? workload->cgroup.id : 0);
	if (r < 0)
		errx(1, "identity %" PRIu32 ": %s", workload->identity, strerror(-r));
}

void subject_publish(struct subject *subject, const struct workload *workload)
{
	subject_weigh(subject, workload);
	tell(subject, PRISM_IDENTITY_ADDED, workload);
}

void subject_withdraw(struct subject *subject, const struct workload *workload)
{
	tell(subject, PRISM_IDENTITY_REMOVED, workload);
	tell(subject, PRISM_IDENTITY_RELEASED, workload);
}
