/* SPDX-License-Identifier: Apache-2.0 */
/* What prismctl says without prismd: from a real pinned bus, an identity table and a cgroup. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "bus/bus.h"
#include "cgroup/mount.h"
#include "ctl/args.h"
#include "ctl/offline.h"
#include "identity/store.h"
#include "metric/metric.h"

#define FORM "io.prism/namespace=test;io.prism/serviceaccount=web;app=web"
#define SKIP 77

static char dir[64], bus_dir[64], config[96], state[96], cgroup[320], cgroup_root[256];
static uint64_t cgroup_id;
static uint32_t number;

static int write_config(void)
{
	struct text t = {0};
	int r;

	text_appendf(&t,
		     "node: {state_dir: %s}\nbus: {dir: %s}\nadmin: {socket: %s/none.sock}\nsources:\n  cgroup:\n    "
		     "rules:\n"
		     "      - match: prism-test-*\n        namespace: test\n        service_account: web\n"
		     "        labels: {app: web, job-name: x}\n",
		     state, bus_dir, dir);
	r = file_write_atomic(config, t.data, t.len, 0600, NULL);
	text_done(&t);
	return r;
}

/* The table as prismd would leave it. */
static int write_table(void)
{
	struct identity_table *t = identity_table_new(0);
	struct identity *id;
	struct text out = {0};
	char path[128];
	bool made;
	int r;

	r = identity_acquire(t, FORM, 0, wall_ns(), &id, &made);
	if (r == 0) {
		number = id->number;
		identity_store_format(t, wall_ns(), &out);
		snprintf(path, sizeof(path), "%s/identities", state);
		r = file_write_atomic(path, out.data, out.len, 0600, NULL);
	}
	text_done(&out);
	identity_table_free(t);
	return r;
}

static int write_bus(void)
{
	struct metrics *m = metrics_new();
	const struct bus_options options = {.dir = bus_dir,
					    .capacity = 16,
					    .stale_after_ns = 10 * NS_PER_SEC,
					    .metrics = m};
	struct error e = {0};
	struct bus *bus;
	int r = bus_open(&options, &bus, &e);

	if (r < 0) {
		fprintf(stderr, "%s: %s\n", e.where, e.text);
		metrics_free(m);
		return r;
	}
	bus_stage(bus, cgroup_id, number, PRISM_FACET_BIT(0) | PRISM_CLASS_CRITICAL << PRISM_CLASS_SHIFT,
		  label_hash(FORM, strlen(FORM)), true);
	r = bus_flush(bus);
	bus_heartbeat(bus);
	bus_close(bus, false);
	metrics_free(m);
	return r;
}

static int make_world(void)
{
	struct error e = {0};

	snprintf(dir, sizeof(dir), "/tmp/prism-test-XXXXXX");
	snprintf(bus_dir, sizeof(bus_dir), "/sys/fs/bpf/prism-test-ctl-%d", getpid());
	if (!mkdtemp(dir) || cgroup_mount_find(NULL, cgroup_root, sizeof(cgroup_root), &e) < 0)
		return -1;
	snprintf(config, sizeof(config), "%s/prismd.yaml", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(cgroup, sizeof(cgroup), "%s/prism-test-%d", cgroup_root, getpid());
	if (mkdir(state, 0700) < 0 || mkdir(cgroup, 0755) < 0 || cgroup_id_of(AT_FDCWD, cgroup, &cgroup_id) < 0)
		return -1;
	return write_config() < 0 || write_table() < 0 || write_bus() < 0 ? -1 : 0;
}

static int run(const char *line)
{
	char buf[256], *argv[8], *save = NULL;
	struct ctl ctl = {.config = config, .quiet = true, .self_exe = "/proc/self/exe"};
	struct invocation inv;
	int argc = 0, r;

	snprintf(buf, sizeof(buf), "prismctl %s", line);
	for (char *w = strtok_r(buf, " ", &save); w && argc < 7; w = strtok_r(NULL, " ", &save))
		argv[argc++] = w;
	argv[argc] = NULL;
	ctl.style.out = fopen("/dev/null", "w");
	r = args_parse(&ctl, argc, argv, &inv);
	if (r == 0)
		r = inv.command->run(&ctl, &inv);
	fclose(ctl.style.out);
	ctl_done(&ctl);
	return r;
}

static void remove_world(void)
{
	char path[128];

	run("cleanup");
	rmdir(cgroup);
	snprintf(path, sizeof(path), "%s/identities", state);
	unlink(path);
	rmdir(state);
	unlink(config);
	rmdir(dir);
}

/* ---- documents -------------------------------------------------------------------------------------------------- */

static struct ctl ctl;
static struct offline *offline;

static int open_offline(void **state_)
{
	struct error e = {0};

	(void)state_;
	ctl = (struct ctl){.config = config, .quiet = true};
	if (offline_open(&ctl, &offline, &e) < 0) {
		fprintf(stderr, "%s: %s\n", e.where, e.text);
		return -1;
	}
	return 0;
}

static int close_offline(void **state_)
{
	(void)state_;
	offline_free(offline);
	ctl_done(&ctl);
	return 0;
}

static void the_list_has_names(void **state_)
{
	json_t *doc = offline_identities(&ctl, offline);
	const json_t *id = json_array_get(json_object_get(doc, "identities"), 0);

	(void)state_;
	assert_int_equal(json_number(doc, "schema_version"), 1);
	assert_true(json_flag(doc, "offline"));
	assert_int_equal(json_array_size(json_object_get(doc, "identities")), 1);
	assert_int_equal(json_number(id, "number"), number);
	assert_string_equal(json_text(id, "name"), "test/web");
	assert_string_equal(json_text(id, "service_account"), "web");
	assert_string_equal(json_text(id, "class"), "critical");
	assert_string_equal(json_text(id, "canonical"), FORM);
	assert_string_equal(json_string_value(json_array_get(json_object_get(id, "facets"), 0)), "net");
	assert_int_equal(json_number(id, "cgroups"), 1);
	assert_false(json_flag(id, "held"));
	json_decref(doc);
}

static void one_has_its_cgroups(void **state_)
{
	struct error e = {0};
	json_t *doc = offline_identity(&ctl, offline, number, &e);
	const json_t *c = json_array_get(json_object_get(doc, "cgroup_list"), 0);

	(void)state_;
	assert_non_null(doc);
	assert_int_equal(json_number(c, "id"), cgroup_id);
	assert_string_equal(json_text(c, "path"), strrchr(cgroup, '/'));
	json_decref(doc);
	assert_null(offline_identity(&ctl, offline, 257, &e));
	assert_int_equal(e.code, ENOENT);
}

static void explain_has_chain_rule_and_labels(void **state_)
{
	struct error e = {0};
	json_t *doc = offline_explain(&ctl, offline, strrchr(cgroup, '/'), &e);
	const json_t *chain = json_object_get(doc, "chain");
	const json_t *dropped = json_array_get(json_object_get(doc, "labels_dropped"), 0);

	(void)state_;
	assert_int_equal(json_array_size(chain), 2);
	assert_true(json_flag(json_array_get(chain, 0), "answered"));
	assert_string_equal(json_text(json_array_get(chain, 1), "path"), "/");
	assert_int_equal(json_number(json_object_get(doc, "identity"), "number"), number);
	assert_string_equal(json_text(json_object_get(doc, "labels_kept"), "app"), "web");
	assert_string_equal(json_text(dropped, "key"), "job-name");
	assert_string_equal(json_text(doc, "canonical"), FORM);
	assert_non_null(strstr(json_text(doc, "origin"), "prismd.yaml:7:9"));
	json_decref(doc);

	doc = offline_explain(&ctl, offline, "/", &e);
	assert_true(json_is_null(json_object_get(doc, "identity")));
	json_decref(doc);
}

static void status_has_the_bus(void **state_)
{
	json_t *doc = offline_status(&ctl, offline);
	const json_t *bus = json_object_get(doc, "bus");

	(void)state_;
	assert_string_equal(json_text(doc, "health"), "down");
	assert_int_equal(json_number(bus, "entries"), 1);
	assert_int_equal(json_number(bus, "capacity"), 16);
	assert_int_equal(json_number(bus, "writer_pid"), 0);
	assert_true(json_flag(bus, "lean"));
	assert_int_equal(json_array_size(json_object_get(doc, "modules")), 0);
	json_decref(doc);
}

static void stale_is_known(void **state_)
{
	struct prism_meta meta = {.heartbeat_ns = monotonic_ns(), .stale_after_ns = 3600 * NS_PER_SEC};
	bool stale;

	(void)state_;
	offline_heartbeat_age(&meta, &stale);
	assert_false(stale);
	meta.heartbeat_ns -= meta.heartbeat_ns < NS_PER_SEC ? 1 : NS_PER_SEC;
	meta.stale_after_ns = 0;
	offline_heartbeat_age(&meta, &stale);
	assert_true(stale);
	meta.heartbeat_ns = 0;
	meta.stale_after_ns = UINT64_MAX;
	offline_heartbeat_age(&meta, &stale);
	assert_true(stale);
}

/* A damaged table costs the names and nothing else, and is left as it is for prismd. */
static void a_damaged_table_is_survived(void **state_)
{
	char path[128];
	struct stat st;

	(void)state_;
	close_offline(NULL);
	snprintf(path, sizeof(path), "%s/identities", state);
	assert_int_equal(truncate(path, 30), 0);
	assert_int_equal(open_offline(NULL), 0);
	assert_int_equal(offline->table_error.code, EBADMSG);
	assert_int_equal(offline->n_entries, 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 30);
	assert_int_equal(write_table(), 0);
	close_offline(NULL);
	assert_int_equal(open_offline(NULL), 0);
	assert_int_equal(offline->table_error.code, 0);
}

/* ---- exit codes ------------------------------------------------------------------------------------------------- */

static void exit_codes(void **state_)
{
	char line[64];

	(void)state_;
	assert_int_equal(run("status"), CTL_DOWN);
	assert_int_equal(run("identity list"), CTL_OK);
	assert_int_equal(run("identity get test/web"), CTL_OK);
	assert_int_equal(run("identity get nobody"), CTL_NOT_FOUND);
	assert_int_equal(run("identity get 257"), CTL_NOT_FOUND);
	snprintf(line, sizeof(line), "identity explain /prism-test-%d", getpid());
	assert_int_equal(run(line), CTL_OK);
	assert_int_equal(run("identity explain /nothing/here"), CTL_NOT_FOUND);
	assert_int_equal(run("identity explain --as nonsense x"), CTL_USAGE);
	assert_int_equal(run("module list"), CTL_DOWN);
	assert_int_equal(run("events"), CTL_DOWN);
	assert_int_equal(run("reload"), CTL_DOWN);
	assert_int_equal(run("config check"), CTL_OK);
	assert_int_equal(run("config check /nonexistent.yaml"), CTL_ERROR);
	assert_int_equal(run("profile show nobody"), CTL_NOT_FOUND);
	assert_int_equal(run("version"), CTL_OK);
	assert_int_equal(run("cleanup --dry-run"), CTL_OK);
	assert_int_equal(run("status"), CTL_DOWN); /* and nothing was removed */
}

static void cleanup_spares_strangers_and_live_writers(void **state_)
{
	struct metrics *m = metrics_new();
	const struct bus_options options = {.dir = bus_dir,
					    .capacity = 16,
					    .stale_after_ns = 10 * NS_PER_SEC,
					    .metrics = m};
	char stranger[96];
	struct bus *bus;
	struct error e = {0};

	(void)state_;
	assert_int_equal(bus_open(&options, &bus, &e), 0);
	bus_heartbeat(bus);
	assert_int_equal(run("cleanup"), CTL_ERROR);
	bus_close(bus, false);
	metrics_free(m);

	snprintf(stranger, sizeof(stranger), "%s/stranger", bus_dir);
	assert_int_equal(mkdir(stranger, 0700), 0);
	assert_int_equal(run("cleanup"), CTL_OK);
	assert_int_equal(access(stranger, F_OK), 0);
	assert_int_equal(rmdir(stranger), 0);
	assert_int_equal(run("cleanup"), CTL_OK);
	assert_int_equal(access(bus_dir, F_OK), -1);
	assert_int_equal(run("cleanup"), CTL_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_list_has_names, open_offline, close_offline),
		cmocka_unit_test_setup_teardown(one_has_its_cgroups, open_offline, close_offline),
		cmocka_unit_test_setup_teardown(explain_has_chain_rule_and_labels, open_offline, close_offline),
		cmocka_unit_test_setup_teardown(status_has_the_bus, open_offline, close_offline),
		cmocka_unit_test(stale_is_known),
		cmocka_unit_test_setup_teardown(a_damaged_table_is_survived, open_offline, close_offline),
		cmocka_unit_test(exit_codes),
		cmocka_unit_test(cleanup_spares_strangers_and_live_writers),
	};
	int r;

	if (geteuid() != 0 || access("/sys/fs/bpf", W_OK) < 0) {
		fprintf(stderr, "SKIP: needs root and a writable /sys/fs/bpf\n");
		return SKIP;
	}
	r = make_world() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
	remove_world();
	return r;
}
