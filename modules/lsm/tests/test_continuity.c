// SPDX-License-Identifier: Apache-2.0
/*
 * A process that tries what is blocked, without a pause, while rules, programs and daemons are replaced: it never
 * succeeds, and each of its tries is counted once.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "scene.h"

#define RELOADS 1000
#define ROUNDS 3 /* each verifies all programs anew */
#define AUDITED "hook=\"open\",action=\"audit\",rule_set=\"web\",rule=\"secret\""

static const struct prism_module *module;

/* Pins in the module's directory. */
static int pins(struct scene *scene)
{
	const char *path = prism_pin_dir(prism_fake_host_host(scene->fake));
	DIR *dir = path ? opendir(path) : NULL;
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

/* No try came through, and each was counted, by the same rule. */
static void expect_blocked(struct scene *scene, struct hammer *hammer)
{
	struct hammer_counts counts = hammer_stop(hammer);

	assert_true(counts.tries > 0);
	assert_int_equal(counts.passed, 0);
	assert_true(scene_counted(scene, "prism_lsm_decisions_total", ID_WEB) == (double)counts.tries);
	assert_true(scene_counted(scene, "prism_lsm_blocked_total", ID_WEB) == (double)counts.tries);
}

static void test_reloads(void **state)
{
	struct hammer hammer;
	struct scene scene;

	(void)state;
	scene_make(&scene, module, SET RULE);
	hammer = hammer_start(&scene.web, scene.secret);
	for (int i = 0; i < RELOADS; i++) {
		char config[512];

		snprintf(config, sizeof(config),
			 SET RULE "  - {directory: /nowhere-%d/, action: audit}\n"
				  "  exec: [{path: /bin/x, from: /bin/y-%d, action: block}]\n",
			 i, i);
		scene_reconfigure(&scene, i % 2 ? config : SET RULE);
	}
	hammer_wait(&hammer, 10);
	expect_blocked(&scene, &hammer);
	scene_done(&scene);
}

/* Another prismd, with the same file or another one: stop() leaves what works, start() takes it over. */
static void test_next_prismd(void **state)
{
	static const enum prism_stop ways[] = {PRISM_STOP_SHUTDOWN, PRISM_STOP_REPLACE};
	struct hammer hammer;
	struct scene scene;

	(void)state;
	scene_make(&scene, module, SET RULE);
	hammer = hammer_start(&scene.web, scene.secret);
	for (int i = 0; i < ROUNDS; i++) {
		hammer_wait(&hammer, 20);
		assert_int_equal(prism_fake_host_stop(scene.fake, ways[i % 2]), 0);
		hammer_wait(&hammer, 20);
		if (prism_fake_host_start(scene.fake))
			fail_msg("%s", prism_fake_host_reason(scene.fake));
	}
	hammer_wait(&hammer, 20);
	expect_blocked(&scene, &hammer);
	assert_true(prism_fake_host_facet(scene.fake, ID_WEB));
	scene_done(&scene);
}

/* What is audited is not refused by anybody, so that both generations of programs see it while one replaces the other.
 */
static void test_audit_once(void **state)
{
	struct hammer_counts counts;
	struct hammer hammer;
	struct scene scene;

	(void)state;
	scene_make(&scene, module,
		   "rate: 0\n" SET "  open: [{id: secret, path: @/data/secret, access: write, action: audit}]\n");
	hammer = hammer_start(&scene.web, scene.secret);
	for (int i = 0; i < ROUNDS; i++) {
		hammer_wait(&hammer, 20);
		assert_int_equal(prism_fake_host_stop(scene.fake, PRISM_STOP_REPLACE), 0);
		assert_int_equal(prism_fake_host_start(scene.fake), 0);
	}
	hammer_wait(&hammer, 20);
	counts = hammer_stop(&hammer);
	assert_int_equal(counts.passed, counts.tries);
	assert_true(prism_fake_host_sample(scene.fake, "prism_lsm_decisions_total", ID_WEB, AUDITED) ==
		    (double)counts.tries);
	scene_done(&scene);
}

static void test_remove(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, module, SET RULE);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	assert_true(pins(&scene) > 0);
	assert_int_equal(prism_fake_host_stop(scene.fake, PRISM_STOP_REMOVE), 0);
	scene_expect(&scene, "write", "@/data/secret", 0, 0);
	assert_int_equal(pins(&scene), 0);
	assert_false(prism_fake_host_facet(scene.fake, ID_WEB));
	scene_done(&scene);
}

/* A bad configuration changes nothing. */
static void test_refused(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, module, SET RULE);
	assert_true(prism_fake_host_reconfigure(scene.fake, SET "  open: [{path: /x, action: blok}]\n") < 0);
	assert_true(prism_fake_host_reconfigure(scene.fake, "max_rules: 1\n" SET RULE) < 0);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	scene_done(&scene);
}

#define RULES RULE "  - {directory: /nowhere/, action: audit}\n" /* about reading, too */

/* More workloads with a rule set than there is room: on_error says what becomes of the others, and it is said. */
static void no_room(const char *direction, int wanted)
{
	char config[512];
	struct actor actor;
	struct scene scene;

	scene_make(&scene, module, SET RULE);
	actor = actor_start(&scene.other, ACTOR_ARMED);
	assert_int_equal(actor_try(&actor, "read", scene.secret, 0), 0);
	snprintf(config, sizeof(config), "max_identities: 1\nunmanaged: web\non_error: %s\n" SET RULES, direction);
	scene_reconfigure(&scene, config);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	scene_expect(&scene, "read", "@/data/secret", 0, 0);
	assert_int_equal(actor_try(&actor, "write", scene.secret, 0), wanted);
	assert_int_equal(actor_try(&actor, "read", scene.secret, 0), wanted);
	assert_non_null(strstr(prism_fake_host_condition(scene.fake), "raise max_identities (1)"));
	assert_true(prism_fake_host_sample(scene.fake, "prism_lsm_errors_total", 0, "reason=\"no_rules\"") == 2);
	/* The first one goes: there is room. */
	sandbox_identity(scene.fake, PRISM_IDENTITY_REMOVED, ID_WEB, ID_WEB, &scene.web);
	sandbox_identity(scene.fake, PRISM_IDENTITY_RELEASED, ID_WEB, ID_WEB, NULL);
	assert_int_equal(actor_try(&actor, "write", scene.secret, 0), EPERM);
	assert_int_equal(actor_try(&actor, "read", scene.secret, 0), 0);
	assert_string_equal(prism_fake_host_condition(scene.fake), "");
	actor_stop(&actor);
	scene_done(&scene);
}

static void test_no_room(void **state)
{
	(void)state;
	no_room("allow", 0);
	no_room("block", EPERM);
}

static bool nothing_to_say(void *arg)
{
	return !*prism_fake_host_condition(arg);
}

#define ID_THIRD 1003u
#define TWO "max_identities: 2\n"

/* The place of a workload that has no set any more is free; that of what belongs to no workload is for nobody else. */
static void test_places(void **state)
{
	struct sandbox_cgroup third;
	struct actor actor;
	struct scene scene;

	(void)state;
	scene_make(&scene, module, TWO SET RULE);
	sandbox_cgroup_make(scene.fake, "third", &third);
	sandbox_identity(scene.fake, PRISM_IDENTITY_ADDED, ID_THIRD, ID_THIRD, &third);
	actor = actor_start(&third, ACTOR_ARMED);
	assert_non_null(strstr(prism_fake_host_condition(scene.fake), "raise max_identities (2)"));
	assert_int_equal(actor_try(&actor, "write", scene.secret, 0), 0);
	scene_reconfigure(&scene, TWO "unmanaged: web\n" SET RULE);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	scene_reconfigure(&scene, TWO "rule_sets:\n- name: web\n  select: {name: test/1003}\n" RULE);
	assert_true(prism_fake_host_run(scene.fake, 20000, nothing_to_say, scene.fake));
	assert_int_equal(actor_try(&actor, "write", scene.secret, 0), EPERM);
	scene_expect(&scene, "write", "@/data/secret", 0, 0);
	assert_true(prism_fake_host_sample(scene.fake, "prism_lsm_errors_total", 0, "reason=\"no_rules\"") == 1);
	actor_stop(&actor);
	sandbox_cgroup_remove(&third);
	scene_done(&scene);
}

/* A number that has another owner begins anew, with the rules of its own. */
static void test_another_owner(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, module, SET RULE);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	assert_true(scene_counted(&scene, "prism_lsm_decisions_total", ID_WEB) == 1);
	sandbox_identity(scene.fake, PRISM_IDENTITY_REMOVED, ID_WEB, ID_WEB, &scene.web);
	sandbox_identity(scene.fake, PRISM_IDENTITY_RELEASED, ID_WEB, ID_WEB, NULL);
	sandbox_identity(scene.fake, PRISM_IDENTITY_ADDED, ID_WEB, 77, &scene.web);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	assert_true(scene_counted(&scene, "prism_lsm_decisions_total", ID_WEB) == 1);
	scene_done(&scene);
}

/* Above its rate an identity is still refused, but no more said about it than allowed; the loss is said. */
static void test_rate(void **state)
{
	struct hammer hammer;
	struct scene scene;
	json_t *lost;

	(void)state;
	scene_make(&scene, module, "rate: 1\nburst: 5\n" SET RULE);
	hammer = hammer_start(&scene.web, scene.secret);
	hammer_wait(&hammer, 100);
	expect_blocked(&scene, &hammer);
	lost = scene_event(&scene, "lsm.lost", NULL);
	assert_string_equal(text_of(lost, "reason"), "rate_limited");
	json_decref(lost);
	assert_true(prism_fake_host_sample(scene.fake, "prism_lsm_lost_total", 0, "reason=\"rate_limited\"") >= 90);
	scene_done(&scene);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reloads), cmocka_unit_test(test_next_prismd),   cmocka_unit_test(test_audit_once),
		cmocka_unit_test(test_remove),  cmocka_unit_test(test_refused),       cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_places),  cmocka_unit_test(test_another_owner), cmocka_unit_test(test_rate),
	};

	actor_main(argc, argv);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]); /* one test, by its name */
	module = scene_module();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
