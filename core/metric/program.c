/* SPDX-License-Identifier: Apache-2.0 */
#include "metric/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/util.h"
#include "metric/values.h"

struct program {
	struct program *next;
	int fd;
	char module[PRISM_NAME_MAX];
	char name[PROGRAM_NAME_MAX];
};

static bool is_named(const struct program *p, const char *module, const char *name)
{
	return !strcmp(p->module, module) && (!name || !strcmp(p->name, name));
}

static bool name_sound(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] <= ' ' || name[i] == 127)
			return false;
	return len && len < PROGRAM_NAME_MAX;
}

/* A map or a link answers BPF_OBJ_GET_INFO_BY_FD as well, with something else. */
static bool is_program(int fd)
{
	static const char want[] = "anon_inode:bpf-prog";
	char path[40], is[sizeof(want)];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, is, sizeof(is)) == sizeof(want) - 1 && !memcmp(is, want, sizeof(want) - 1);
}

static unsigned int count(const struct metrics *m, const char *module)
{
	unsigned int n = 0;

	for (const struct program *p = m->programs; p; p = p->next)
		n += is_named(p, module, NULL);
	return n;
}

/* A duplicate; the last descriptors are left to those who cannot do without: files, requests. */
static int duplicate(int fd)
{
	struct rlimit limit;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		return -errno;
	if (!getrlimit(RLIMIT_NOFILE, &limit) && (rlim_t)copy + SPARE_DESCRIPTORS >= limit.rlim_cur) {
		close(copy);
		return -EMFILE;
	}
	return copy;
}

int program_add(struct metrics *m, const char *module, const char *name, int fd)
{
	struct program *p, **end;
	int r;

	if (!name_sound(name) || !is_program(fd))
		return -EINVAL;
	program_drop(m, module, name);
	if (count(m, module) == PROGRAMS_MAX)
		return -ENOSPC;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	r = duplicate(fd);
	if (r < 0) {
		free(p);
		return r;
	}
	p->fd = r;
	snprintf(p->module, sizeof(p->module), "%s", module);
	snprintf(p->name, sizeof(p->name), "%s", name);
	for (end = &m->programs; *end;)
		end = &(*end)->next;
	*end = p;
	return 0;
}

static void take_out(struct program **at)
{
	struct program *p = *at;

	*at = p->next;
	close(p->fd);
	free(p);
}

void program_drop(struct metrics *m, const char *module, const char *name)
{
	struct program **at = &m->programs;

	while (*at) {
		if (is_named(*at, module, name))
			take_out(at);
		else
			at = &(*at)->next;
	}
}

void programs_done(struct metrics *m)
{
	while (m->programs)
		take_out(&m->programs);
}

void programs_add(struct metrics *m, const char *module, const struct bpf_object *object)
{
	struct bpf_program *program;

	bpf_object__for_each_program (program, object)
		program_add(m, module, bpf_program__name(program), bpf_program__fd(program));
}

static void refresh(struct metrics *m, const struct program *p)
{
	char label[PRISM_NAME_MAX + PROGRAM_NAME_MAX];
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_prog_get_info_by_fd(p->fd, &info, &len) < 0)
		return;
	snprintf(label, sizeof(label), "%s\t%s", p->module, p->name);
	metric_set(m, METRIC_PROGRAM_RUNS, label, (double)info.run_cnt);
	metric_set(m, METRIC_PROGRAM_TIME, label, (double)info.run_time_ns / NS_PER_SEC);
	metric_set(m, METRIC_PROGRAM_MISSES, label, (double)info.recursion_misses);
}

void programs_refresh(struct metrics *m)
{
	metric_reset(m, METRIC_PROGRAM_RUNS);
	metric_reset(m, METRIC_PROGRAM_TIME);
	metric_reset(m, METRIC_PROGRAM_MISSES);
	for (const struct program *p = m->programs; p; p = p->next)
		refresh(m, p);
}
