// SPDX-License-Identifier: Apache-2.0
/* The module as it ships: what is refused, to whom, and what is said about it. Wants a kernel with BPF LSM. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "scene.h"

#define WEB "rule_sets:\n- name: web\n  select: {name: \"test/1001\"}\n"
#define RULES                                                                                                          \
	"  exec:\n"                                                                                                    \
	"  - {directory: @/tools, action: block}\n"                                                                    \
	"  open:\n"                                                                                                    \
	"  - {id: secret, path: @/data/secret, access: write, action: block}\n"                                        \
	"  connect:\n"                                                                                                 \
	"  - {cidr: 127.0.0.0/8, ports: 4433, action: block}\n"                                                        \
	"  - {family: unix, action: block}\n"                                                                          \
	"  bind:\n"                                                                                                    \
	"  - {cidr: \"::1\", action: block}\n"                                                                         \
	"  capabilities:\n"                                                                                            \
	"  - {name: net_raw, action: block}\n"

static const struct prism_module *module;

static const struct {
	const char *operation, *subject, *hook, *said, *rule;
	unsigned int port;
	int otherwise; /* what it ends with when nothing is blocked */
} attempts[] = {
	{"exec", "@/tools/tool", "exec", "@/tools/tool", "exec[0]", 0, 0},
	{"write", "@/data/secret", "open", "@/data/secret", "secret", 0, 0},
	{"connect", "127.0.0.1", "connect", "127.0.0.1:4433", "connect[0]", PORT, 0},
	{"unix", "-", "connect", "unix", "connect[1]", 0, ECONNREFUSED},
	{"bind", "::1", "bind", "[::1]:4433", "bind[0]", PORT, 0},
	{"raw", "-", "capable", "net_raw", "capabilities[0]", 0, 0},
};

#define ATTEMPTS (sizeof(attempts) / sizeof(attempts[0]))

static void expect_all(struct scene *scene, bool blocked)
{
	for (size_t i = 0; i < ATTEMPTS; i++)
		scene_expect(scene, attempts[i].operation, attempts[i].subject, attempts[i].port,
			     blocked ? EPERM : attempts[i].otherwise);
	/* What stands beside it is never touched. */
	scene_expect(scene, "read", "@/data/secret", 0, 0);
	scene_expect(scene, "exec", "/proc/self/exe", 0, 0);
	scene_expect(scene, "connect", "127.0.0.1", PORT + 1, 0);
	scene_expect(scene, "connect", "::1", PORT, 0);
	scene_expect(scene, "bind", "127.0.0.1", PORT, 0);
}

static void test_rule_and_identity(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, module, "");
	for (int round = 0; round < 2; round++) {
		expect_all(&scene, false);
		assert_false(prism_fake_host_facet(scene.fake, ID_WEB));
		scene_reconfigure(&scene, WEB RULES);
		assert_true(prism_fake_host_facet(scene.fake, ID_WEB));
		assert_false(prism_fake_host_facet(scene.fake, ID_OTHER));
		expect_all(&scene, true);
		/* The same process under the identity that has no rules, and back. */
		scene_expect(&scene, "join", scene.other.path, 0, 0);
		expect_all(&scene, false);
		scene_expect(&scene, "join", scene.web.path, 0, 0);
		expect_all(&scene, true);
		scene_reconfigure(&scene, "");
	}
	expect_all(&scene, false);
	scene_done(&scene);
}

static void expect_said(struct scene *scene, bool enforced, const char *action)
{
	for (size_t i = 0; i < ATTEMPTS; i++) {
		json_t *event;

		scene_forget(scene);
		scene_expect(scene, attempts[i].operation, attempts[i].subject, attempts[i].port,
			     enforced ? EPERM : attempts[i].otherwise);
		event = scene_event(scene, "lsm.verdict", attempts[i].hook);
		assert_int_equal(json_integer_value(json_object_get(event, "identity")), ID_WEB);
		assert_string_equal(text_of(event, "rule_set"), "web");
		assert_string_equal(text_of(event, "rule"), attempts[i].rule);
		assert_string_equal(text_of(event, "action"), action);
		assert_string_equal(text_of(event, "subject"), scene_text(scene, attempts[i].said));
		assert_string_equal(text_of(event, "comm"), "exe");
		assert_true(json_object_get(event, "enforced"));
		assert_int_equal(bool_of(event, "enforced"), enforced);
		json_decref(event);
	}
}

static void test_mode_is_live(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, module, "mode: audit\n" WEB RULES);
	expect_said(&scene, false, "block");
	scene_reconfigure(&scene, "mode: enforce\n" WEB RULES);
	expect_said(&scene, true, "block");
	scene_reconfigure(&scene, "mode: audit\n" WEB RULES);
	expect_said(&scene, false, "block");
	assert_true(prism_fake_host_sample(scene.fake, "prism_lsm_decisions_total", ID_WEB,
					   "hook=\"open\",action=\"block\",rule_set=\"web\",rule=\"secret\"") == 3);
	assert_true(prism_fake_host_sample(scene.fake, "prism_lsm_blocked_total", ID_WEB,
					   "hook=\"open\",action=\"block\",rule_set=\"web\",rule=\"secret\"") == 1);
	scene_done(&scene);
}

static void test_precedence(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, module,
		   WEB "  default: {open: allow, connect: block}\n"
		       "  open:\n"
		       "  - {directory: @/, action: block}\n"
		       "  - {directory: @/data/, action: allow}\n"
		       "  - {path: @/data/secret, access: write, action: block}\n"
		       "  connect:\n"
		       "  - {cidr: 127.0.0.0/8, action: allow}\n"
		       "  - {cidr: 127.0.0.0/8, ports: 1000-2000, action: block}\n"
		       "  - {cidr: 127.0.0.1, ports: 1500, action: allow}\n"
		       "  - {family: ipv6, action: allow}\n");
	scene_expect(&scene, "read", "@/tools/tool", 0, EPERM);
	scene_expect(&scene, "read", "@/data/secret", 0, 0);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	scene_expect(&scene, "create", "@/data/new", 0, 0);
	scene_expect(&scene, "create", "@/new", 0, EPERM);
	scene_expect(&scene, "connect", "127.0.0.1", 999, 0);
	scene_expect(&scene, "connect", "127.0.0.1", 1000, EPERM);
	scene_expect(&scene, "connect", "127.0.0.1", 1500, 0);
	scene_expect(&scene, "connect", "127.0.0.2", 1500, EPERM);
	scene_expect(&scene, "connect", "::1", 1000, 0);
	scene_expect(&scene, "connect", "::ffff:127.0.0.2", 1500, EPERM);
	scene_expect(&scene, "unix", "-", 0, EPERM);
	scene_done(&scene);
}

/* By whom it is run: a rule that names the caller comes before one that does not. */
static void test_from(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, module,
		   WEB "  exec:\n"
		       "  - {path: @/tools/tool, from: $, action: block}\n"
		       "  - {path: @/tools/tool, action: audit}\n");
	scene_expect(&scene, "exec", "@/tools/tool", 0, EPERM);
	scene_reconfigure(&scene, WEB "  exec:\n"
				      "  - {path: @/tools/tool, from: @/nobody, action: block}\n"
				      "  - {path: @/tools/tool, from: $, action: allow}\n"
				      "  - {directory: @/tools, action: block}\n");
	scene_expect(&scene, "exec", "@/tools/tool", 0, 0);
	scene_reconfigure(&scene, WEB "  exec:\n"
				      "  - {path: @/tools/tool, from: @/nobody, action: allow}\n"
				      "  - {directory: @/tools, action: block}\n");
	scene_expect(&scene, "exec", "@/tools/tool", 0, EPERM);
	scene_done(&scene);
}

/* A runtime's process that is moved in is let be until it execs; what was there before the module is not. */
static void test_armed_by_exec(void **state)
{
	struct actor moved_in;
	struct scene scene;

	(void)state;
	scene_make(&scene, module, WEB RULES);
	moved_in = actor_start(&scene.web, ACTOR_UNARMED);
	assert_int_equal(actor_try(&moved_in, "write", scene.secret, 0), 0);
	assert_int_equal(actor_try(&moved_in, "raw", "-", 0), 0);
	actor_stop(&moved_in);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	/* Without the module, then with it again. */
	assert_int_equal(prism_fake_host_stop(scene.fake, PRISM_STOP_REMOVE), 0);
	scene_expect(&scene, "write", "@/data/secret", 0, 0);
	assert_int_equal(prism_fake_host_start(scene.fake), 0);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	scene_done(&scene);
}

#define HOST "rule_sets:\n- name: host\n  select: {name: nobody}\n  bind: [{ports: 4433, action: block}]\n"

/* What belongs to no workload is let be unless it is told otherwise. */
static void test_unmanaged(void **state)
{
	struct actor unmanaged;
	struct scene scene;

	(void)state;
	scene_make(&scene, module, HOST);
	unmanaged = actor_start(NULL, ACTOR_ARMED);
	assert_int_equal(actor_try(&unmanaged, "bind", "127.0.0.1", PORT), 0);
	scene_reconfigure(&scene, "unmanaged: host\n" HOST);
	assert_int_equal(actor_try(&unmanaged, "bind", "127.0.0.1", PORT), EPERM);
	assert_int_equal(actor_try(&unmanaged, "bind", "127.0.0.1", PORT + 1), 0);
	scene_expect(&scene, "bind", "127.0.0.1", PORT, 0);
	scene_reconfigure(&scene, HOST);
	assert_int_equal(actor_try(&unmanaged, "bind", "127.0.0.1", PORT), 0);
	actor_stop(&unmanaged);
	scene_done(&scene);
}

/* The host and its like are selected by nobody, not by `select: {}` either. */
static void test_reserved(void **state)
{
	struct actor actor;
	struct scene scene;

	(void)state;
	scene_make(&scene, module, "rule_sets:\n- name: all\n  select: {}\n" RULES);
	actor = actor_start(&scene.other, ACTOR_ARMED);
	assert_int_equal(actor_try(&actor, "write", scene.secret, 0), EPERM);
	sandbox_identity(scene.fake, PRISM_IDENTITY_ADDED, PRISM_ID_HOST, PRISM_ID_HOST, &scene.other);
	assert_int_equal(actor_try(&actor, "write", scene.secret, 0), 0);
	assert_false(prism_fake_host_facet(scene.fake, PRISM_ID_HOST));
	sandbox_identity(scene.fake, PRISM_IDENTITY_ADDED, ID_OTHER, ID_OTHER, &scene.other);
	assert_int_equal(actor_try(&actor, "write", scene.secret, 0), EPERM);
	actor_stop(&actor);
	scene_done(&scene);
}

static void test_relabel(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, module, WEB RULES);
	scene_expect(&scene, "write", "@/data/secret", 0, EPERM);
	sandbox_identity(scene.fake, PRISM_IDENTITY_ADDED, 1003, 1003, &scene.web);
	expect_all(&scene, false);
	sandbox_identity(scene.fake, PRISM_IDENTITY_ADDED, ID_WEB, ID_WEB, &scene.web);
	expect_all(&scene, true);
	scene_done(&scene);
}

static void test_explain(void **state)
{
	const struct prism_workload web = {.size = sizeof(web), .identity = ID_WEB, .name = "test/1001"};
	const struct prism_workload other = {.size = sizeof(other), .identity = ID_OTHER, .name = "test/1002"};
	struct scene scene;

	(void)state;
	scene_make(&scene, module, "mode: audit\n" WEB RULES "  default: {bind: audit}\n");
	scene_expect(&scene, "write", "@/data/secret", 0, 0);
	assert_string_equal(prism_fake_host_explain(scene.fake, &web),
			    scene_text(&scene, "rule set web, which blocks nothing (mode: audit)\n"
					       "exec: 1 rules, otherwise allow\n"
					       "open: 1 rules, otherwise allow\n"
					       "connect: 2 rules, otherwise allow\n"
					       "bind: 1 rules, otherwise audit\n"
					       "capabilities: 1 rules, otherwise allow\n"
					       "secret block @/data/secret (write): 1 decisions, 0 of them blocked\n"));
	assert_string_equal(prism_fake_host_explain(scene.fake, &other),
			    "no rule set: none of the 1 that there are selects this workload\n");
	scene_done(&scene);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rule_and_identity), cmocka_unit_test(test_mode_is_live),
		cmocka_unit_test(test_precedence),        cmocka_unit_test(test_from),
		cmocka_unit_test(test_armed_by_exec),     cmocka_unit_test(test_unmanaged),
		cmocka_unit_test(test_reserved),          cmocka_unit_test(test_relabel),
		cmocka_unit_test(test_explain),
	};

	actor_main(argc, argv);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]); /* one test, by its name */
	module = scene_module();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
