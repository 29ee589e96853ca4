// SPDX-License-Identifier: Apache-2.0
/* What a rule set may say, and what it is told when it may not: each message with its line and column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "reader.h"

#define CAPABILITIES                                                                                                   \
	"config:4:19: \"net_rwa\" is not one of chown, dac_override, dac_read_search, fowner, fsetid, kill, setgid, "  \
	"setuid, setpcap, linux_immutable, net_bind_service, net_broadcast, net_admin, net_raw, ipc_lock, ipc_owner, " \
	"sys_module, sys_rawio, sys_chroot, sys_ptrace, sys_pacct, sys_admin, sys_boot, sys_nice, sys_resource, "      \
	"sys_time, sys_tty_config, mknod, lease, audit_write, audit_control, setfcap, mac_override, mac_admin, "       \
	"syslog, wake_alarm, block_suspend, audit_read, perfmon, bpf, checkpoint_restore (did you mean \"net_raw\"?)"

#define SET "rule_sets:\n- name: web\n  select: {}\n"

static void test_mistakes(void **state)
{
	static const struct {
		const char *config, *complaint;
	} cases[] = {
		{"rule_sets: 5", "config:1:1: rule_sets is a list of rule sets"},
		{"rule_sets: [5]", "config:1:13: a rule set is a map of keys, not one value"},
		{"rule_sets: [{}]", "config:1:13: a rule set needs `name`"},
		{"rule_sets: [{name: a b, select: {}}]",
		 "config:1:14: expected a name: 1 to 63 letters, digits, _ and -"},
		{"rule_sets: [{name: none, select: {}}]",
		 "config:1:14: \"none\" is what `unmanaged` says for no rule set"},
		{"rule_sets:\n- {name: a, select: {}}\n- {name: a, select: {}}",
		 "config:3:3: another rule set is called \"a\", too"},
		{"rule_sets: [{name: a}]",
		 "config:1:13: rule set \"a\" is for nobody: say for whom with `select` (`select: {}` is every "
		 "workload)"},
		{"unmanaged: wbe\nrule_sets: [{name: web}]",
		 "config:1:1: no rule set is called \"wbe\" (did you mean \"web\"?)"},
		{SET "  exce: []", "config:4:3: unknown key (did you mean \"exec\"?); known keys: name, select, "
				   "default, exec, open, connect, bind, capabilities"},
		{SET "  exec: {}", "config:4:3: `exec` is a list, not a map of keys"},
		{SET "  default: {exec: blok}",
		 "config:4:13: \"blok\" is not one of allow, audit, block (did you mean \"block\"?)"},
		{SET "  default: {capabilites: block}",
		 "config:4:13: unknown key (did you mean \"capabilities\"?); known "
		 "keys: exec, open, connect, bind, capabilities"},
		{SET "  exec: [{path: /bin/sh}]", "config:4:10: an exec rule needs `action`"},
		{SET "  exec: [{action: block}]",
		 "config:4:10: a rule needs `path` (one file) or `directory` (all below it)"},
		{SET "  exec:\n  - {action: block, path: /a,\n     directory: /b}",
		 "config:6:6: a rule has `path` or `directory`, not both"},
		{SET "  exec: [{action: block, path: bin/sh}]",
		 "config:4:26: \"bin/sh\" is not absolute: write it as the workload sees it, from /"},
		{SET "  exec: [{action: block, path: /bin/}]",
		 "config:4:26: \"/bin/\" ends in /: a file has `path`, all files below a directory `directory`"},
		{SET "  open: [{action: block, directory: /a//b}]",
		 "config:4:26: \"/a//b\" has //, /./ or /../ in it: the kernel's paths do not, so it would never "
		 "match"},
		{SET "  open: [{action: block, directory: /a/..}]",
		 "config:4:26: \"/a/..\" has //, /./ or /../ in it: the kernel's paths do not, so it would never "
		 "match"},
		{SET "  open: [{action: block, path: /a, access: read}]",
		 "config:4:36: \"read\" is not one of any, write"},
		{SET "  open: [{action: block, path: /a, from: /b}]",
		 "config:4:36: unknown key; known keys: id, action, path, directory, access"},
		{SET "  connect: [{action: block, family: ipv5}]",
		 "config:4:29: \"ipv5\" is not one of unix, ipv4, ipv6, netlink, packet, vsock, bluetooth, can, tipc, "
		 "rds, alg, xdp, qipcrtr, phonet (did you mean \"ipv4\"?)"},
		{SET "  connect: [{action: block, cidr: 10.0.0.1/8}]",
		 "config:4:29: \"10.0.0.1/8\" has bits below its prefix (did you mean \"10.0.0.0/8\"?)"},
		{SET "  connect: [{action: block, cidr: 10.0.0.0/33}]",
		 "config:4:29: \"10.0.0.0/33\" is no address and no range such as 10.0.0.0/8 or fd00::/8"},
		{SET "  connect: [{action: block, cidr: \"::1\", family: ipv4}]",
		 "config:4:42: \"ipv4\" is not the family of cidr, which is ipv6"},
		{SET "  connect: [{action: block, cidr: \"::ffff:10.0.0.0/104\"}]",
		 "config:4:29: \"::ffff:10.0.0.0/104\" holds IPv4 addresses, which are matched as such: write them "
		 "as 10.0.0.0/8"},
		{SET "  bind: [{action: block, ports: 80-70}]",
		 "config:4:26: \"80-70\" is no port and no range such as 8000-8999"},
		{SET "  bind: [{action: block, ports: 65536}]",
		 "config:4:26: \"65536\" is no port and no range such as 8000-8999"},
		{SET "  bind: [{action: block, family: unix, ports: 80}]",
		 "config:4:40: \"unix\" has no ports: they go with family ipv4 or ipv6"},
		{"rule_sets: [{name: a, select: {namespce: b}}]",
		 "config:1:32: unknown key (did you mean \"namespace\"?); known keys: namespace, service_account, "
		 "name, "
		 "labels"},
		{"rule_sets: [{name: a, select: {labels: {app: [b]}}}]",
		 "config:1:41: the value of a label is text, or a pattern such as web-*"},
		{SET "  capabilities: [{name: net_rwa, action: block}]", CAPABILITIES},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		reader_expect(cases[i].config, NULL, cases[i].complaint);
}

static int check_read(struct prism_host *host, const struct policy *policy)
{
	static const char *const subjects[] = {"/usr/bin/curl",
					       "/tmp/ from /usr/bin/python3",
					       "/etc/ (write)",
					       "/etc/shadow",
					       "ipv4 10.0.0.0/8 port 443",
					       "ipv6 2001:db8::1/128",
					       "any ports 8000-8999",
					       "unix",
					       "net_raw"};
	static const char *const ids[] = {"no-curl", "exec[1]",    "open[0]", "open[1]",        "connect[0]",
					  "v6",      "connect[2]", "bind[0]", "capabilities[0]"};
	const struct policy_set *web = &policy->sets[0];
	char text[512];

	assert_int_equal(policy->n, 2);
	assert_int_equal(policy->unmanaged, 1);
	assert_string_equal(web->name, "web");
	assert_int_equal(web->posture[LSM_EXEC], LSM_ALLOW);
	assert_int_equal(web->posture[LSM_CONNECT], LSM_BLOCK);
	assert_int_equal(web->posture[LSM_CAPABLE], LSM_AUDIT);
	assert_int_equal(web->n, sizeof(subjects) / sizeof(subjects[0]));
	for (size_t i = 0; i < web->n; i++) {
		assert_string_equal(rule_subject(&web->rules[i], text, sizeof(text)), subjects[i]);
		assert_string_equal(web->rules[i].id, ids[i]);
	}
	assert_int_equal(web->rules[0].action, LSM_BLOCK);
	assert_int_equal(web->rules[1].action, LSM_AUDIT);
	assert_int_equal(web->rules[3].action, LSM_ALLOW);
	(void)host;
	return 0;
}

static void test_all_of_it(void **state)
{
	(void)state;
	reader_expect("unmanaged: host\n"
		      "rule_sets:\n"
		      "- name: web\n"
		      "  select: {namespace: shop}\n"
		      "  default: {connect: block, capabilities: audit}\n"
		      "  exec:\n"
		      "  - {id: no-curl, path: /usr/bin/curl, action: block}\n"
		      "  - {directory: /tmp, from: /usr/bin/python3, action: audit}\n"
		      "  open:\n"
		      "  - {directory: /etc/, access: write, action: block}\n"
		      "  - {path: /etc/shadow, access: any, action: allow}\n"
		      "  connect:\n"
		      "  - {family: ipv4, cidr: 10.0.0.0/8, ports: 443, action: allow}\n"
		      "  - {id: v6, cidr: \"2001:db8::1\", action: audit}\n"
		      "  - {ports: 8000-8999, action: block}\n"
		      "  bind:\n"
		      "  - {family: unix, action: block}\n"
		      "  capabilities:\n"
		      "  - {name: net_raw, action: block}\n"
		      "- name: host\n",
		      check_read, "");
}

static const char *const selectors =
	"rule_sets:\n"
	"- {name: exact, select: {namespace: shop, service_account: cart, labels: {app: web, "
	"tier: \"*\"}}}\n"
	"- {name: named, select: {name: \"shop/*\"}}\n"
	"- {name: labelled, select: {labels: {app: \"web-[0-9]\"}}}\n"
	"- {name: rest, select: {namespace: \"team-*\"}}\n";

static const char *chosen(const struct policy *policy, const char *namespace_name, const char *account,
			  const char *name, const char *app, const char *tier)
{
	const struct prism_label labels[] = {{"app", app}, {"tier", tier}};
	const struct prism_workload workload = {.size = sizeof(workload),
						.name = name,
						.namespace_name = namespace_name,
						.service_account = account,
						.labels = labels,
						.n_labels = tier  ? 2
							    : app ? 1
								  : 0,
						.label_size = sizeof(labels[0])};
	size_t i = policy_select(policy, &workload);

	return i < policy->n ? policy->sets[i].name : "none";
}

static int check_selection(struct prism_host *host, const struct policy *policy)
{
	assert_string_equal(chosen(policy, "shop", "cart", "shop/web", "web", "front"), "exact");
	assert_string_equal(chosen(policy, "shop", "cart", "shop/web", "web", NULL), "named");
	assert_string_equal(chosen(policy, "shop", "other", "shop/web", "web", "front"), "named");
	assert_string_equal(chosen(policy, "shops", "cart", "shops/web", "web", "front"), "none");
	assert_string_equal(chosen(policy, "x", "", "x/web-1", "web-1", NULL), "labelled");
	assert_string_equal(chosen(policy, "x", "", "x/web-10", "web-10", NULL), "none");
	assert_string_equal(chosen(policy, "team-a", NULL, "team-a/b", NULL, NULL), "rest");
	assert_string_equal(chosen(policy, NULL, NULL, NULL, NULL, NULL), "none");
	(void)host;
	return 0;
}

static void test_selection(void **state)
{
	(void)state;
	reader_expect(selectors, check_selection, "");
}

static int check_empty(struct prism_host *host, const struct policy *policy)
{
	assert_int_equal(policy->n, 0);
	assert_int_equal(policy->unmanaged, 0);
	(void)host;
	return 0;
}

static void test_nothing(void **state)
{
	(void)state;
	reader_expect("", check_empty, "");
	reader_expect("rule_sets: []\nunmanaged: none\n", check_empty, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_mistakes), cmocka_unit_test(test_all_of_it),
					   cmocka_unit_test(test_selection), cmocka_unit_test(test_nothing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
