// SPDX-License-Identifier: Apache-2.0
/*
 * New programs with maps of other sizes, of which the earlier programs share some: while one generation replaces the
 * other, what is blocked never succeeds, and what is allowed always does.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "scene.h"

static const struct prism_module *module;

/* One process that tries what is blocked, one that does what is allowed. */
struct pair {
	struct hammer blocked;
	struct hammer allowed;
};

static struct pair pair_start(const struct scene *scene)
{
	return (struct pair){.blocked = hammer_start(&scene->web, scene->secret),
			     .allowed = hammer_start(&scene->web, scene->tool)};
}

static void pair_wait(const struct pair *pair)
{
	hammer_wait(&pair->blocked, 20);
	hammer_wait(&pair->allowed, 20);
}

/* Each was judged by its rules throughout. Gives the tries of what is blocked. */
static double pair_stop(struct pair *pair, struct scene *scene)
{
	static const char *const reasons[] = {"reason=\"no_path\"", "reason=\"no_rules\"", "reason=\"no_mark\""};
	struct hammer_counts blocked = hammer_stop(&pair->blocked), allowed = hammer_stop(&pair->allowed);

	assert_int_equal(blocked.passed, 0);
	assert_int_equal(allowed.passed, allowed.tries);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		assert_true(prism_fake_host_sample(scene->fake, "prism_lsm_errors_total", 0, reasons[i]) == 0);
	return (double)blocked.tries;
}

/* Another max_counters begins the counters anew. */
static void resize_counters(struct scene *scene, const char *options)
{
	struct pair pair = pair_start(scene);
	char config[512];
	double tries;

	pair_wait(&pair);
	snprintf(config, sizeof(config), "%smax_counters: 100\n" SET RULE, options);
	scene_reconfigure(scene, config);
	pair_wait(&pair);
	tries = pair_stop(&pair, scene);
	assert_in_range(scene_counted(scene, "prism_lsm_decisions_total", ID_WEB), 1, tries);
}

/* New programs, with new maps for those that change, of which the earlier ones share the others. */
static void resize(const char *on_error)
{
	static const char *const sizes[] = {"max_rules: 200\n", "max_identities: 100\n", "ring_size: 64KiB\n"};
	char options[256], config[512];
	struct scene scene;
	struct pair pair;

	snprintf(options, sizeof(options), "on_error: %s\n", on_error);
	snprintf(config, sizeof(config), "%s" SET RULE, options);
	scene_make(&scene, module, config);
	scene_reconfigure(&scene, config); /* other numbers than those of a new map */
	pair = pair_start(&scene);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		pair_wait(&pair);
		strcat(options, sizes[i]);
		snprintf(config, sizeof(config), "%s" SET RULE, options);
		scene_reconfigure(&scene, config);
	}
	pair_wait(&pair);
	assert_true(pair_stop(&pair, &scene) == scene_counted(&scene, "prism_lsm_decisions_total", ID_WEB));
	resize_counters(&scene, options);
	scene_done(&scene);
}

static void test_sizes_allow(void **state)
{
	(void)state;
	resize("allow");
}

static void test_sizes_block(void **state)
{
	(void)state;
	resize("block");
}

/* The next prismd has another configuration: here another default, for the fake host starts with the text it has. */
static void restart(struct scene *scene, struct prism_option *options, const char *name, const char *value)
{
	for (size_t i = 0; i < module->n_options; i++) {
		if (!strcmp(options[i].name, name))
			options[i].fallback = value;
	}
	assert_int_equal(prism_fake_host_stop(scene->fake, PRISM_STOP_SHUTDOWN), 0);
	if (prism_fake_host_start(scene->fake))
		fail_msg("%s", prism_fake_host_reason(scene->fake));
}

static void restart_sizes(const char *on_error)
{
	struct prism_option options[16];
	struct prism_module other = *module;
	char config[256];
	struct scene scene;
	struct pair pair;

	assert_in_range(module->n_options, 1, sizeof(options) / sizeof(options[0]));
	memcpy(options, module->options, module->n_options * sizeof(options[0]));
	other.options = options;
	snprintf(config, sizeof(config), "on_error: %s\n" SET RULE, on_error);
	scene_make(&scene, &other, config);
	scene_reconfigure(&scene, config);
	pair = pair_start(&scene);
	pair_wait(&pair);
	restart(&scene, options, "max_rules", "300");
	pair_wait(&pair);
	restart(&scene, options, "max_identities", "200");
	pair_wait(&pair);
	assert_true(pair_stop(&pair, &scene) == scene_counted(&scene, "prism_lsm_decisions_total", ID_WEB));
	scene_done(&scene);
}

static void test_next_sizes(void **state)
{
	(void)state;
	restart_sizes("allow");
	restart_sizes("block");
}

#define ONE "rule_sets:\n- name: web\n  select: {name: test/1001}\n"

/* A workload that gets a rule set along with other sizes: the earlier programs have no place for it, and let it be. */
static void test_newcomer(void **state)
{
	struct hammer_counts counts;
	struct hammer hammer;
	struct actor actor;
	struct scene scene;

	(void)state;
	scene_make(&scene, module, "on_error: block\n" ONE RULE);
	hammer = hammer_start(&scene.other, scene.tool);
	actor = actor_start(&scene.other, ACTOR_ARMED);
	assert_int_equal(actor_try(&actor, "write", scene.secret, 0), 0);
	scene_reconfigure(&scene, "on_error: block\nmax_identities: 100\n" SET RULE);
	assert_int_equal(actor_try(&actor, "write", scene.secret, 0), EPERM);
	hammer_wait(&hammer, 20);
	counts = hammer_stop(&hammer);
	assert_int_equal(counts.passed, counts.tries);
	actor_stop(&actor);
	scene_done(&scene);
}

static int open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

/* Descriptors run out when some of the new programs are attached. */
static void fail_half_way(struct scene *scene, const char *config, rlim_t descriptors)
{
	struct rlimit before, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){.rlim_cur = descriptors, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_true(prism_fake_host_reconfigure(scene->fake, scene_text(scene, config)) < 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	if (strncmp(prism_fake_host_reason(scene->fake), "attach lsm_", strlen("attach lsm_")) != 0 &&
	    strncmp(prism_fake_host_reason(scene->fake), "lsm: pinned links", strlen("lsm: pinned links")) != 0)
		fail_msg("failed elsewhere: %s", prism_fake_host_reason(scene->fake));
}

static bool may_write(void *arg)
{
	struct scene *scene = arg;

	return actor_try(&scene->actor, "write", scene->secret, 0) == 0;
}

/* What was attached is attached again, with its own maps: some that the new programs shared, or had others for. */
static void test_half_way(void **state)
{
	static const char *const configs[] = {"ring_size: 64KiB\n" SET RULE, "max_rules: 200\n" SET RULE};
	struct hammer_counts counts;
	struct hammer hammer;
	struct scene scene;
	int with, without;

	(void)state;
	scene_make(&scene, module, SET RULE);
	hammer = hammer_start(&scene.web, scene.secret);
	assert_int_equal(prism_fake_host_stop(scene.fake, PRISM_STOP_SHUTDOWN), 0);
	without = open_descriptors();
	assert_int_equal(prism_fake_host_start(scene.fake), 0);
	with = open_descriptors();
	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++)
		fail_half_way(&scene, configs[i], (rlim_t)with + (rlim_t)(with - without) + 8);
	counts = hammer_stop(&hammer);
	assert_int_equal(counts.passed, 0);
	scene_reconfigure(&scene, SET "  open: [{path: /nowhere, action: block}]\n");
	/* The links of the new ones go some milliseconds after their pins. */
	assert_true(prism_fake_host_run(scene.fake, 20000, may_write, &scene));
	scene_reconfigure(&scene, configs[0]);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	scene_done(&scene);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_allow), cmocka_unit_test(test_sizes_block),
		cmocka_unit_test(test_next_sizes),  cmocka_unit_test(test_newcomer),
		cmocka_unit_test(test_half_way),
	};

	actor_main(argc, argv);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]); /* one test, by its name */
	module = scene_module();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
