/* SPDX-License-Identifier: Apache-2.0 */
/* From one configuration, or file, to the next, while the other modules do not notice. */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

#define REPLAY "added:300 added:301 synced:0"

static void install_both(struct world *w)
{
	world_install(w, "life", NULL);
	world_install(w, "other", NULL);
}

static void look_version(void *arg, const struct module_view *view)
{
	if (!strcmp(view->name, "life"))
		snprintf(arg, 32, "%s", view->version);
}

static void assert_version(struct world *w, const char *want)
{
	char version[32] = "";

	host_modules(w->host, look_version, version);
	assert_string_equal(version, want);
}

static void test_nothing_changed(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, "  - name: life\n    config: {level: 3}\n  - name: other\n");
	world_forget(w);
	/* Elsewhere in the file, in another style, in another order: the same. */
	world_run(w, "  - name: other\n  - name: life\n    config:\n      level: 3\n");
	assert_string_equal(world_steps(w, "life"), "");
	assert_string_equal(world_steps(w, "other"), "");
}

static void test_reconfigure(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, "  - name: life\n  - name: other\n");
	world_forget(w);
	world_run(w, "  - name: life\n    config: {level: 7}\n  - name: other\n");
	assert_string_equal(world_steps(w, "life"), "configure:7");
	assert_string_equal(world_steps(w, "other"), "");
}

static void test_bad_option_changes_nothing(void **state)
{
	struct world *w = *state;
	struct problems p = {};

	install_both(w);
	world_install(w, "plain", NULL);
	world_run(w, "  - name: life\n  - name: other\n");
	world_forget(w);
	/* One is to be removed, one added, one reconfigured, and one is wrong. */
	assert_int_equal(world_apply(w, "  - name: plain\n  - name: life\n    config: {level: 10}\n", &p), -EINVAL);
	assert_int_equal(p.n, 1);
	assert_string_equal(p.list[0].where, "prismd.yaml:6:14");
	assert_string_equal(p.list[0].text, "modules[1].config.level: 10 is out of range: 1 to 9");
	assert_string_equal(world_steps(w, "life"), "");
	assert_string_equal(world_steps(w, "other"), "");
	assert_int_equal(world_state(w, "other"), MODULE_RUNNING);
	problems_done(&p);
}

/* The options of a module that is new in this configuration are checked too, before anything changes. */
static void test_bad_option_of_a_new_module(void **state)
{
	struct world *w = *state;
	struct problems p = {};

	install_both(w);
	world_run(w, "  - name: life\n");
	world_forget(w);
	assert_int_equal(world_apply(w, "  - name: other\n    config: {levle: 1}\n", &p), -EINVAL);
	assert_int_equal(p.n, 1);
	assert_non_null(strstr(p.list[0].text, "did you mean \"level\"?"));
	assert_string_equal(world_steps(w, "life"), "");
	assert_int_equal(world_state(w, "life"), MODULE_RUNNING);
	problems_done(&p);
}

static void test_refused_configure_changes_nothing(void **state)
{
	struct world *w = *state;
	struct problems p = {};

	install_both(w);
	world_run(w, "  - name: other\n  - name: life\n");
	world_forget(w);
	assert_int_equal(world_apply(w,
				     "  - name: other\n    config: {level: 8}\n  - name: life\n    config: {do: "
				     "configure-fails}\n",
				     &p),
			 -EINVAL);
	assert_int_equal(p.n, 1);
	assert_string_equal(p.list[0].text, "module life: configure() failed: rules: no rule matches anything");
	/* The one that had taken its new configuration got the old one back. */
	assert_string_equal(world_steps(w, "other"), "configure:8 configure:5");
	assert_string_equal(world_steps(w, "life"), "");
	problems_done(&p);
}

static void test_replace(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, "  - name: life\n  - name: other\n");
	assert_version(w, "1.0");
	world_forget(w);
	w->facets_changed = 0;
	world_install(w, "next/life", NULL);
	world_run(w, "  - name: life\n  - name: other\n");
	assert_version(w, "2.0");
	assert_string_equal(world_steps(w, "life"), "stop:2 close:0 open:0 configure:5 start:5 " REPLAY);
	assert_string_equal(world_steps(w, "other"), "");
	/* No packet found its facet gone, and no pin. */
	assert_int_equal(w->facets_changed, 0);
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(4) | PRISM_FACET_BIT(5));
	assert_int_equal(access(world_path(w, "pins/life/link"), F_OK), 0);
}

static void test_replacement_drops_stale_claims(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, "  - name: life\n    config: {do: claim-one}\n");
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(4));
	w->facets_changed = 0;
	world_install(w, "next/life", NULL);
	world_run(w, "  - name: life\n    config: {do: claim-none}\n");
	assert_version(w, "2.0");
	assert_int_equal(host_facets(w->host, 300), 0);
	assert_int_equal(w->facets_changed, 1);
}

static void test_replacement_that_fails(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, "  - name: life\n  - name: other\n");
	world_forget(w);
	world_install(w, "next/life", NULL);
	world_run(w, "  - name: life\n    config: {do: start-fails}\n  - name: other\n");
	/* The old file runs on, with the configuration that it had; the reason is there to be seen. */
	assert_version(w, "1.0");
	world_assert_state(w, "life", MODULE_RUNNING,
			   "prismd.yaml:4:5: module life: start() failed: attach ingress: the hook is taken");
	assert_string_equal(world_steps(w, "life"),
			    "stop:2 close:0 open:0 configure:5 start:5 close:0 open:0 configure:5 start:5 " REPLAY);
	assert_int_equal(host_facets(w->host, 300), PRISM_FACET_BIT(4) | PRISM_FACET_BIT(5));
	assert_int_equal(access(world_path(w, "pins/life/link"), F_OK), 0);
	assert_string_equal(world_steps(w, "other"), "");
}

static void test_overwritten_in_place(void **state)
{
	struct world *w = *state;
	FILE *f;

	install_both(w);
	world_run(w, "  - name: life\n  - name: other\n");
	world_forget(w);
	/* What cp does to a library that is in use, and what kills every process that has it mapped. */
	f = fopen(world_path(w, "modules/life.so"), "r+");
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), 0), 0);
	fputs("garbage", f);
	fclose(f);
	world_run(w, "  - name: life\n    config: {level: 2}\n  - name: other\n");
	world_assert_state(
		w, "life", MODULE_RUNNING,
		"prismd.yaml:4:5: module life: DIR/modules/life.so: is not an ELF file: build the module as a "
		"shared object");
	assert_string_equal(world_steps(w, "life"), "configure:2");
}

static void test_add_remove(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, "  - name: life\n");
	world_forget(w);
	world_run(w, "  - name: life\n  - name: other\n");
	assert_string_equal(world_steps(w, "other"), "open:0 configure:5 start:5 " REPLAY);
	world_run(w, "  - name: life\n");
	assert_string_equal(world_steps(w, "other"), "open:0 configure:5 start:5 " REPLAY " stop:3 close:0");
	assert_string_equal(world_steps(w, "life"), "");
	assert_int_equal(access(world_path(w, "pins/other"), F_OK), -1);
	/* Its earlier image serves again. */
	world_run(w, "  - name: life\n  - name: other\n");
	world_assert_state(w, "other", MODULE_RUNNING, "");
}

static void verb(struct world *w, int (*fn)(struct host *, const char *, struct error *, void (*)(void *), void *))
{
	unsigned int want = w->done + 1;
	struct error e = {};

	if (fn(w->host, "life", &e, world_count_done, w))
		fail_msg("%s", e.text);
	world_until(w, world_is_done, &want);
}

static void test_disable_enable(void **state)
{
	struct world *w = *state;
	struct error e = {};

	install_both(w);
	world_run(w, "  - name: life\n  - name: other\n");
	world_forget(w);
	verb(w, host_module_disable);
	world_assert_state(w, "life", MODULE_DISABLED, "");
	world_assert_nothing_left(w, "life");
	/* A reload that changes nothing for this module does not change its mind. */
	world_run(w, "  - name: life\n  - name: other\n");
	world_assert_state(w, "life", MODULE_DISABLED, "");
	assert_int_equal(host_module_reload(w->host, "life", &e, NULL, NULL), -EINVAL);
	verb(w, host_module_enable);
	world_assert_state(w, "life", MODULE_RUNNING, "");
	assert_string_equal(world_steps(w, "life"), "stop:3 close:0 open:0 configure:5 start:5 " REPLAY);
	verb(w, host_module_disable);
	/* One that changes it does. */
	world_run(w, "  - name: life\n    config: {level: 6}\n  - name: other\n");
	world_assert_state(w, "life", MODULE_RUNNING, "");
	assert_int_equal(host_module_enable(w->host, "absent", &e, NULL, NULL), -ENOENT);
	assert_string_equal(e.text, "no module \"absent\" is configured: add it to `modules:`");
	assert_string_equal(world_steps(w, "other"), "");
}

static void test_reload_verb(void **state)
{
	struct world *w = *state;

	install_both(w);
	world_run(w, "  - name: life\n  - name: other\n");
	world_forget(w);
	verb(w, host_module_reload);
	assert_string_equal(world_steps(w, "life"), "stop:2 close:0 open:0 configure:5 start:5 " REPLAY);
	world_install(w, "next/life", NULL);
	verb(w, host_module_reload);
	assert_version(w, "2.0");
	assert_string_equal(world_steps(w, "other"), "");
}

/* A slow module does not keep a second configuration from being taken: the last word counts. */
static void test_overlapping(void **state)
{
	struct world *w = *state;
	struct error e = {};
	unsigned int want;

	install_both(w);
	world_run(w, "  - name: life\n    config: {do: stop-slow}\n  - name: other\n");
	want = w->done + 2;
	assert_int_equal(host_module_disable(w->host, "life", &e, world_count_done, w), 0);
	assert_int_equal(world_state(w, "life"), MODULE_STOPPING);
	assert_int_equal(host_module_enable(w->host, "life", &e, world_count_done, w), 0);
	world_until(w, world_is_done, &want);
	world_assert_state(w, "life", MODULE_RUNNING, "");
	assert_int_equal(access(world_path(w, "pins/life/link"), F_OK), 0);
}

static void test_prepare(void **state)
{
	struct world *w = *state;
	struct settings_source source = {};
	struct settings *settings = NULL;
	struct problems p = {};
	unsigned int want = 1;
	FILE *f = fopen(world_path(w, "prismd.yaml"), "w");

	world_install(w, "loop-constructor", NULL);
	world_install(w, "life", NULL);
	fprintf(f, "module_dirs: [%s]\nmodules:\n  - name: loop-constructor\n  - name: life\n",
		world_path(w, "modules"));
	fclose(f);
	source.path = world_path(w, "prismd.yaml");
	assert_int_equal(settings_load(&source, &settings, &p), 0);
	assert_int_equal(host_prepare(w->host, settings, world_count_done, w), 0);
	world_until(w, world_is_done, &want);
	/* Known by now, so this does not wait the two seconds again. */
	uint64_t before = monotonic_ns();
	assert_int_equal(host_apply(w->host, settings, &p, NULL, NULL), 0);
	assert_true(monotonic_ns() - before < NS_PER_SEC);
	assert_int_equal(world_state(w, "loop-constructor"), MODULE_FAILED);
	assert_int_equal(world_state(w, "life"), MODULE_RUNNING);
	settings_free(settings);
}

/* Pins of a module that an earlier configuration had are not left for ever. */
static void test_sweep(void **state)
{
	struct world *w = *state;
	FILE *f;

	install_both(w);
	assert_int_equal(mkdir(world_path(w, "pins"), 0700), 0);
	assert_int_equal(mkdir(world_path(w, "pins/gone"), 0700), 0);
	assert_int_equal(mkdir(world_path(w, "pins/gone/deep"), 0700), 0);
	f = fopen(world_path(w, "pins/gone/deep/link"), "w");
	assert_non_null(f);
	fclose(f);
	world_run(w, "  - name: life\n");
	assert_int_equal(access(world_path(w, "pins/gone"), F_OK), -1);
	assert_int_equal(access(world_path(w, "pins/life/link"), F_OK), 0);
}

int main(int argc, char **argv)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_changed),
		TEST(test_reconfigure),
		TEST(test_bad_option_changes_nothing),
		TEST(test_bad_option_of_a_new_module),
		TEST(test_refused_configure_changes_nothing),
		TEST(test_replace),
		TEST(test_replacement_drops_stale_claims),
		TEST(test_replacement_that_fails),
		TEST(test_overwritten_in_place),
		TEST(test_add_remove),
		TEST(test_disable_enable),
		TEST(test_reload_verb),
		TEST(test_overlapping),
		TEST(test_prepare),
		TEST(test_sweep),
	};

	return world_main(argc, argv, tests, ARRAY_SIZE(tests));
}
