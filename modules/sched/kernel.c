// SPDX-License-Identifier: Apache-2.0
#include "kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* enum scx_exit_kind, enum scx_exit_code */
#define EXIT_UNREG 64u
#define EXIT_SYSRQ 67u
#define EXIT_ERROR 1024u
#define EXIT_ERROR_STALL 1026u
#define CODE_RSN_HOTPLUG (1ll << 32)
#define CODE_ACT_RESTART (1ll << 48)

static int read_line(const char *dir, const char *name, char *line, size_t size)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f;
	int r = 0;

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (!fgets(line, (int)size, f))
		r = ferror(f) ? -EIO : -ENODATA;
	fclose(f);
	if (r == 0)
		line[strcspn(line, "\n")] = '\0';
	return r;
}

static int read_number(const char *dir, const char *name, uint64_t *ret)
{
	char line[32], *end;
	int r = read_line(dir, name, line, sizeof(line));

	if (r < 0)
		return r;
	errno = 0;
	*ret = strtoull(line, &end, 10);
	return errno || end == line || *end ? -EPROTO : 0;
}

static enum kernel_sched_state state_of(const char *word)
{
	if (!strcmp(word, "enabled"))
		return KERNEL_SCHED_ENABLED;
	return strcmp(word, "disabled") ? KERNEL_SCHED_CHANGING : KERNEL_SCHED_DISABLED;
}

int kernel_sched_read(const char *dir, struct kernel_sched *ret_sched)
{
	struct kernel_sched sched = {0};
	char word[32];
	int r = read_line(dir, "state", word, sizeof(word));

	if (r == 0)
		r = read_number(dir, "enable_seq", &sched.enable_seq);
	if (r == 0)
		r = read_number(dir, "hotplug_seq", &sched.hotplug_seq);
	if (r < 0)
		return r;
	sched.state = state_of(word);
	/* Gone between the two reads, or not there yet: then there is no name to tell. */
	if (sched.state != KERNEL_SCHED_DISABLED && read_line(dir, "root/ops", sched.ops, sizeof(sched.ops)) < 0)
		sched.ops[0] = '\0';
	*ret_sched = sched;
	return 0;
}

enum recovery_cause kernel_exit_cause(uint32_t kind, int64_t code)
{
	if (code & CODE_ACT_RESTART)
		return RECOVERY_RESTART;
	if (kind == EXIT_SYSRQ || kind == EXIT_UNREG)
		return RECOVERY_OPERATOR;
	return RECOVERY_FAULT;
}

enum kernel_exit kernel_exit(uint32_t kind, int64_t code)
{
	if (code & CODE_RSN_HOTPLUG)
		return KERNEL_EXIT_HOTPLUG;
	if (kind == EXIT_SYSRQ || kind == EXIT_UNREG)
		return KERNEL_EXIT_OPERATOR;
	if (kind == EXIT_ERROR_STALL)
		return KERNEL_EXIT_STALL;
	return kind >= EXIT_ERROR ? KERNEL_EXIT_ERROR : KERNEL_EXIT_OTHER;
}

const char *kernel_exit_word(enum kernel_exit exit)
{
	static const char *const words[KERNEL_EXITS] = {
		[KERNEL_EXIT_HOTPLUG] = "hotplug", [KERNEL_EXIT_OPERATOR] = "operator", [KERNEL_EXIT_STALL] = "stall",
		[KERNEL_EXIT_ERROR] = "error",     [KERNEL_EXIT_OTHER] = "other",
	};

	return words[exit];
}
