// SPDX-License-Identifier: Apache-2.0
/* One file by other names, by none, by long ones; and what changes a name without opening it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "deeds.h"
#include "guard.h"

#define EXEC LSM_HOOK_BIT(LSM_EXEC)
#define OPEN LSM_HOOK_BIT(LSM_OPEN)
#define RULE 11u

/* Kernels before 6.12 do not tell programs the paths of these. */
static bool has_path_hooks(void)
{
	struct utsname kernel;
	int major, minor;

	assert_int_equal(uname(&kernel), 0);
	assert_int_equal(sscanf(kernel.release, "%d.%d", &major, &minor), 2);
	return major > 6 || (major == 6 && minor >= 12);
}

/* What is read-only is not changed by way of its directory either. */
static void test_read_only_entries(void **state)
{
	struct guard *g = *state;
	char dir[128], out[128], deeds[8][300];
	int n = 0;

	assert_int_equal(mkdir(guard_file(g, "ro"), 0755), 0);
	assert_int_equal(mkdir(guard_file(g, "ro/empty"), 0755), 0);
	guard_make_file(g, "ro/file");
	guard_make_file(g, "ro/other");
	guard_make_file(g, "out");
	strcpy(dir, guard_file(g, "ro"));
	strcpy(out, guard_file(g, "out"));
	snprintf(deeds[n++], sizeof(deeds[0]), "truncate %s/file", dir);
	snprintf(deeds[n++], sizeof(deeds[0]), "rename %s %s/file", out, dir);
	snprintf(deeds[n++], sizeof(deeds[0]), "rename %s/file %s", dir, out);
	snprintf(deeds[n++], sizeof(deeds[0]), "link %s %s/link", out, dir);
	snprintf(deeds[n++], sizeof(deeds[0]), "symlink nowhere %s/symlink", dir);
	snprintf(deeds[n++], sizeof(deeds[0]), "mkdir %s/new", dir);
	snprintf(deeds[n++], sizeof(deeds[0]), "rmdir %s/empty", dir);
	snprintf(deeds[n++], sizeof(deeds[0]), "unlink %s/other", dir);
	guard_bind(g, ID_A, OPEN, 0);
	guard_path_choice(g, LSM_OPEN, guard_file(g, "ro/"),
			  (struct lsm_choice){.rule = RULE, .action = LSM_BLOCK, .bits = LSM_WRITE_ONLY});
	if (has_path_hooks()) {
		for (int i = 0; i < n; i++) {
			assert_int_equal(guard_deed(g, &g->a, "%s", deeds[i]), EPERM);
			assert_int_equal(guard_events(g, 1)->hook, LSM_OPEN);
			assert_int_equal(g->last.bits, LSM_ENFORCED | LSM_OPEN_WRITE);
			assert_memory_equal(g->last.path, dir, strlen(dir));
			assert_int_equal(guard_count(g, ID_A, RULE).blocked, i + 1);
		}
		assert_string_equal(g->last.path, guard_file(g, "ro/other"));
	}
	for (int i = 0; i < n; i++) {
		/* Each finds what it wants: the file that was moved in is moved out again. */
		assert_int_equal(guard_deed(g, has_path_hooks() ? &g->b : &g->a, "%s", deeds[i]), 0);
	}
	guard_events(g, 0);
}

/* An overlay below the test's directory, of a tmpfs's; guard_end_test() takes both away. */
static bool mount_overlay(struct guard *g)
{
	char options[400];

	assert_int_equal(mkdir(guard_file(g, GUARD_MOUNT), 0755), 0);
	assert_int_equal(mount("none", guard_file(g, GUARD_MOUNT), "tmpfs", 0, ""), 0);
	assert_int_equal(mkdir(guard_file(g, GUARD_MOUNT "/lower"), 0755), 0);
	assert_int_equal(mkdir(guard_file(g, GUARD_MOUNT "/upper"), 0755), 0);
	assert_int_equal(mkdir(guard_file(g, GUARD_MOUNT "/work"), 0755), 0);
	assert_int_equal(mkdir(guard_file(g, GUARD_MOUNT "/all"), 0755), 0);
	guard_make_file(g, GUARD_MOUNT "/lower/file");
	snprintf(options, sizeof(options), "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work",
		 guard_file(g, GUARD_MOUNT), guard_file(g, GUARD_MOUNT), guard_file(g, GUARD_MOUNT));
	if (mount("none", guard_file(g, GUARD_MOUNT "/all"), "overlay", 0, options) == 0)
		return true;
	assert_int_equal(errno, ENODEV);
	return false;
}

/* A container's root: what overlayfs opens in its layers for an open is no other open, by whatever name. */
static void test_overlay(void **state)
{
	struct guard *g = *state;
	char file[128];

	if (!mount_overlay(g)) {
		fprintf(stderr, "UNSUPPORTED: overlayfs is not in this kernel's image\n");
		skip();
	}
	strcpy(file, guard_file(g, GUARD_MOUNT "/all/file"));
	guard_bind(g, ID_A, OPEN, 0);
	guard_path(g, LSM_OPEN, file, RULE, LSM_ALLOW);
	guard_path(g, LSM_OPEN, "/file", RULE + 1, LSM_BLOCK); /* what the layer's own mount calls it */
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY), 0);
	assert_int_equal(guard_count(g, ID_A, RULE).matched, 1);
	guard_events(g, 0);
	guard_path(g, LSM_OPEN, file, RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", file, O_RDONLY), EPERM);
	guard_events(g, 1);
}

/* The kernel's worker threads do it for the task that asked. */
static void test_io_uring(void **state)
{
	struct guard *g = *state;
	char file[128];

	guard_make_file(g, "file");
	strcpy(file, guard_file(g, "file"));
	if (guard_deed(g, &g->a, "uring_open %s 0", file))
		skip();
	guard_bind(g, ID_A, OPEN, 0);
	guard_path(g, LSM_OPEN, file, RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "uring_open %s 0", file), EPERM);
	assert_int_equal(guard_events(g, 1)->rule, RULE);
	assert_int_equal(g->last.identity, ID_A);
	assert_int_not_equal(g->last.pid, g->last.tid);
	assert_int_equal(guard_deed(g, &g->b, "uring_open %s 0", file), 0);
}

/* By other names, or by none. */
static void test_aliases(void **state)
{
	struct guard *g = *state;
	char tool[128], other[128], link_name[128];

	strcpy(tool, guard_copy(g, "tool"));
	strcpy(link_name, guard_file(g, "link"));
	assert_int_equal(symlink(tool, link_name), 0);
	guard_bind(g, ID_A, EXEC, 0);
	guard_path(g, LSM_EXEC, tool, RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", link_name), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "exec /proc/self/root%s deed ok", tool), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "fexec %s deed ok", tool), EPERM);
	guard_events(g, 3);
	assert_int_equal(guard_deed(g, &g->a, "unlinked %s deed ok", tool), EPERM);
	assert_string_equal(guard_events(g, 1)->path, tool); /* its last name */

	/* A file whose name only looks like that of a deleted one. */
	strcpy(other, guard_copy(g, "other"));
	guard_path(g, LSM_EXEC, other, RULE, LSM_BLOCK);
	assert_int_equal(unlink(link_name), 0);
	assert_int_equal(symlink(guard_copy(g, "other (deleted)"), link_name), 0);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", other), EPERM);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", link_name), 0);
	guard_path(g, LSM_EXEC, guard_file(g, "other (deleted)"), RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", link_name), EPERM);

	/* A copy without a file: by the posture, or as /memfd:. */
	assert_int_equal(guard_deed(g, &g->a, "memfd %s deed ok", g->program), 0);
	guard_path(g, LSM_EXEC, "/memfd:copy", RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "memfd %s deed ok", g->program), EPERM);
	guard_forget_path(g, LSM_EXEC, "/memfd:copy");
	guard_posture(g, ID_A, LSM_EXEC, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "memfd %s deed ok", g->program), EPERM);
}

/* The root of a file system is in no directory, as an unlinked file is in none: what it is mounted on keeps its name.
 */
static void test_mounted_on_the_suffix(void **state)
{
	struct guard *g = *state;
	char mounted[128], link_name[128], here[128];
	const char *below[] = {"mkdir", "rmdir"};

	strcpy(mounted, guard_file(g, GUARD_MOUNT "/dir (deleted)"));
	strcpy(link_name, guard_file(g, "link"));
	strcpy(here, guard_file(g, GUARD_MOUNT "/dir"));
	assert_int_equal(mkdir(guard_file(g, GUARD_MOUNT), 0755), 0);
	assert_int_equal(mount("none", guard_file(g, GUARD_MOUNT), "tmpfs", 0, ""), 0);
	assert_int_equal(mkdir(mounted, 0755), 0);
	assert_int_equal(mount("none", mounted, "tmpfs", 0, ""), 0);
	assert_int_equal(symlink(mounted, link_name), 0);
	guard_bind(g, ID_A, OPEN, 0);
	guard_path(g, LSM_OPEN, here, RULE, LSM_BLOCK);
	strcat(here, "/");
	guard_path(g, LSM_OPEN, here, RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", link_name, O_RDONLY), 0);
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
		assert_int_equal(guard_deed(g, &g->a, "%s %s/new", below[i], link_name), 0);
	guard_path(g, LSM_OPEN, mounted, RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "open %s %d", link_name, O_RDONLY), EPERM);
	assert_string_equal(guard_events(g, 1)->path, mounted);
}

/* A rule's path may be as long as a key; what the kernel puts behind the name of an unlinked file is longer then. */
static void test_unlinked_at_the_limit(void **state)
{
	struct guard *g = *state;
	const size_t suffix = strlen(" (deleted)"), n = strlen(g->dir);
	char path[LSM_PATH_MAX];

	memset(path, 'n', sizeof(path));
	memcpy(path, g->dir, n);
	path[n] = '/';
	guard_bind(g, ID_A, EXEC, 0);
	for (size_t size = LSM_PATH_MAX - suffix - 1; size <= LSM_PATH_MAX; size++) {
		path[size - 1] = '\0';
		assert_int_equal(rename(guard_copy(g, "tool"), path), 0);
		guard_path(g, LSM_EXEC, path, RULE, LSM_BLOCK);
		assert_int_equal(guard_deed(g, &g->a, "unlinked %s deed ok", path), EPERM);
		assert_string_equal(guard_events(g, 1)->path, path);
		assert_int_equal(g->last.bits, LSM_ENFORCED);
		guard_forget_path(g, LSM_EXEC, path);
		path[size - 1] = 'n';
	}
}

/* Both the script and its interpreter are asked for. */
static void test_scripts(void **state)
{
	struct guard *g = *state;
	char script[128], interpreter[128];
	FILE *f;

	strcpy(script, guard_file(g, "script"));
	strcpy(interpreter, guard_copy(g, "interpreter"));
	f = fopen(script, "we");
	assert_non_null(f);
	if (!f)
		return; /* for the analyzer, which does not know cmocka */
	fprintf(f, "#!%s deed\n", interpreter);
	fclose(f);
	assert_int_equal(chmod(script, 0755), 0);
	assert_int_equal(guard_deed(g, &g->a, "exec %s", script), 0);
	guard_bind(g, ID_A, EXEC, 0);
	guard_path(g, LSM_EXEC, script, RULE, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "exec %s", script), EPERM);
	guard_path(g, LSM_EXEC, script, RULE, LSM_ALLOW);
	guard_path(g, LSM_EXEC, interpreter, RULE + 1, LSM_BLOCK);
	assert_int_equal(guard_deed(g, &g->a, "exec %s", script), EPERM);
	assert_int_equal(guard_events(g, 2)->rule, RULE + 1);
}

/* Beyond a key's length directories still count, beyond the kernel's nothing can be told: on_error. */
static void test_long_paths(void **state)
{
	struct guard *g = *state;
	char name[256], *path;
	const struct lsm_event *event;
	int dir = open(g->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;

	memset(name, 'd', 200);
	name[200] = '\0';
	guard_bind(g, ID_A, EXEC, 0);
	guard_path(g, LSM_EXEC, guard_file(g, ""), RULE, LSM_BLOCK);
	path = (char *)(uintptr_t)guard_file(g, name);
	assert_int_equal(mkdir(path, 0755), 0);
	sprintf(path + strlen(path), "/%.100s", name);
	assert_int_equal(rename(guard_copy(g, "tool"), path), 0);
	assert_true(strlen(path) > LSM_PATH_MAX);
	/* g->program is below the directory, too: it is the first exec of each, and not asked for. */
	assert_int_equal(guard_deed(g, &g->a, "exec %s deed ok", path), EPERM);
	event = guard_events(g, 1);
	assert_int_equal(event->rule, RULE);
	assert_int_equal(event->size, LSM_PATH_MAX);
	assert_memory_equal(event->path, path, LSM_PATH_MAX);
	assert_int_equal(event->bits, LSM_ENFORCED | LSM_SUBJECT_CUT);

	for (int depth = 0; depth < 22; depth++) {
		if (mkdirat(dir, name, 0755) < 0)
			assert_int_equal(errno, EEXIST);
		next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(dir);
		dir = next;
	}
	assert_int_equal(renameat(AT_FDCWD, path, dir, "tool"), 0);
	assert_int_equal(fchdir(dir), 0);
	close(dir);
	assert_int_equal(guard_deed(g, &g->a, "exec ./tool deed ok"), 0);
	event = guard_events(g, 1);
	assert_int_equal(event->error, LSM_ERROR_PATH);
	assert_int_equal(event->rule, 0);
	assert_int_equal(event->action, LSM_ALLOW);
	assert_int_equal(guard_stats(g).errors[LSM_ERROR_PATH], 1);
	assert_int_equal(guard_stats(g).errors_blocked, 0);
	g->config.on_error = LSM_BLOCK;
	guard_config(g);
	assert_int_equal(guard_deed(g, &g->a, "exec ./tool deed ok"), EPERM);
	assert_int_equal(guard_events(g, 1)->bits, LSM_ENFORCED);
	assert_int_equal(guard_stats(g).errors[LSM_ERROR_PATH], 2);
	assert_int_equal(guard_stats(g).errors_blocked, 1);
	assert_int_equal(chdir("/"), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read_only_entries, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_overlay, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_io_uring, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_aliases, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_mounted_on_the_suffix, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_unlinked_at_the_limit, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_scripts, guard_begin_test, guard_end_test),
		cmocka_unit_test_setup_teardown(test_long_paths, guard_begin_test, guard_end_test),
	};

	deed_main(argc, argv);
	guard_require();
	return cmocka_run_group_tests(tests, guard_setup, guard_teardown);
}
