/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of cgroups. */
#include "test.h"

#include "base/util.h"
#include "cgroup/tree.h"

static struct cgroup *add(struct cgroups *t, struct cgroup *parent, uint64_t id, const char *name)
{
	struct cgroup *cg = NULL;

	assert_int_equal(cgroup_add(t, parent, id, name, &cg), 0);
	return cg;
}

static const char *path_of(const struct cgroup *cg)
{
	static char buf[4096];

	assert_int_equal(cgroup_path(cg, buf, sizeof(buf)), 0);
	return buf;
}

static void nodes_come_and_go(void **state)
{
	struct cgroups *t = cgroups_new(1);
	struct cgroup *root = cgroups_root(t), *a, *b, *c, *known = NULL;

	(void)state;
	a = add(t, root, 2, "a");
	b = add(t, root, 3, "b");
	c = add(t, a, UINT64_MAX, "c");
	assert_int_equal(cgroups_count(t), 4);
	assert_int_equal(root->level, 0);
	assert_int_equal(a->level, 1);
	assert_int_equal(c->level, 2);
	assert_ptr_equal(c->parent, a);
	assert_ptr_equal(cgroup_by_id(t, UINT64_MAX), c);
	assert_null(cgroup_by_id(t, 77));
	assert_int_equal(cgroup_add(t, b, 2, "again", &known), -EEXIST);
	assert_ptr_equal(known, a);
	assert_ptr_equal(known->parent, root);

	/* First, middle and last of siblings. */
	add(t, root, 4, "d");
	cgroup_remove(t, b);
	assert_null(cgroup_by_path(t, "/b"));
	assert_ptr_equal(cgroup_by_path(t, "/a"), a);
	assert_ptr_equal(cgroup_by_path(t, "/d"), cgroup_by_id(t, 4));
	cgroup_remove(t, cgroup_by_id(t, 4));
	assert_ptr_equal(root->child, a);
	assert_null(a->next);
	assert_null(a->prev);
	cgroup_remove(t, c);
	cgroup_remove(t, a);
	assert_null(root->child);
	assert_int_equal(cgroups_count(t), 1);
	cgroups_free(t);
	cgroups_free(NULL);
}

static void paths(void **state)
{
	struct cgroups *t = cgroups_new(1);
	struct cgroup *root = cgroups_root(t), *a, *ab, *c;
	char buf[16];

	(void)state;
	a = add(t, root, 2, "a");
	ab = add(t, root, 3, "ab");
	c = add(t, ab, 4, "c.slice");
	assert_string_equal(path_of(root), "/");
	assert_string_equal(path_of(c), "/ab/c.slice");
	assert_ptr_equal(cgroup_by_path(t, "/"), root);
	assert_ptr_equal(cgroup_by_path(t, ""), root);
	assert_ptr_equal(cgroup_by_path(t, "/ab/c.slice"), c);
	assert_ptr_equal(cgroup_by_path(t, "ab//c.slice/"), c);
	assert_ptr_equal(cgroup_by_path(t, "/a"), a);
	assert_null(cgroup_by_path(t, "/abc"));
	assert_null(cgroup_by_path(t, "/ab/c"));
	assert_null(cgroup_by_path(t, "/a/c.slice"));
	/* Exactly enough, and a byte less. */
	assert_int_equal(cgroup_path(c, buf, strlen("/ab/c.slice") + 1), 0);
	assert_int_equal(cgroup_path(c, buf, strlen("/ab/c.slice")), -ENAMETOOLONG);
	assert_int_equal(cgroup_path(root, buf, 2), 0);
	assert_int_equal(cgroup_path(root, buf, 1), -ENAMETOOLONG);

	assert_int_equal(cgroup_rename(ab, "a longer name"), 0);
	assert_string_equal(path_of(c), "/a longer name/c.slice");
	assert_null(cgroup_by_path(t, "/ab"));
	assert_ptr_equal(cgroup_by_path(t, "/a longer name/c.slice"), c);
	cgroups_free(t);
}

static char walked[256];

static void note(void *arg, struct cgroup *cg)
{
	(void)arg;
	strcat(walked, cg->parent ? cg->name : "/");
	/* A parent comes before its children. */
	if (cg->parent)
		assert_true(cg->parent->mark || !strchr(walked, '/'));
	cg->mark = true;
}

static void a_walk_is_depth_first(void **state)
{
	struct cgroups *t = cgroups_new(1);
	struct cgroup *root = cgroups_root(t), *b, *d;

	(void)state;
	walked[0] = '\0';
	cgroup_walk(root, note, NULL);
	assert_string_equal(walked, "/");
	b = add(t, root, 2, "b");
	add(t, root, 3, "a");
	d = add(t, b, 4, "d");
	add(t, d, 5, "e");
	add(t, b, 6, "c");
	walked[0] = '\0';
	cgroup_walk(root, note, NULL);
	assert_string_equal(walked, "/abcde"); /* the latest child first */
	walked[0] = '\0';
	cgroup_walk(d, note, NULL);
	assert_string_equal(walked, "de"); /* and not its siblings */
	cgroups_free(t);
}

static void count(void *arg, struct cgroup *cg)
{
	(void)cg;
	++*(unsigned int *)arg;
}

static void many_nodes(void **state)
{
	struct cgroups *t = cgroups_new(1);
	struct cgroup *cg, *deep = cgroups_root(t);
	unsigned int seen = 0;
	char name[32];
	uint64_t i;

	(void)state;
	/* A wide and deep tree: each node below the one of a tenth of its id. */
	for (i = 2; i <= 100000; i++) {
		snprintf(name, sizeof(name), "n%u", (unsigned int)i);
		add(t, cgroup_by_id(t, i / 10 ? i / 10 : 1), i, name);
	}
	assert_int_equal(cgroups_count(t), 100000);
	cgroup_walk(cgroups_root(t), count, &seen);
	assert_int_equal(seen, 100000);
	assert_string_equal(path_of(cgroup_by_id(t, 98765)), "/n9/n98/n987/n9876/n98765");
	assert_int_equal(cgroup_by_path(t, "/n9/n98/n987/n9876/n98765")->id, 98765);
	for (i = 100000; i > 1; i--)
		cgroup_remove(t, cgroup_by_id(t, i));
	assert_int_equal(cgroups_count(t), 1);
	/* Deeper than any stack that a walk could use up. */
	for (i = 2; i <= 60000; i++)
		deep = add(t, deep, i, "x");
	assert_int_equal(deep->level, 59999);
	seen = 0;
	cgroup_walk(cgroups_root(t), count, &seen);
	assert_int_equal(seen, 60000);
	for (cg = deep; cg->parent; cg = deep) {
		deep = cg->parent;
		cgroup_remove(t, cg);
	}
	cgroups_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_come_and_go),
		cmocka_unit_test(paths),
		cmocka_unit_test(a_walk_is_depth_first),
		cmocka_unit_test(many_nodes),
	};

	return cmocka_run_group_tests_name("cgroup_tree", tests, NULL, NULL);
}
