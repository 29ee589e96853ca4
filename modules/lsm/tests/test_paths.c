// SPDX-License-Identifier: Apache-2.0
/* exec and open: whose, of what, by which rule. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deeds.h"
#include "guard.h"

#define EXEC LSM_HOOK_BIT(LSM_EXEC)
#define OPEN LSM_HOOK_BIT(LSM_OPEN)
#define RULE 11u

/* EPERM exactly when there is the rule and the identity. */
static void test_exec_flips(void **state)
{
	struct guard *g = *state;
	char tool[128];

	strcpy(tool, guard_copy(g, "tool"));
	for (int rule = 0; rule < 2; rule++) {
		for (int identity = 0; identity < 2; identity++) {
			bool both = rule && identity;

			guard_bind(g, identity ? ID_A : ID_B, EXEC, 0);
			if (rule)
				guard_path(g, LSM_EXEC, tool, RULE, LSM_BLOCK);
			assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), both ? EPERM : 0);
			assert_int_equal(guard_deed(g, &g->b, "exec %s deed ok", tool), 0);
			assert_int_equal(guard_count(g, ID_A, RULE).blocked, both);
			guard_events(g, both);
			guard_unbind(g, identity ? ID_A : ID_B);
			if (rule)
				guard_forget_path(g, LSM_EXEC, tool);
		}
	}
}

static void test_open_flips(void **state)
{
	struct guard *g = *state;
	char file[128];

	guard_make_file(g, "file");
	strcpy(file, guard_file(g, "file"));
	for (int rule = 0; rule < 2; rule++) {
		for (int identity = 0; identity < 2; identity++) {
			bool both = rule && identity;

			guard_bind(g, identity ? ID_A : ID_B, OPEN, 0);
			if (rule)
				guard_path(g, LSM_OPEN, file, RULE, LSM_BLOCK);
			assert_int_equal(guard_deed(g, &g->a, "open %s 0", file), both ? EPERM : 0);
			assert_int_equal(guard_deed(g, &g->b, "open %s 0", file), 0);
			guard_events(g, both);
			guard_unbind(g, identity ? ID_A : ID_B);
			if (rule)
				guard_forget_path(g, LSM_OPEN, file);
		}
	}
}

static void test_the_event_names_all(void **state)
{
	struct guard *g = *state;
	const struct lsm_event *event;
	char tool[128];

	strcpy(tool, guard_copy(g, "tool"));
	guard_bind(g, ID_A, EXEC, 0);
	guard_path(g, LSM_EXEC, tool, RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), EPERM);
	event = guard_events(g, 1);
	assert_int_equal(event->identity, ID_A);
	assert_int_equal(event->cgroup_id, g->a.id);
	assert_int_equal(event->set, SET);
	assert_int_equal(event->rule, RULE);
	assert_int_equal(event->hook, LSM_EXEC);
	assert_int_equal(event->action, LSM_BLOCK);
	assert_int_equal(event->bits, LSM_ENFORCED);
	assert_int_equal(event->error, LSM_ERROR_NONE);
	assert_int_equal(event->uid, 0);
	assert_int_equal(event->pid, event->tid);
	assert_int_equal(event->size, strlen(tool) + 1);
	assert_string_equal(event->path, tool);
	assert_string_equal(event->comm, "program");
}

static void test_directory_and_exception(void **state)
{
	struct guard *g = *state;
	char tool[128], other[128], dir[128];

	strcpy(dir, guard_file(g, "bin/"));
	assert_int_equal(mkdir(dir, 0755), 0);
	strcpy(tool, guard_copy(g, "bin/tool"));
	strcpy(other, guard_copy(g, "bin/tools"));
	guard_bind(g, ID_A, EXEC, 0);
	guard_path(g, LSM_EXEC, dir, RULE, LSM_BLOCK);
	guard_path(g, LSM_EXEC, tool, RULE + 1, LSM_ALLOW);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), 0);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", other), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", g->program), 0);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, 1);
	assert_int_equal(guard_count(g, ID_A, RULE + 1).matched, 1);
	assert_int_equal(guard_count(g, ID_A, RULE + 1).blocked, 0);
	/* A directory itself is not below itself. */
	guard_bind(g, ID_A, OPEN, 0);
	guard_path(g, LSM_OPEN, dir, RULE, LSM_BLOCK);
	dir[strlen(dir) - 1] = '\0';
	assert_int_equal(guard_deed(g, &g->a, "open %s 0", dir), 0);
	assert_int_equal(guard_deed(g, &g->a, "open %s 0", tool), EPERM);
}

static void test_audit_and_modes(void **state)
{
	struct guard *g = *state;
	char tool[128];

	strcpy(tool, guard_copy(g, "tool"));
	guard_bind(g, ID_A, EXEC, 0);
	guard_path(g, LSM_EXEC, tool, RULE, LSM_AUDIT);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), 0);
	assert_int_equal(guard_events(g, 1)->action, LSM_AUDIT);
	assert_int_equal(g->last.bits & LSM_ENFORCED, 0);

	guard_path(g, LSM_EXEC, tool, RULE, LSM_BLOCK);
	g->config.mode = LSM_AUDIT_ONLY;
	guard_config(g);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), 0);
	assert_int_equal(guard_events(g, 1)->action, LSM_BLOCK);
	assert_int_equal(g->last.bits & LSM_ENFORCED, 0);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, 2);
	assert_int_equal(guard_count(g, ID_A, RULE).blocked, 0);

	g->config.mode = LSM_ENFORCE;
	guard_config(g);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), EPERM);
	assert_int_equal(guard_events(g, 1)->bits & LSM_ENFORCED, LSM_ENFORCED);

	g->config.hooks = 0;
	guard_config(g);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), 0);
	guard_events(g, 0);
}

static void test_posture(void **state)
{
	struct guard *g = *state;
	char tool[128];

	strcpy(tool, guard_copy(g, "tool"));
	guard_bind(g, ID_A, 0, 0);
	guard_posture(g, ID_A, LSM_EXEC, LSM_BLOCK); /* without any rule */
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), EPERM);
	assert_int_equal(guard_events(g, 1)->rule, POSTURE_RULE(LSM_EXEC));
	assert_int_equal(g->last.bits, LSM_ENFORCED | LSM_BY_POSTURE);
	assert_string_equal(g->last.path, tool);

	guard_bind(g, ID_A, EXEC, 0);
	guard_posture(g, ID_A, LSM_EXEC, LSM_AUDIT);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), 0);
	assert_int_equal(guard_events(g, 1)->rule, POSTURE_RULE(LSM_EXEC));

	guard_posture(g, ID_A, LSM_EXEC, LSM_BLOCK);
	guard_path(g, LSM_EXEC, tool, RULE, LSM_ALLOW);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", tool), 0);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", guard_copy(g, "other")), EPERM);
	guard_events(g, 1);
	assert_int_equal(guard_count(g, ID_A, POSTURE_RULE(LSM_EXEC)).matched, 3);
	assert_int_equal(guard_count(g, ID_A, POSTURE_RULE(LSM_EXEC)).blocked, 2);
}

static void test_from_source(void **state)
{
	struct guard *g = *state;
	char tool[128], shell[128], deed[512];

	strcpy(tool, guard_copy(g, "tool"));
	strcpy(shell, guard_copy(g, "shell"));
	guard_copy(g, "other");
	guard_source(g, shell, 5);
	guard_bind(g, ID_A, EXEC, LSM_KEEP_SOURCE);
	guard_path_choice(g, LSM_EXEC, tool, (struct lsm_choice){.rule = RULE, .action = LSM_BLOCK, .from = 5});
	snprintf(deed, sizeof(deed), "exec %s deed ok", tool);
	assert_int_equal(guard_deed_by(g, &g->a, "other", deed), 0);
	assert_int_equal(guard_deed_by(g, &g->a, "shell", deed), EPERM);
	/* Threads and children run the same executable. */
	snprintf(deed, sizeof(deed), "thread exec %s deed ok", tool);
	assert_int_equal(guard_deed_by(g, &g->a, "other", deed), 0);
	assert_int_equal(guard_deed_by(g, &g->a, "shell", deed), EPERM);
	snprintf(deed, sizeof(deed), "child thread child exec %s deed ok", tool);
	assert_int_equal(guard_deed_by(g, &g->a, "other", deed), 0);
	assert_int_equal(guard_deed_by(g, &g->a, "shell", deed), EPERM);
	/* Only the one that does the exec counts, not who began. */
	snprintf(deed, sizeof(deed), "exec %s deed exec %s deed ok", g->program, tool);
	assert_int_equal(guard_deed_by(g, &g->a, "shell", deed), 0);
}

/* A task whose exec noted nothing is told by the executable that it still runs. */
static void test_from_source_of_earlier_tasks(void **state)
{
	struct guard *g = *state;
	char tool[128];
	pid_t pid;

	strcpy(tool, guard_copy(g, "tool"));
	guard_bind(g, ID_A, EXEC, 0);
	pid = guard_begin(g, &g->a, "wait exec %s deed ok", tool);
	guard_source(g, g->program, 5);
	guard_path_choice(g, LSM_EXEC, tool, (struct lsm_choice){.rule = RULE, .action = LSM_BLOCK, .from = 5});
	guard_bind(g, ID_A, EXEC, LSM_KEEP_SOURCE);
	guard_go(g);
	assert_int_equal(guard_end(g, pid), EPERM);
}

/* What was noted at the exec stays, whatever becomes of the file. */
static void test_from_source_after_rename(void **state)
{
	struct guard *g = *state;
	char tool[128], shell[128], away[128];
	pid_t pid;

	strcpy(tool, guard_copy(g, "tool"));
	strcpy(shell, guard_copy(g, "shell"));
	strcpy(away, guard_file(g, "away"));
	guard_source(g, shell, 5);
	guard_bind(g, ID_A, EXEC, LSM_KEEP_SOURCE);
	guard_path_choice(g, LSM_EXEC, tool, (struct lsm_choice){.rule = RULE, .action = LSM_BLOCK, .from = 5});
	pid = guard_begin(g, &g->a, "exec %s deed wait exec %s deed ok", shell, tool);
	assert_int_equal(rename(shell, away), 0);
	guard_go(g);
	assert_int_equal(guard_end(g, pid), EPERM);
}

/* A key's choices, in their order. */
static void test_choices_in_order(void **state)
{
	struct guard *g = *state;
	struct lsm_rules rules = {
		.n = 2,
		.choices = {{.rule = RULE, .action = LSM_BLOCK, .bits = LSM_WRITE_ONLY},
			    {.rule = RULE + 1, .action = LSM_AUDIT}},
	};
	char file[128];

	guard_make_file(g, "file");
	strcpy(file, guard_file(g, "file"));
	guard_bind(g, ID_A, OPEN, 0);
	guard_rule(g, LSM_OPEN, file, (uint32_t)(strlen(file) + 1) * 8, &rules);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY), 0);
	assert_int_equal(guard_events(g, 1)->rule, RULE + 1);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDWR), EPERM);
	assert_int_equal(guard_events(g, 1)->rule, RULE);
	rules.n = 1;
	guard_rule(g, LSM_OPEN, file, (uint32_t)(strlen(file) + 1) * 8, &rules);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY), 0);
	guard_events(g, 0);
}

static void test_read_only(void **state)
{
	struct guard *g = *state;
	struct stat st;
	char file[128];

	guard_make_file(g, "file");
	strcpy(file, guard_file(g, "file"));
	guard_bind(g, ID_A, OPEN, 0);
	guard_path_choice(g, LSM_OPEN, guard_file(g, ""),
			  (struct lsm_choice){.rule = RULE, .action = LSM_BLOCK, .bits = LSM_WRITE_ONLY});
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY), 0);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_WRONLY), EPERM);
	assert_int_equal(guard_events(g, 1)->bits, LSM_ENFORCED | LSM_OPEN_WRITE);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDWR | O_APPEND), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY | O_TRUNC), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", guard_file(g, "new"), O_RDONLY | O_CREAT), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY | O_CREAT), 0); /* it is there */
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_size, 4);
}

/* A descriptor opened anew has no path if it is a pipe's: neither has it a rule that could allow it. */
static void test_pipes(void **state)
{
	struct guard *g = *state;

	guard_bind(g, ID_A, OPEN, 0);
	guard_posture(g, ID_A, LSM_OPEN, LSM_BLOCK);
	guard_path(g, LSM_OPEN, "/", RULE, LSM_ALLOW);
	assert_int_equal(guard_deed(g, &g->a, "open /proc/self/fd/%d %d", DEED_READY, O_WRONLY), 0);
	assert_int_equal(guard_deed(g, &g->a, "open /proc/self/fd/%d %d", DEED_GO, O_RDONLY), 0);
	guard_events(g, 0);
	guard_path(g, LSM_OPEN, "/proc/version", RULE + 1, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "open /proc/version %d", O_RDONLY), EPERM);
}

/* A set that is about writing alone: reading is not looked at, whatever its rules. */
static void test_reads_not_looked_at(void **state)
{
	struct guard *g = *state;
	struct lsm_binding binding;
	const uint32_t identity = ID_A;
	char file[128];

	guard_make_file(g, "file");
	strcpy(file, guard_file(g, "file"));
	guard_bind(g, ID_A, OPEN, 0);
	guard_path(g, LSM_OPEN, file, RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY), EPERM);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(g->skel->maps.lsm_bindings), &identity, &binding), 0);
	binding.hooks = OPEN;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(g->skel->maps.lsm_bindings), &identity, &binding, 0), 0);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY), 0);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_WRONLY), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY | O_TRUNC), EPERM);
	guard_events(g, 3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exec_flips, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_open_flips, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_the_event_names_all, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_directory_and_exception, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_audit_and_modes, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_posture, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_from_source, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_from_source_of_earlier_tasks, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_from_source_after_rename, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_choices_in_order, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_read_only, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_pipes, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_reads_not_looked_at, guard_begin_test, guard_end_test),
	};

	deed_main(argc, argv);
	guard_require();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}
