/* SPDX-License-Identifier: Apache-2.0 */
/* This node's installation: configuration, modules, state, disk, clock, and prismd itself. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/doctor.h"
#include "host/host.h"
#include "source/rules.h"

#define MIB (1024ull * 1024)

static void report_problems(struct doctor *d, const char *name, const struct problems *p)
{
	char text[sizeof(struct error)];

	for (size_t i = 0; i < p->n; i++)
		doctor_report(d, name, VERDICT_FAIL, i ? NULL : "'prismctl config check' shows all", "%s",
			      error_format(&p->list[i], text, sizeof(text)));
}

static void check_config(struct doctor *d)
{
	_cleanup_problems_ struct problems p = {0};
	_cleanup_problems_ struct problems modules = {0};
	struct settings *s = NULL;
	struct rules *rules = NULL;

	if (ctl_settings_load(d->ctl, NULL, &s, &p) == 0 && rules_compile(s->rules, &rules, &p) == 0)
		doctor_report(d, "configuration", VERDICT_OK, NULL, "%zu files, %zu cgroup rules", s->n_files,
			      rules_count(rules));
	report_problems(d, "configuration", &p);
	if (s && host_check_modules(s, d->ctl->self_exe, &modules) == 0 && !modules.n)
		doctor_report(d, "modules", VERDICT_OK, NULL,
			      s->n_modules ? "%zu configured, each enabled one loads" : "none configured",
			      s->n_modules);
	report_problems(d, "modules", &modules);
	rules_free(rules);
	settings_free(s);
}

static void check_disk(struct doctor *d, const char *dir)
{
	unsigned long long free_bytes;
	struct statvfs fs;

	if (statvfs(dir, &fs) < 0)
		return; /* the state directory's check has said so */
	free_bytes = (unsigned long long)fs.f_bavail * fs.f_frsize;
	if (fs.f_flag & ST_RDONLY)
		doctor_report(d, "disk", VERDICT_FAIL, "mount it read-write, or set node.state_dir elsewhere",
			      "%s is on a file system that is mounted read-only", dir);
	else if (free_bytes < 16 * MIB)
		doctor_report(d, "disk", free_bytes < MIB ? VERDICT_FAIL : VERDICT_WARN, "make room",
			      "%s: %llu KiB left; the identity table is written whole", dir, free_bytes / 1024);
	else
		doctor_report(d, "disk", VERDICT_OK, NULL, "%llu MiB left for %s", free_bytes / MIB, dir);
}

static void check_state(struct doctor *d)
{
	const char *dir = ctl_state_dir(d->ctl);
	struct identity_table *t;
	struct error bad = {0};
	char path[1024];

	if (access(dir, F_OK) < 0) {
		doctor_report(d, "state directory", VERDICT_WARN, "start prismd: it makes the directory", "%s: %s", dir,
			      strerror(errno));
		return;
	}
	if (access(dir, R_OK | W_OK | X_OK) < 0)
		doctor_report(d, "state directory", VERDICT_FAIL, "make it root's, or set node.state_dir elsewhere",
			      "%s: %s", dir, strerror(errno));
	else
		doctor_report(d, "state directory", VERDICT_OK, NULL, "%s", dir);
	check_disk(d, dir);
	t = offline_identity_table(d->ctl, &bad);
	snprintf(path, sizeof(path), "%s/identities", dir);
	if (bad.code && bad.code != ENOENT)
		doctor_report(d, "identity table", VERDICT_FAIL,
			      "start prismd: it sets the file aside; only displaced identities change their number",
			      "%s: %s", bad.where, bad.text);
	else if (bad.code)
		doctor_report(d, "identity table", VERDICT_OK, NULL, "%s: none yet", path);
	else if (t)
		doctor_report(d, "identity table", VERDICT_OK, NULL, "%s: %u identities", path, identity_held(t));
	identity_table_free(t);
}

/* Event times, updated_ns and hold-backs are wall clock. */
static void check_clock(struct doctor *d)
{
	uint64_t now = wall_ns(), newest = 0;
	struct timex t = {0};
	int state = adjtimex(&t);

	for (size_t i = 0; d->pinned && i < d->pinned->n_entries; i++) {
		if (d->pinned->entries[i].entry.updated_ns > newest)
			newest = d->pinned->entries[i].entry.updated_ns;
	}
	if (newest > now + NS_PER_SEC)
		doctor_report(d, "clock", VERDICT_WARN, "see to the node's time service",
			      "the clock was set back: entries on the bus are %.0f s in the future",
			      (double)(newest - now) / NS_PER_SEC);
	else if (state == TIME_ERROR || (t.status & STA_UNSYNC))
		doctor_report(d, "clock", VERDICT_WARN, "run a time service, such as chrony",
			      "not synchronised: times of events cannot be compared with other nodes'");
	else
		doctor_report(d, "clock", VERDICT_OK, NULL, "synchronised");
}

static void check_daemon(struct doctor *d)
{
	const json_t *c;
	size_t i;

	if (!d->status) {
		doctor_report(d, "prismd", VERDICT_WARN, "start it: systemctl start prismd", "does not answer on %s",
			      ctl_socket(d->ctl));
		return;
	}
	doctor_report(d, "prismd", VERDICT_OK, NULL, "version %s, pid %" PRId64 ", %s", json_text(d->status, "version"),
		      json_number(d->status, "pid"), json_text(d->status, "health"));
	json_array_foreach(json_object_get(d->status, "conditions"), i, c)
		doctor_report(d, "prismd", VERDICT_WARN, NULL, "%s: %s", json_text(c, "subject"), json_text(c, "text"));
}

void doctor_node(struct doctor *d)
{
	check_config(d);
	check_state(d);
	check_clock(d);
	check_daemon(d);
}
