/* SPDX-License-Identifier: Apache-2.0 */
/* What each mistake in a configuration reads like, and that none hides another. */
#include "config_site.h"

/* Exactly these problems, in this order; the list ends with NULL. */
static void assert_problems(struct site *site, ...)
{
	char message[sizeof(struct error)];
	const char *expected;
	va_list args;
	size_t n = 0;

	load(site);
	va_start(args, site);
	while ((expected = va_arg(args, const char *))) {
		assert_true(n < site->p.n);
		assert_string_equal(error_format(&site->p.list[n++], message, sizeof(message)), expected);
	}
	va_end(args);
	if (n < site->p.n)
		fail_msg("one more: %s", error_format(&site->p.list[n], message, sizeof(message)));
	assert_int_equal(site->r, -EINVAL);
	assert_null(site->s);
}

#define KNOWN_MODULE_KEYS "name, file, enabled, required, sha256, max_crashes, stop_deadline, config"

static const struct {
	const char *yaml, *message;
} mistakes[] = {
	{"- a", "prismd.yaml:1:1: expected a map, found a list"},
	{"nodes: {}", "prismd.yaml:1:1: nodes: unknown key (did you mean \"node\"?); known keys: node, log, bus, "
		      "sources, identity, admin, module_dirs, modules, profiles"},
	{"bus: 5", "prismd.yaml:1:1: bus: expected a map, found \"5\""},
	{"bus:\n  capactiy: 5", "prismd.yaml:2:3: bus.capactiy: unknown key (did you mean \"capacity\"?); known "
				"keys: dir, capacity, compat, heartbeat, stale_after, reconcile"},
	{"bus:\n  capacity: 0", "prismd.yaml:2:3: bus.capacity: 0 is out of range: 1 to 1048576"},
	{"bus: {capacity: 1048577}", "prismd.yaml:1:7: bus.capacity: 1048577 is out of range: 1 to 1048576"},
	{"bus: {heartbeat: 10ms}", "prismd.yaml:1:7: bus.heartbeat: 10ms is out of range: 100ms to 1h"},
	{"bus: {heartbeat: 5}", "prismd.yaml:1:7: bus.heartbeat: \"5\" is not a duration: write a number with "
				"ns, us, ms, s, m, h, d"},
	{"bus: {dir: prism}", "prismd.yaml:1:7: bus.dir: \"prism\" is not an absolute path (it must begin with /)"},
	{"bus: {heartbeat: 2s, stale_after: 5s}", "prismd.yaml:1:22: bus.stale_after: 5s is less than 3 "
						  "heartbeats; bus.heartbeat is 2s, so at least 6s"},
	{"bus: {heartbeat: 4s}", "prismd.yaml:1:7: bus.heartbeat: 4s needs bus.stale_after of at least 3 "
				 "heartbeats (12s), which is 10s"},
	{"bus: {compat: v1}", "prismd.yaml:1:7: bus.compat: \"v1\" is not one of lean, v1-exact"},
	{"bus: {compat: v1-exact, capacity: 65536}",
	 "prismd.yaml:1:25: bus.capacity: 65536 cannot be had with bus.compat v1-exact, whose map has 1048576 "
	 "entries; leave it out"},
	{"node: {name: 'a b'}",
	 "prismd.yaml:1:8: node.name: \"a b\" is not a node name: letters, digits, \".\", \"-\" and \"_\""},
	{"node: {nice: 20}", "prismd.yaml:1:8: node.nice: 20 is out of range: -20 to 19"},
	{"node: {on_exit: remvoe}", "prismd.yaml:1:8: node.on_exit: \"remvoe\" is not one of keep, remove (did "
				    "you mean \"remove\"?)"},
	{"node: {state_dir: ''}",
	 "prismd.yaml:1:8: node.state_dir: \"\" is not an absolute path (it must begin with /)"},
	{"node: {runtime_dir: "
	 "/run/01234567890123456789012345678901234567890123456789012345678901234567890123456"
	 "789012345678901234567890123456789}",
	 "prismd.yaml:1:8: node.runtime_dir: leaves no room for the socket's name: give admin.socket a shorter "
	 "path"},
	{"log: {level: warn}", "prismd.yaml:1:7: log.level: \"warn\" is not one of error, warning, info, debug "
			       "(did you mean \"warning\"?)"},
	{"sources: {kube: {}}", "prismd.yaml:1:11: sources.kube: unknown key; known keys: cgroup, kubernetes"},
	{"sources: {kubernetes: {enabled: yes}}",
	 "prismd.yaml:1:24: sources.kubernetes.enabled: \"yes\" is not one of auto, true, false"},
	{"sources: {kubernetes: {kubeconfig: a/b}}",
	 "prismd.yaml:1:24: sources.kubernetes.kubeconfig: \"a/b\" is not an absolute path (it must begin with /)"},
	{"sources: {kubernetes: {max_object: 1KiB}}",
	 "prismd.yaml:1:24: sources.kubernetes.max_object: 1KiB is out of range: 64KiB to 1GiB"},
	{"sources: {cgroup: {enabled: yes}}",
	 "prismd.yaml:1:20: sources.cgroup.enabled: \"yes\" is not true or false (did you mean \"true\"?)"},
	{"sources: {cgroup: {rules: {match: x}}}",
	 "prismd.yaml:1:20: sources.cgroup.rules: expected a list of rules, found a map"},
	{"sources:\n  cgroup:\n    rules:\n      - x",
	 "prismd.yaml:4:9: sources.cgroup.rules[0]: expected a rule, which is a map with match:, found \"x\""},
	{"identity: {labels: {exclude: job}}",
	 "prismd.yaml:1:21: identity.labels.exclude: expected a list, found \"job\" (write it in [ ])"},
	{"identity: {labels: {include: ['a*b']}}",
	 "prismd.yaml:1:31: identity.labels.include[0]: \"a*b\": a * stands at the end only"},
	{"identity: {labels: {include: ['']}}", "prismd.yaml:1:31: identity.labels.include[0]: is empty"},
	{"identity: {hold_back: 8d}", "prismd.yaml:1:12: identity.hold_back: 8d is out of range: 0s to 7d"},
	{"admin: {metrics: 'localhost:9464'}", "prismd.yaml:1:9: admin.metrics: \"localhost:9464\" is not an "
					       "address and port, as in 127.0.0.1:9464 or "
					       "\"[::1]:9464\", or off"},
	{"admin: {metrics: 127.0.0.1:65536}",
	 "prismd.yaml:1:9: admin.metrics: \"127.0.0.1:65536\" is not an address and port, as in 127.0.0.1:9464 "
	 "or \"[::1]:9464\", or off"},
	{"admin: {metrics: 127.0.0.1}",
	 "prismd.yaml:1:9: admin.metrics: \"127.0.0.1\" is not an address and port, as in 127.0.0.1:9464 or "
	 "\"[::1]:9464\", or off"},
	{"admin: {socket: prismd.sock}",
	 "prismd.yaml:1:9: admin.socket: \"prismd.sock\" is not an absolute path (it must begin with /)"},
	{"admin: {socket: /012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
	 "456789012345678901234567}",
	 "prismd.yaml:1:9: admin.socket: is 109 bytes long; the path of a unix socket has at most 107"},
	{"admin: {event_buffer: 1}", "prismd.yaml:1:9: admin.event_buffer: 1 is out of range: 16 to 1048576"},
	{"module_dirs: /usr/lib",
	 "prismd.yaml:1:1: module_dirs: expected a list, found \"/usr/lib\" (write it in [ ])"},
	{"module_dirs: [/a, b]",
	 "prismd.yaml:1:19: module_dirs[1]: \"b\" is not an absolute path (it must begin with /)"},
	{"modules: {name: net}", "prismd.yaml:1:1: modules: expected a list, found a map"},
	{"modules: [net]", "prismd.yaml:1:11: modules[0]: expected a map, found \"net\""},
	{"modules: [{file: x.so}]", "prismd.yaml:1:11: modules[0]: key \"name\" is required, but is missing"},
	{"modules: [{name: Net}]",
	 "prismd.yaml:1:12: modules[0].name: \"Net\" is not a name: [a-z][a-z0-9_-]*, at most 31 bytes"},
	{"modules: [{name: n012345678901234567890123456789}]", NULL},
	{"modules: [{name: n0123456789012345678901234567890}]",
	 "prismd.yaml:1:12: modules[0].name: \"n0123456789012345678901234567890\" is not a name: "
	 "[a-z][a-z0-9_-]*, at most 31 bytes"},
	{"modules:\n  - {name: net}\n  - {name: lsm}\n  - {name: net, config: {a: 1}}",
	 "prismd.yaml:4:6: modules[2].name: \"net\" is listed twice; the first is at line 2"},
	{"modules:\n  - name: net\n    config: {a: 1}\n    config: {b: 1}",
	 "prismd.yaml:4:5: modules[0].config: given twice; the first is at line 3"},
	{"modules:\n  - name: net\n    requird: true",
	 "prismd.yaml:3:5: modules[0].requird: unknown key (did you mean \"required\"?); known "
	 "keys: " KNOWN_MODULE_KEYS},
	{"modules: [{name: net, config: [a]}]", "prismd.yaml:1:23: modules[0].config: expected a map, found a list"},
	{"modules: [{name: net, sha256: 12ab}]", "prismd.yaml:1:23: modules[0].sha256: \"12ab\" is not a SHA-256: "
						 "64 hex digits, as sha256sum prints them"},
	{"modules: [{name: net, file: ../x.so}]",
	 "prismd.yaml:1:23: modules[0].file: \"../x.so\" is neither an absolute path nor a plain file name"},
	{"modules: [{name: net, max_crashes: -1}]",
	 "prismd.yaml:1:23: modules[0].max_crashes: -1 is out of range: 0 to 1000"},
	{"profiles: [{name: p, hosts: '*', overlay: {}}]",
	 "prismd.yaml:1:22: profiles[0].hosts: expected a list, found \"*\" (write it in [ ])"},
	{"profiles: [{name: p, hosts: ['*a*b*c*d*e*f'], overlay: {}}]",
	 "prismd.yaml:1:30: profiles[0].hosts[0]: \"*a*b*c*d*e*f\" has more than 5 stars"},
	{"profiles: [{name: p}]", "prismd.yaml:1:12: profiles[0]: has neither file nor overlay; it needs one of them"},
	{"profiles: [{name: p, overlay: {profiles: []}}]",
	 "prismd.yaml:1:32: profiles[0].overlay.profiles: a profile cannot contain profiles"},
	{"profiles: [{name: p, overlay: {node: {name: x}}}]",
	 "prismd.yaml:1:39: profiles[0].overlay.node.name: a profile cannot change the name by which it is "
	 "chosen"},
	{"profiles: [{name: p, overlay: {bus: {capacity: x}}}]",
	 "prismd.yaml:1:38: profiles[0].overlay.bus.capacity: \"x\" is not a whole number"},
	{"profiles: [{name: p, overlay: {}}, {name: p, overlay: {}}]",
	 "prismd.yaml:1:37: profiles[1].name: \"p\" is listed twice; the first is at line 1"},
};

static void test_mistakes(void **state)
{
	struct site *site = *state;
	unsigned int wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
		char message[sizeof(struct error)] = "nothing";

		write_file(site, "prismd.yaml", mistakes[i].yaml);
		load(site);
		if (site->p.n)
			error_format(&site->p.list[0], message, sizeof(message));
		if (!mistakes[i].message ? site->r != 0
					 : site->r != -EINVAL || site->s || site->p.n != 1 ||
						   strcmp(message, mistakes[i].message) != 0) {
			print_error("%s\n  %zu problems: %s\n  expected: %s\n", mistakes[i].yaml, site->p.n, message,
				    mistakes[i].message);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void test_every_mistake(void **state)
{
	struct site *site = *state;

	write_file(site, "prismd.yaml",
		   "bus:\n  capacity: x\n  heartbeat: 1s\n  stale_after: 1s\n"
		   "node:\n  nice: 99\n  nice: 98\n"
		   "modules: [{name: A}]\n"
		   "profiles:\n  - {name: p, hosts: [lat-1], file: profiles/p.yaml}\n"
		   "  - {name: q, hosts: [other], file: profiles/q.yaml}\n"
		   "  - {name: r, overlay: {}, file: profiles/r.yaml}\n");
	write_file(site, "conf.d/a.yaml", "bus: {capacity: 1}\nlog: {lvl: info}\n");
	write_file(site, "conf.d/b.yaml", "bus: [\n");
	write_file(site, "conf.d/c.yml", "");
	write_file(site, "profiles/p.yaml", "bus: {compat: x}\nprofiles: []\n");
	write_file(site, "profiles/q.yaml", "node: {nice: 50}\n");
	site->overlay[0] = "log.format=xml";
	site->overlay[1] = "bus";
	load(site);
	for (size_t i = 0; i < site->p.n; i++) {
		/* Problems with a file carry its path, which differs from run to run. */
		char *slash = strrchr(site->p.list[i].where, '/');

		if (slash)
			memmove(site->p.list[i].where, slash + 1, strlen(slash));
		slash = strstr(site->p.list[i].text, site->dir);
		if (slash)
			memmove(slash, slash + strlen(site->dir), strlen(slash + strlen(site->dir)) + 1);
	}
	static const char *const expected[] = {
		"command line: log.format: \"xml\" is not one of auto, plain, journal, json",
		"command line: \"bus\": is not KEY=VALUE, as in bus.capacity=1024",
		"prismd.yaml:7:3: node.nice: given twice; the first is at line 6",
		"prismd.yaml:6:3: node.nice: 99 is out of range: -20 to 19",
		"prismd.yaml:2:3: bus.capacity: \"x\" is not a whole number",
		"prismd.yaml:8:12: modules[0].name: \"A\" is not a name: [a-z][a-z0-9_-]*, at most 31 bytes",
		"a.yaml:2:7: log.lvl: unknown key (did you mean \"level\"?); known keys: level, format",
		"b.yaml:2:1: not valid YAML: did not find expected node content while parsing a flow node",
		"c.yml: only *.yaml is read here; rename it, or move it away",
		"p.yaml:1:7: bus.compat: \"x\" is not one of lean, v1-exact",
		"p.yaml:2:1: profiles: a profile cannot contain profiles",
		"q.yaml:1:8: node.nice: 50 is out of range: -20 to 19",
		"prismd.yaml:12:28: profiles[2].file: /profiles/r.yaml cannot be read: No such file or directory",
		"prismd.yaml:4:3: bus.stale_after: 1s is less than 3 heartbeats; bus.heartbeat is 1s, so at least 3s",
		"prismd.yaml:12:5: profiles[2]: has both file and overlay; one of them must go",
	};
	for (size_t i = 0; i < ARRAY_SIZE(expected) || i < site->p.n; i++) {
		char message[sizeof(struct error)] = "nothing";

		if (i < site->p.n)
			error_format(&site->p.list[i], message, sizeof(message));
		assert_string_equal(message, i < ARRAY_SIZE(expected) ? expected[i] : "nothing");
	}
	assert_int_equal(site->r, -EINVAL);
}

static void test_arguments(void **state)
{
	struct site *site = *state;

	write_file(site, "prismd.yaml", "modules: [{name: net}, {name: trace}]\n");
	site->overlay[0] = "modules.nte.enabled=false";
	assert_problems(site, "command line: modules.nte: nothing of this name is configured (did you mean \"net\"?)",
			NULL);
	site->overlay[0] = "bus.capactiy=5";
	assert_problems(
		site,
		"command line: bus.capactiy: unknown key (did you mean \"capacity\"?); known keys: dir, capacity, "
		"compat, heartbeat, stale_after, reconcile",
		NULL);
	site->overlay[0] = "bus..capacity=5";
	assert_problems(site, "command line: \"bus..capacity=5\": has an empty key", NULL);
	site->overlay[0] = "=5";
	assert_problems(site, "command line: \"=5\": has an empty key", NULL);
	site->overlay[0] = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.a.b.c.d.e.f.g.h=1";
	load(site);
	assert_string_equal(strrchr(site->p.list[0].text, ':'), ": has too many keys");
	site->overlay[0] = "module_dirs=[/a";
	assert_problems(
		site,
		"command line:2:1: not valid YAML: did not find expected ',' or ']' while parsing a flow sequence "
		"that begins at line 1",
		NULL);
	site->overlay[0] = "bus.heartbeat=5s";
	assert_problems(
		site,
		"command line: bus.heartbeat: 5s needs bus.stale_after of at least 3 heartbeats (15s), which is "
		"10s",
		NULL);

	site->overlay[1] = "bus.stale_after=15s";
	site->overlay[2] = "modules.trace.config.limits.rate=10";
	load_good(site);
	assert_int_equal(site->s->stale_after_ms, 15000);
	assert_string_equal(node_get(node_get(settings_module(site->s, "trace")->config, "limits"), "rate")->text,
			    "10");
	site->overlay[0] = "modules=[{name: lsm, enabled: false}]";
	site->overlay[1] = "admin.metrics=";
	load_good(site);
	assert_int_equal(site->s->n_modules, 3);
	assert_null(site->s->metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(test_mistakes),
		SITE_TEST(test_every_mistake),
		SITE_TEST(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
