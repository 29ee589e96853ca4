/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/util.h"
#include "host/crash.h"
#include "host/ledger.h"

#define MAGIC "PrismLg2"

struct slot {
	char name[PRISM_NAME_MAX];
	uint8_t digest[MODULE_DIGEST_SIZE];
	uint32_t crashes;
	uint16_t cause;
	uint16_t callback;
	uint64_t when_ns;
	uint32_t override;
	uint32_t reserved;
	uint64_t fingerprint;
};

struct page {
	char magic[8];
	struct crash_page crash;
	struct slot slot[LEDGER_SLOTS];
};

struct ledger {
	int fd;
	char *path;
	struct page *page;
	uint64_t sequence;
	bool used[LEDGER_SLOTS]; /* by a module of this run */
};

static const char *const callbacks[CALLBACK_COUNT] = {
	[CALLBACK_NONE] = "code",           [CALLBACK_LOAD] = "constructors",     [CALLBACK_PROBE] = "probe()",
	[CALLBACK_OPEN] = "open()",         [CALLBACK_CONFIGURE] = "configure()", [CALLBACK_START] = "start()",
	[CALLBACK_IDENTITY] = "identity()", [CALLBACK_STOP] = "stop()",           [CALLBACK_CLOSE] = "close()",
	[CALLBACK_COLLECT] = "collect()",   [CALLBACK_EXPLAIN] = "explain()",     [CALLBACK_TIMER] = "timer",
	[CALLBACK_WATCH] = "fd watch",
};

const char *callback_name(enum callback callback)
{
	return (unsigned int)callback < CALLBACK_COUNT ? callbacks[callback] : callbacks[CALLBACK_NONE];
}

static bool page_sound(const struct page *p)
{
	if (memcmp(p->magic, MAGIC, sizeof(p->magic)) != 0)
		return false;
	for (size_t i = 0; i < LEDGER_SLOTS; i++) {
		const struct slot *s = &p->slot[i];

		if (!memchr(s->name, 0, sizeof(s->name)) || (s->name[0] && !note_name_valid(s->name)) ||
		    s->callback >= CALLBACK_COUNT || s->override > OVERRIDE_DISABLED)
			return false;
	}
	return true;
}

/* A page of the file that the disk has no room for would be a SIGBUS at the first store, so all of it is allocated. */
static int map_file(struct ledger *l, struct error *e)
{
	struct stat st;
	void *page;
	int r;

	if (fstat(l->fd, &st))
		return error_set(e, errno, l->path, "%s", strerror(errno));
	if (st.st_size && st.st_size != sizeof(struct page))
		return -EBADMSG;
	r = posix_fallocate(l->fd, 0, sizeof(struct page));
	if (r)
		return error_set(e, r, l->path, "cannot be made %zu bytes long: %s", sizeof(struct page), strerror(r));
	page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
	if (page == MAP_FAILED)
		return error_set(e, errno, l->path, "cannot be mapped: %s", strerror(errno));
	l->page = page;
	if (!st.st_size)
		memcpy(l->page->magic, MAGIC, sizeof(l->page->magic));
	if (page_sound(l->page))
		return 0;
	munmap(l->page, sizeof(struct page));
	l->page = NULL;
	return -EBADMSG;
}

static int open_file(struct ledger *l, struct error *e)
{
	l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->fd < 0)
		return error_set(e, errno, l->path,
				 "cannot be opened: %s; prismd keeps track of crashing modules there", strerror(errno));
	if (file_lock(l->fd))
		return error_set(e, EBUSY, l->path,
				 "another prismd uses this state directory: stop it, or give this one "
				 "another `node.state_dir`");
	return map_file(l, e);
}

static int set_aside(struct ledger *l, struct error *e)
{
	char damaged[4096];

	snprintf(damaged, sizeof(damaged), "%s.damaged", l->path);
	if (rename(l->path, damaged))
		return error_set(e, errno, l->path, "is damaged and cannot be set aside: %s", strerror(errno));
	log_warning("host", "%s: is damaged and was set aside as %s; crashes of modules are counted anew", l->path,
		    damaged);
	close(l->fd);
	l->fd = -1;
	return open_file(l, e);
}

/* What the last run was marked with becomes a crash of that module. */
static void take_mark(struct ledger *l)
{
	struct crash_page *c = &l->page->crash;
	unsigned int n = (unsigned int)(c->mark & 0xff), callback = (unsigned int)(c->mark >> 8 & 0xff);
	struct ledger_record record;
	struct slot *s;
	char buf[128];

	crash_note(0);
	if (!c->mark)
		return;
	if (n && n <= LEDGER_SLOTS && callback < CALLBACK_COUNT && l->page->slot[n - 1].name[0]) {
		s = &l->page->slot[n - 1];
		s->crashes++;
		s->cause = (uint16_t)(c->mark >> 16);
		s->callback = (uint16_t)callback;
		s->when_ns = c->mark_ns;
		ledger_get(l, (int)n - 1, &record);
		log_error("host", "module %s took prismd down: %s (crash %u)", s->name,
			  ledger_describe(&record, buf, sizeof(buf)), s->crashes);
	}
	c->mark = 0;
}

int ledger_open(const char *state_dir, struct ledger **ret, struct error *e)
{
	struct ledger *l = calloc(1, sizeof(*l));
	int r;

	if (!l || asprintf(&l->path, "%s/host.state", state_dir) < 0) {
		free(l);
		return error_set(e, ENOMEM, state_dir, "no memory");
	}
	l->fd = -1;
	r = open_file(l, e);
	if (r == -EBADMSG)
		r = set_aside(l, e);
	if (r) {
		ledger_close(l);
		return r;
	}
	take_mark(l);
	crash_arm(&l->page->crash);
	*ret = l;
	return 0;
}

void ledger_close(struct ledger *l)
{
	if (!l)
		return;
	if (l->page) {
		crash_watch(0);
		crash_arm(NULL);
		crash_note(0);
		munmap(l->page, sizeof(struct page));
	}
	if (l->fd >= 0)
		close(l->fd);
	free(l->path);
	free(l);
}

void ledger_watch(struct ledger *l, uint64_t deadline_ms)
{
	(void)l;
	crash_watch(deadline_ms);
}

static int take_slot(struct ledger *l, int i, const char *name)
{
	struct slot *s = &l->page->slot[i];

	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", name);
	l->used[i] = true;
	return i;
}

int ledger_slot(struct ledger *l, const char *name)
{
	for (int i = 0; i < LEDGER_SLOTS; i++) {
		if (strcmp(l->page->slot[i].name, name) != 0)
			continue;
		l->used[i] = true;
		return i;
	}
	for (int i = 0; i < LEDGER_SLOTS; i++)
		if (!l->page->slot[i].name[0])
			return take_slot(l, i, name);
	/* Full of names that came and went: the first that no module of this run has gives way. */
	for (int i = 0; i < LEDGER_SLOTS; i++)
		if (!l->used[i])
			return take_slot(l, i, name);
	return -ENOSPC;
}

uint64_t ledger_enter(struct ledger *l, int slot, enum callback callback)
{
	uint64_t before = crash_noted();

	crash_note(++l->sequence << 16 | (uint64_t)callback << 8 | (uint64_t)(slot + 1));
	return before;
}

void ledger_leave(struct ledger *l, uint64_t before)
{
	(void)l;
	crash_note(before);
}

void ledger_get(const struct ledger *l, int slot, struct ledger_record *ret)
{
	const struct slot *s = &l->page->slot[slot];

	ret->crashes = s->crashes;
	ret->cause = s->cause;
	ret->callback = (enum callback)s->callback;
	ret->when_ns = s->when_ns;
}

void ledger_content(struct ledger *l, int slot, const uint8_t digest[MODULE_DIGEST_SIZE])
{
	struct slot *s = &l->page->slot[slot];

	if (!memcmp(s->digest, digest, MODULE_DIGEST_SIZE))
		return;
	memcpy(s->digest, digest, MODULE_DIGEST_SIZE);
	s->crashes = 0;
}

void ledger_reset(struct ledger *l, int slot)
{
	l->page->slot[slot].crashes = 0;
}

void ledger_set_override(struct ledger *l, int slot, enum ledger_override override, uint64_t fingerprint)
{
	l->page->slot[slot].override = override;
	l->page->slot[slot].fingerprint = fingerprint;
}

enum ledger_override ledger_get_override(const struct ledger *l, int slot, uint64_t fingerprint)
{
	const struct slot *s = &l->page->slot[slot];

	return s->fingerprint == fingerprint ? (enum ledger_override)s->override : OVERRIDE_NONE;
}

const char *ledger_describe(const struct ledger_record *record, char *buf, size_t size)
{
	const char *signal_name = sigabbrev_np((int)record->cause);
	time_t t = (time_t)(record->when_ns / NS_PER_SEC);
	struct tm tm = {};
	char when[32] = "";

	if (gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (record->cause == LEDGER_CAUSE_DEADLINE)
		snprintf(buf, size, "its %s held the loop beyond node.callback_deadline, %s",
			 callback_name(record->callback), when);
	else
		snprintf(buf, size, "SIG%s in its %s, %s", signal_name ? signal_name : "?",
			 callback_name(record->callback), when);
	return buf;
}
