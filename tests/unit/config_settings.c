/* SPDX-License-Identifier: Apache-2.0 */
/* From files to settings: defaults, layers, rules, profiles. */
#include "config_site.h"

static const struct prism_node *at(const struct settings *s, const char *section, const char *key)
{
	return node_get(node_get(s->root, section), key);
}

static void assert_where(const struct prism_node *node, const char *expected)
{
	char where[NODE_WHERE_SIZE];

	assert_non_null(node);
	assert_string_equal(node_where(node, false, where, sizeof(where)), expected);
}

static void test_defaults(void **state)
{
	struct site *site = *state;
	const struct settings *s = load_good(site);

	assert_string_equal(s->node_name, "lat-1");
	assert_string_equal(s->state_dir, "/var/lib/prism");
	assert_string_equal(s->runtime_dir, "/run/prism");
	assert_int_equal(s->on_exit, EXIT_KEEP);
	assert_int_equal(s->callback_deadline_ms, 10000);
	assert_int_equal(s->nice, -10);
	assert_int_equal(s->log_level, LOG_LEVEL_INFO);
	assert_int_equal(s->log_format, LOG_FORMAT_AUTO);
	assert_string_equal(s->bus_dir, "/sys/fs/bpf/prism");
	assert_int_equal(s->bus_capacity, 65536);
	assert_int_equal(s->bus_compat, BUS_COMPAT_LEAN);
	assert_int_equal(s->heartbeat_ms, 2000);
	assert_int_equal(s->stale_after_ms, 10000);
	assert_int_equal(s->reconcile_ms, 60000);
	assert_true(s->cgroup_enabled);
	assert_null(s->cgroup_root);
	assert_true(s->rules->n_child > 5);
	assert_int_equal(s->label_exclude->n_child, 13);
	assert_int_equal(s->label_include->n_child, 0);
	assert_int_equal(s->hold_back_ms, 600000);
	assert_string_equal(s->socket, "/run/prism/prismd.sock");
	assert_null(s->socket_group);
	assert_string_equal(s->metrics, "127.0.0.1:9464");
	assert_int_equal(s->event_buffer, 4096);
	assert_string_equal(s->module_dirs[0], PRISM_MODULE_DIR);
	assert_null(s->module_dirs[1]);
	assert_int_equal(s->n_modules, 0);
	assert_int_equal(s->n_profiles, 0);
	assert_int_equal(s->n_files, 0);
	assert_where(s->rules->child[0], "(default)");
}

static void test_no_main_file(void **state)
{
	struct site *site = *state;
	const struct settings_source source = {.path = site->main};

	site->r = settings_load(&source, &site->s, &site->p);
	assert_int_equal(site->r, -EINVAL);
	assert_null(site->s);
	assert_int_equal(site->p.n, 1);
	assert_string_equal(site->p.list[0].where, site->main);
	assert_string_equal(site->p.list[0].text, "cannot be opened: No such file or directory");
	/* Nobody listening for problems is no reason to crash. */
	assert_int_equal(settings_load(&source, &site->s, NULL), -EINVAL);
}

static void test_layers(void **state)
{
	struct site *site = *state;
	const struct settings *s;

	write_file(site, "prismd.yaml",
		   "bus:\n"
		   "  capacity: 100\n"
		   "  heartbeat: 3s\n"
		   "log: {level: debug}\n"
		   "modules:\n"
		   "  - {name: net, max_crashes: 5, config: {a: 1, b: [x]}}\n"
		   "  - {name: trace}\n"
		   "profiles:\n"
		   "  - name: latency\n"
		   "    hosts: [other, 'lat-*']\n"
		   "    file: profiles/latency.yaml\n"
		   "  - name: edge\n"
		   "    hosts: [edge-*]\n"
		   "    overlay:\n"
		   "      bus: {capacity: 999}\n");
	write_file(site, "conf.d/10-a.yaml", "bus: {capacity: 200}\nmodules: [{name: net, config: {b: [y]}}]\n");
	write_file(site, "conf.d/9-b.yaml", "bus: {capacity: 300, heartbeat: }\nlog:\n");
	write_file(site, "conf.d/.hidden.yaml", "nonsense: [");
	write_file(site, "conf.d/10-a.yaml.bak", "nonsense: [");
	write_file(site, "profiles/latency.yaml", "\nnode: {nice: -15}\nadmin:\n  event_buffer: 64\n");
	site->overlay[0] = "admin.event_buffer=128";
	site->overlay[1] = "modules.net.config.a=2";
	s = load_good(site);

	/* "10-a" stands before "9-b". */
	assert_int_equal(s->bus_capacity, 300);
	assert_where(at(s, "bus", "capacity"), "9-b.yaml:1:7");
	assert_int_equal(s->heartbeat_ms, 3000);
	assert_where(at(s, "bus", "heartbeat"), "prismd.yaml:3:3");
	assert_where(at(s, "bus", "reconcile"), "(default)");
	assert_int_equal(s->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(s->nice, -15);
	assert_where(at(s, "node", "nice"), "latency.yaml:2:8");
	assert_int_equal(s->event_buffer, 128);
	assert_where(at(s, "admin", "event_buffer"), "command line");

	assert_int_equal(s->n_modules, 2);
	assert_string_equal(s->modules[0].name, "net");
	assert_int_equal(s->modules[0].max_crashes, 5);
	assert_true(s->modules[0].enabled);
	assert_where(s->modules[0].node, "prismd.yaml:6:5");
	assert_string_equal(node_get(s->modules[0].config, "a")->text, "2");
	assert_where(node_get(s->modules[0].config, "b"), "10-a.yaml:2:32");
	assert_null(s->modules[1].config);
	assert_ptr_equal(settings_module(s, "trace"), &s->modules[1]);
	assert_null(settings_module(s, "lsm"));

	assert_int_equal(s->n_profiles, 2);
	assert_true(s->profiles[0].active);
	assert_false(s->profiles[1].active);
	assert_string_equal(s->profiles[0].hosts[1], "lat-*");
	assert_null(s->profiles[0].hosts[2]);
	assert_null(s->profiles[1].file);
	assert_string_equal(node_get(node_get(s->profiles[1].overlay, "bus"), "capacity")->text, "999");
	assert_int_equal(s->n_files, 4);
	assert_string_equal(s->files[0], site->main);
	assert_string_equal(strrchr(s->files[1], '/'), "/10-a.yaml");
	assert_string_equal(strrchr(s->files[3], '/'), "/latency.yaml");
	assert_string_equal(s->files[3], s->profiles[0].file);
}

/* The first match wins, so what comes later stands in front. */
static void test_rules(void **state)
{
	struct site *site = *state;
	const struct settings *s;
	size_t builtin;

	builtin = load_good(site)->rules->n_child;
	write_file(site, "conf.d/a.yaml", "sources: {cgroup: {rules: [{match: a1}, {match: a2}]}}\n");
	s = load_good(site);
	assert_int_equal(s->rules->n_child, builtin + 2);
	assert_string_equal(node_get(s->rules->child[1], "match")->text, "a2");
	assert_where(s->rules->child[2], "(default)");

	write_file(site, "conf.d/b.yaml", "sources: {cgroup: {rules: [{match: b}]}}\n");
	write_file(site, "prismd.yaml",
		   "sources: {cgroup: {rules: [{match: main}]}}\n"
		   "profiles: [{name: p, hosts: ['*'], overlay: {sources: {cgroup: {rules: [{match: p}]}}}}]\n");
	s = load_good(site);
	assert_int_equal(s->rules->n_child, 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_string_equal(node_get(s->rules->child[i], "match")->text,
				    ((const char *[]){"p", "b", "a1", "a2", "main"})[i]);
	assert_where(s->rules->child[4], "prismd.yaml:1:28");
	assert_where(s->rules->child[1], "b.yaml:1:28");
	site->overlay[0] = "sources.cgroup.rules=[{match: arg}]";
	s = load_good(site);
	assert_string_equal(node_get(s->rules->child[0], "match")->text, "arg");
	site->overlay[0] = NULL;

	/* The main file can say: none. A file in conf.d cannot. */
	write_file(site, "prismd.yaml", "sources: {cgroup: {rules: []}}\n");
	write_file(site, "conf.d/b.yaml", "sources: {cgroup: {rules: []}}\n");
	assert_int_equal(load_good(site)->rules->n_child, 2);
}

static void test_profiles_choose(void **state)
{
	static const struct {
		const char *hostname, *name, *hosts;
		bool active;
	} cases[] = {
		{"web-1", "", "[web-1]", true},       {"web-1", "", "[web-2]", false},
		{"web-1", "", "[db-*, web-*]", true}, {"web-1", "", "[]", false},
		{"web-1", "", "['web-[12]']", true},  {"WEB-1", "", "[web-1]", true},
		{"web-1", "db-9", "[db-*]", true},    {"web-1", "db-9", "[web-*]", true},
		{"web-10", "", "['web-?']", false},   {"web-1.example.org", "", "[web-1]", false},
	};
	struct site *site = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char yaml[256];

		snprintf(yaml, sizeof(yaml),
			 "node: {name: '%s'}\nprofiles: [{name: p, hosts: %s, overlay: {bus: {capacity: 7}}}]\n",
			 cases[i].name, cases[i].hosts);
		write_file(site, "prismd.yaml", yaml);
		site->hostname = cases[i].hostname;
		assert_int_equal(load_good(site)->profiles[0].active, cases[i].active);
		assert_int_equal(site->s->bus_capacity == 7, cases[i].active);
	}
	/* By a name from the command line, and laid over in the order of the list. */
	write_file(site, "prismd.yaml",
		   "profiles:\n- {name: a, hosts: [x], overlay: {bus: {capacity: 1, reconcile: 2s}}}\n"
		   "- {name: b, hosts: [x], overlay: {bus: {capacity: 2}}}\n");
	site->overlay[0] = "node.name=x";
	load_good(site);
	assert_int_equal(site->s->bus_capacity, 2);
	assert_int_equal(site->s->reconcile_ms, 2000);
}

/* By labels of the Node object, which prismd has left in the state directory. */
static void test_profiles_by_node_label(void **state)
{
	static const struct {
		const char *labels;
		bool active;
	} cases[] = {
		{"[pool]", true},        {"[pool=fast]", true},  {"['pool=f*']", true}, {"[pool=slow]", false},
		{"[poo]", false},        {"[pool=]", false},     {"[]", false},         {"[x, zone=a]", true},
		{"['a.b/c=']", true},    {"['a.b/c']", true},    {"['*']", false},      {"[zone=a=b]", false},
		{"['empty=?*']", false}, {"[pool=FAST]", false},
	};
	struct site *site = *state;
	char yaml[512];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(yaml, sizeof(yaml),
			 "node: {state_dir: '%s'}\n"
			 "profiles: [{name: p, node_labels: %s, overlay: {bus: {capacity: 7}}}]\n",
			 site->dir, cases[i].labels);
		write_file(site, "prismd.yaml", yaml);
		write_file(site, NODE_LABELS_FILE, "a.b/c=\nempty=\npool=fast\nzone=a\n");
		if (load_good(site)->profiles[0].active != cases[i].active)
			fail_msg("%s", cases[i].labels);
		assert_int_equal(site->s->bus_capacity == 7, cases[i].active);
		assert_int_equal(site->s->by_node_label, strcmp(cases[i].labels, "[]") != 0);
	}
	/* Without Kubernetes, and without the file, there are no labels. */
	snprintf(yaml, sizeof(yaml),
		 "node: {state_dir: '%s'}\nprofiles: [{name: p, node_labels: [pool], overlay: {bus: {capacity: 7}}}]\n",
		 site->dir);
	write_file(site, "prismd.yaml", yaml);
	assert_true(load_good(site)->profiles[0].active);
	site->overlay[0] = "sources.kubernetes.enabled=false";
	assert_false(load_good(site)->profiles[0].active);
	site->overlay[0] = "node.state_dir=/nonexistent";
	assert_false(load_good(site)->profiles[0].active);
}

/* What kubelet calls this node. */
static void test_kubernetes_node_name(void **state)
{
	struct site *site = *state;

	unsetenv("NODE_NAME");
	site->hostname = "Node-A";
	assert_string_equal(load_good(site)->kubernetes.node_name, "node-a");
	setenv("NODE_NAME", "told", 1);
	assert_string_equal(load_good(site)->kubernetes.node_name, "told");
	site->overlay[0] = "sources.kubernetes.node_name=Written";
	assert_string_equal(load_good(site)->kubernetes.node_name, "Written");
	unsetenv("NODE_NAME");
	assert_int_equal(site->s->kubernetes.enabled, KUBERNETES_AUTO);
	assert_null(site->s->kubernetes.kubeconfig);
	assert_int_equal(site->s->kubernetes.max_object, 4 << 20);
}

/* A profile's file lies relative to the file that names it. */
static void test_profile_files(void **state)
{
	struct site *site = *state;

	write_file(site, "conf.d/a.yaml", "profiles: [{name: p, hosts: ['*'], file: p.overlay}]\n");
	write_file(site, "conf.d/p.overlay", "bus: {capacity: 5}\n");
	assert_int_equal(load_good(site)->bus_capacity, 5);
	write_file(site, "profiles/q.yaml", "bus: {capacity: 6}\n");
	site->overlay[0] = "profiles=[{name: q, hosts: ['lat-?'], file: profiles/q.yaml}]";
	assert_int_equal(load_good(site)->bus_capacity, 6);
}

static void test_special_defaults(void **state)
{
	struct site *site = *state;
	const struct settings *s;

	write_file(site, "prismd.yaml",
		   "node: {runtime_dir: /run/x, name: n1}\nbus: {compat: v1-exact}\n"
		   "admin: {metrics: off}\n");
	s = load_good(site);
	assert_string_equal(s->socket, "/run/x/prismd.sock");
	assert_string_equal(s->node_name, "n1");
	assert_int_equal(s->bus_capacity, 1 << 20);
	assert_null(s->metrics);
	write_file(site, "prismd.yaml",
		   "bus: {compat: v1-exact, capacity: 1048576}\nadmin: {metrics: '[::1]:0', socket: /x}\n");
	s = load_good(site);
	assert_string_equal(s->metrics, "[::1]:0");
	assert_string_equal(s->socket, "/x");
}

static void test_conf_d_limits(void **state)
{
	struct site *site = *state;
	struct settings_source source = {.path = site->main, .optional = true, .conf_d = "/nonexistent/conf.d"};
	char name[32];

	site->r = settings_load(&source, &site->s, &site->p);
	assert_int_equal(site->r, -EINVAL);
	assert_string_equal(site->p.list[0].where, "/nonexistent/conf.d");
	assert_string_equal(site->p.list[0].text, "cannot be read: No such file or directory");
	for (unsigned int i = 0; i < 257; i++) {
		snprintf(name, sizeof(name), "conf.d/%03u.yaml", i);
		write_file(site, name, i == 255 ? "bus: {capacity: x}" : "bus: {capacity: 5}\n");
	}
	load(site);
	assert_int_equal(site->p.n, 2);
	assert_string_equal(site->p.list[0].text, "257 files, more than the limit of 256");
	assert_string_equal(site->p.list[1].where, "255.yaml:1:7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(test_defaults),
		SITE_TEST(test_no_main_file),
		SITE_TEST(test_layers),
		SITE_TEST(test_rules),
		SITE_TEST(test_profiles_by_node_label),
		SITE_TEST(test_kubernetes_node_name),
		SITE_TEST(test_profiles_choose),
		SITE_TEST(test_profile_files),
		SITE_TEST(test_special_defaults),
		SITE_TEST(test_conf_d_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
