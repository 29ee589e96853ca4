/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the v2 hierarchy; ids, paths and processes. */
#include "cgroup_world.h"

#include <signal.h>

/* ---- mountinfo ---- */

static int find_in(const char *text, char *buf, size_t size, struct error *e)
{
	char file[] = "/tmp/prism-test-mountinfo-XXXXXX";
	int fd = mkstemp(file), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	*e = (struct error){0};
	r = cgroup_mount_find(file, buf, size, e);
	unlink(file);
	return r;
}

#define V1 "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
#define OTHER "24 1 8:1 / / rw,noatime shared:1 - ext4 /dev/sda1 rw\n"

static void where_it_is_mounted(void **state)
{
	static const struct {
		const char *mountinfo, *path;
	} cases[] = {
		/* v2 alone; with and without optional fields */
		{OTHER "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
		 "/sys/fs/cgroup"},
		{"30 23 0:26 / /sys/fs/cgroup rw - cgroup2 none rw\n", "/sys/fs/cgroup"},
		{"30 23 0:26 / /sys/fs/cgroup rw shared:4 master:2 propagate_from:1 - cgroup2 none rw\n",
		 "/sys/fs/cgroup"},
		/* hybrid */
		{V1 "38 31 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n" OTHER,
		 "/sys/fs/cgroup/unified"},
		/* several: the shortest path, in either order */
		{"40 1 0:31 / /run/cg rw - cgroup2 cgroup2 rw\n41 1 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
		 "/run/cg"},
		{"41 1 0:31 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n40 1 0:31 / /run/cg rw - cgroup2 cgroup2 rw\n",
		 "/run/cg"},
		/* a container's part, and the host's whole tree beside it */
		{"50 1 0:31 /docker/0a1b /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
		 "51 1 0:31 / /host/sys/fs/cgroup ro - cgroup2 cgroup rw\n",
		 "/host/sys/fs/cgroup"},
		/* escapes */
		{"30 23 0:26 / /mnt/a\\040b\\011c\\012d\\134e\\0 rw - cgroup2 none rw\n", "/mnt/a b\tc\nd\\e\\0"},
		/* lines that are none */
		{"\n - \nx\n1 2 3 - cgroup2\n30 23 0:26 / /sys/fs/cgroup rw - cgroup2", "/sys/fs/cgroup"},
	};
	struct error e;
	char buf[256];
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		if (find_in(cases[i].mountinfo, buf, sizeof(buf), &e) < 0)
			fail_msg("case %u: %s", i, e.text);
		assert_string_equal(buf, cases[i].path);
	}
}

static void where_it_is_not_mounted(void **state)
{
	struct error e;
	char buf[16] = "untouched";

	(void)state;
	assert_int_equal(find_in(V1 OTHER, buf, sizeof(buf), &e), -ENOENT);
	assert_contains(e.text,
			"no cgroup v2 hierarchy is mounted (v1 only); boot with systemd.unified_cgroup_hierarchy=1");
	assert_int_equal(find_in(OTHER, buf, sizeof(buf), &e), -ENOENT);
	assert_contains(e.text, "no cgroup v2 hierarchy is mounted; boot with");
	assert_contains(e.text, "mount -t cgroup2 none /sys/fs/cgroup/unified");
	assert_int_equal(find_in("", buf, sizeof(buf), &e), -ENOENT);
	assert_int_equal(find_in("50 1 0:31 /docker/0a1b /sys/fs/cgroup ro - cgroup2 cgroup rw\n", buf, sizeof(buf),
				 &e),
			 -ENOENT);
	assert_contains(e.text, "only a part of the cgroup v2 hierarchy is mounted here");
	/* The type in another column is not it. */
	assert_int_equal(find_in("50 1 0:31 / /mnt/cgroup2 rw - tmpfs cgroup2 rw\n", buf, sizeof(buf), &e), -ENOENT);
	assert_int_equal(find_in("30 23 0:26 / /sys/fs/cgroup/xy rw - cgroup2 n rw\n", buf, sizeof(buf), &e),
			 -ENAMETOOLONG);
	assert_int_equal(cgroup_mount_find("/nonexistent/mountinfo", buf, sizeof(buf), &e), -ENOENT);
	assert_string_equal(e.where, "/nonexistent/mountinfo");
	assert_memory_equal(buf, "untouched", 5);
}

/* ---- ids and paths ---- */

static void ids_and_paths(void **state)
{
	int fd = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX], small[8];
	uint64_t id, same, root;
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	make("a");
	make("a/b c");
	assert_int_equal(cgroup_id_of(fd, "", &root), 0);
	assert_int_equal(cgroup_path_of_id(fd, mount_point, root, path, sizeof(path)), 0);
	assert_string_equal(path, "/");
	assert_int_equal(cgroup_id_of(AT_FDCWD, below("a/b c"), &id), 0);
	assert_int_equal(stat(below("a/b c"), &st), 0);
	assert_int_equal(id, st.st_ino); /* with 64-bit inode numbers they are the same */
	snprintf(path, sizeof(path), "%s/a/b c", top + strlen(mount_point) + 1);
	assert_int_equal(cgroup_id_of(fd, path, &same), 0);
	assert_int_equal(same, id);
	assert_int_equal(cgroup_path_of_id(fd, mount_point, id, path, sizeof(path)), 0);
	assert_string_equal(path, below("a/b c") + strlen(mount_point));
	assert_int_equal(cgroup_path_of_id(fd, mount_point, id, small, sizeof(small)), -ENAMETOOLONG);
	assert_int_equal(cgroup_path_of_id(fd, "/somewhere/else", id, path, sizeof(path)), -EXDEV);
	unmake("a/b c");
	assert_int_equal(cgroup_path_of_id(fd, mount_point, id, path, sizeof(path)), -ESTALE);
	assert_int_equal(cgroup_path_of_id(fd, mount_point, 0xdeadbeefcafe, path, sizeof(path)), -ESTALE);
	unmake("a");
	close(fd);
}

/* Other filesystems have handles of 8 bytes too. */
static void what_is_no_cgroup_has_no_id(void **state)
{
	uint64_t id = 77;

	(void)state;
	assert_true(cgroup_id_of(AT_FDCWD, "/", &id) < 0);
	assert_true(cgroup_id_of(AT_FDCWD, "/tmp", &id) < 0);
	assert_true(cgroup_id_of(AT_FDCWD, "/proc", &id) < 0);
	assert_int_equal(cgroup_id_of(AT_FDCWD, "/nonexistent", &id), -ENOENT);
	assert_int_equal(id, 77);
}

static void the_path_of_a_process(void **state)
{
	char path[PATH_MAX], pid[32], small[4];
	int fd, status;
	pid_t child;

	(void)state;
	make("p");
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		pause();
		_exit(0);
	}
	fd = open(below("p/cgroup.procs"), O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(pid, sizeof(pid), "%d", (int)child);
	assert_int_equal(write(fd, pid, strlen(pid)), strlen(pid));
	close(fd);
	assert_int_equal(cgroup_path_of_pid(child, path, sizeof(path)), 0);
	assert_string_equal(path, below("p") + strlen(mount_point));
	assert_int_equal(cgroup_path_of_pid(child, small, sizeof(small)), -ENAMETOOLONG);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(cgroup_path_of_pid(child, path, sizeof(path)), -ESRCH);
	unmake("p");
}

static void paths_as_people_write_them(void **state)
{
	static const char *const same[] = {"/a/b", "a/b", "a/b/", "/mnt/cg/a/b", "/mnt/cg/a/b//"};
	char path[64], small[4];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(same); i++) {
		assert_int_equal(cgroup_path_below("/mnt/cg", same[i], path, sizeof(path)), 0);
		assert_string_equal(path, "/a/b");
	}
	assert_int_equal(cgroup_path_below("/mnt/cg", "/mnt/cg", path, sizeof(path)), 0);
	assert_string_equal(path, "/");
	/* A name that only begins like the mount. */
	assert_int_equal(cgroup_path_below("/mnt/cg", "/mnt/cgroup", path, sizeof(path)), 0);
	assert_string_equal(path, "/mnt/cgroup");
	assert_int_equal(cgroup_path_below("/mnt/cg", "/abc", small, sizeof(small)), -ENAMETOOLONG);
}

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_it_is_mounted),   cmocka_unit_test(where_it_is_not_mounted),
		cmocka_unit_test(ids_and_paths),         cmocka_unit_test(what_is_no_cgroup_has_no_id),
		cmocka_unit_test(the_path_of_a_process), cmocka_unit_test(paths_as_people_write_them),
	};

	return cmocka_run_group_tests_name("cgroup_mount", tests, NULL, NULL);
}

int main(void)
{
	return name_cgroups() ? run_guarded(run_all, remove_cgroups) : TEST_SKIPPED;
}
