/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl cleanup: takes prism's pins away when no prismd will adopt them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <prism/leg.h>

#include "bus/bus.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/offline.h"

#define MAX_DEPTH 8
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCu /* PROC_PID_INIT_INO */

struct cleanup {
	json_t *removed, *left;
	bool dry_run;
	struct error error; /* the first thing that could not be removed */
};

/* ---- may it be done? -------------------------------------------------------------------------------------------- */

/* pids of the initial namespace mean nothing in another one. */
static bool sees_all_pids(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == INITIAL_PID_NAMESPACE;
}

static bool is_prismd(uint32_t pid)
{
	char path[64], comm[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	f = fopen(path, "re");
	if (f && !fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	if (f)
		fclose(f);
	return strcmp(comm, "prismd\n") == 0;
}

static int refuse_live_writer(const struct prism_meta *meta, const char *dir, struct error *e)
{
	bool stale, gone = sees_all_pids() && kill((pid_t)meta->writer_pid, 0) < 0 && errno == ESRCH;
	double age = offline_heartbeat_age(meta, &stale);

	if (!meta->writer_pid || gone)
		return 0;
	if (!stale)
		return error_set(e, EBUSY, dir,
				 "prismd (pid %u) maintains this bus, its last heartbeat was %.1f s ago: stop it first",
				 meta->writer_pid, age);
	if (is_prismd(meta->writer_pid))
		return error_set(e, EBUSY, dir,
				 "pid %u is a prismd that has not beaten for %.0f s but is still there: end it first",
				 meta->writer_pid, age);
	return 0;
}

static int check_allowed(struct ctl *ctl, const char *dir, struct error *e)
{
	_cleanup_json_ json_t *status = NULL;
	struct error reason = {0};
	struct prism_meta meta;
	struct statfs fs;
	int r;

	if (client_get(ctl, "/v1/status", &status, &reason) == 0 &&
	    strcmp(json_text(json_object_get(status, "bus"), "dir"), dir) == 0)
		return error_set(e, EBUSY, ctl_socket(ctl), "prismd is running: stop it first");
	if (statfs(dir, &fs) < 0)
		return error_set(e, errno, dir, "%s", strerror(errno));
	if ((unsigned long)fs.f_type != BPF_FS_MAGIC)
		return error_set(e, EINVAL, dir, "this is not in a bpf file system");
	r = bus_read_meta(dir, &meta, &reason);
	if (r == 0)
		return refuse_live_writer(&meta, dir, e);
	if (r == -ENOENT)
		return 0; /* half removed already: the rest may go */
	*e = reason;
	return r;
}

/* ---- doing it --------------------------------------------------------------------------------------------------- */

/* flags: of unlinkat(); 0 for a pin, whose link is detached. */
static void take_away(struct cleanup *c, int dir_fd, const char *name, const char *path, int flags)
{
	int r = 0;

	if (!c->dry_run && flags)
		r = unlinkat(dir_fd, name, flags) < 0 ? -errno : 0;
	else if (!c->dry_run)
		r = prism_leg_unpin(dir_fd, name);
	if (r < 0) {
		if (r != -ENOENT && !c->error.code)
			error_set(&c->error, -r, path, "cannot be removed: %s", strerror(-r));
		return;
	}
	json_array_append_new(c->removed, json_string_any(path));
}

/* Everything in dir_fd/name, then it itself. Symbolic links are removed, not followed. */
static void remove_tree(struct cleanup *c, int dir_fd, const char *name, const char *path, int depth)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *d;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		if (errno == ENOTDIR || errno == ELOOP)
			take_away(c, dir_fd, name, path, 0);
		return;
	}
	while (depth < MAX_DEPTH && (d = readdir(dir))) {
		_cleanup_free_ char *below = NULL;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		if (asprintf(&below, "%s/%s", path, d->d_name) < 0)
			below = NULL;
		if (below)
			remove_tree(c, fd, d->d_name, below, depth + 1);
	}
	closedir(dir);
	take_away(c, dir_fd, name, path, AT_REMOVEDIR);
}

static uint32_t map_id(const char *path)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_obj_get(path);
	int r = fd < 0 ? -1 : bpf_map_get_info_by_fd(fd, &info, &len);

	if (fd >= 0)
		close(fd);
	return r < 0 ? 0 : info.id;
}

/* The second pin of the v1-exact shape, if it is of this very map. */
static void remove_v1_pin(struct cleanup *c, const char *dir)
{
	char map[512];
	uint32_t id;

	snprintf(map, sizeof(map), "%s/%s", dir, PRISM_BUS_MAP);
	id = map_id(map);
	if (id && map_id(PRISM_BUS_V1_PIN) == id)
		take_away(c, AT_FDCWD, PRISM_BUS_V1_PIN, PRISM_BUS_V1_PIN, 0);
}

/* Whatever else somebody put into the directory is not ours. */
static void note_strangers(struct cleanup *c, int fd, const char *dir)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	char path[1024];

	while (d && (entry = readdir(d))) {
		const char *name = entry->d_name;

		if (name[0] == '.' || strcmp(name, "modules") == 0 || strcmp(name, PRISM_BUS_MAP) == 0 ||
		    strcmp(name, PRISM_META_MAP) == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		json_array_append_new(c->left, json_string_any(path));
	}
	if (d)
		closedir(d);
	else if (copy >= 0)
		close(copy);
}

static int remove_pins(struct cleanup *c, const char *dir, struct error *e)
{
	static const char *const names[] = {"modules", PRISM_BUS_MAP, PRISM_META_MAP};
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[1024];

	if (fd < 0)
		return error_set(e, errno, dir, "%s", strerror(errno));
	remove_v1_pin(c, dir);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove_tree(c, fd, names[i], path, 0);
	}
	note_strangers(c, fd, dir);
	if (!json_array_size(c->left) && !c->error.code)
		take_away(c, AT_FDCWD, dir, dir, AT_REMOVEDIR);
	return 0;
}

static void print_cleanup(struct ctl *ctl, const json_t *doc)
{
	const char *word = json_flag(doc, "dry_run") ? "would remove" : "removed";
	struct text line = {0};
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(doc, "removed"), i, v)
	{
		text_clear(&line);
		escape_terminal(&line, json_string_value(v), strlen(json_string_value(v)));
		fprintf(ctl->style.out, "%s %s\n", word, line.data ? line.data : "");
	}
	text_done(&line);
}

static json_t *cleanup_document(const struct cleanup *c)
{
	json_t *doc = json_document();

	json_object_set_new(doc, "dry_run", json_boolean(c->dry_run));
	json_object_set(doc, "removed", c->removed);
	json_object_set(doc, "left", c->left);
	return doc;
}

static int clean(struct ctl *ctl, struct cleanup *c, const char *dir, struct error *e)
{
	const json_t *v;
	size_t i;
	int r = check_allowed(ctl, dir, e);

	if (r == -ENOENT) {
		ctl_note(ctl, "%s: nothing is pinned there", dir);
		return 0;
	}
	if (r == 0)
		r = remove_pins(c, dir, e);
	json_array_foreach(c->left, i, v) ctl_note(ctl, "%s: not prism's, left as it is", json_string_value(v));
	return r;
}

static int run_cleanup(struct ctl *ctl, const struct invocation *inv)
{
	struct cleanup c = {.dry_run = invocation_has(inv, "dry-run"), .removed = json_array(), .left = json_array()};
	struct error e = {0};
	int code;

	if (clean(ctl, &c, ctl_bus_dir(ctl), &e) < 0)
		code = ctl_fail(&e);
	else
		code = ctl_print(ctl, cleanup_document(&c), print_cleanup);
	json_decref(c.removed);
	json_decref(c.left);
	return c.error.code ? ctl_fail(&c.error) : code;
}

const struct command cleanup_command = {
	.noun = "cleanup",
	.summary = "Take away what a prismd that will not come back has pinned",
	.detail = "Removes module links, bus and directory below --bus-dir and prints each. What the links did ends "
		  "with\n"
		  "them. Refused while a prismd maintains the bus; pins that are not prism's are named and left.",
	.examples = "  prismctl cleanup --dry-run\n"
		    "  prismctl cleanup\n",
	.options = (const struct ctl_option[]){{"dry-run", 'n', ARGUMENT_NONE, NULL, "say what would go", NULL}, {0}},
	.run = run_cleanup,
};
