// SPDX-License-Identifier: Apache-2.0
/* Which rules are tried for a subject, in which order; and which rules contradict each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "order.h"
#include "reader.h"

/* "hook bits subject..." of each key, one a line. */
static const char *wanted;

static void print_key(FILE *f, const struct order_key *key)
{
	fprintf(f, "%s/%u:", hook_keys[key->hook], key->bits);
	for (uint32_t i = 0; i < key->n; i++)
		fprintf(f, " %s", key->rules[i]->id);
	fputc('\n', f);
}

static int compare_order(struct prism_host *host, const struct policy *policy)
{
	struct order order;
	char *text = NULL;
	size_t size;
	FILE *f;
	int r = order_rules(host, &policy->sets[0], &order);

	if (r < 0)
		return r;
	f = open_memstream(&text, &size);
	assert_non_null(f);
	for (size_t i = 0; i < order.n; i++)
		print_key(f, &order.keys[i]);
	fclose(f);
	assert_string_equal(text, wanted);
	free(text);
	order_done(&order);
	return 0;
}

#define SET "rule_sets:\n- name: web\n  select: {}\n"

static void check(const char *config, const char *order)
{
	wanted = order;
	reader_expect(config, compare_order, "");
}

static void test_paths(void **state)
{
	(void)state;
	check(SET "  open:\n"
		  "  - {id: tmp, directory: /tmp, action: block}\n"
		  "  - {id: a, path: /tmp/a, action: allow}\n"
		  "  - {id: a-write, path: /tmp/a, access: write, action: audit}\n"
		  "  - {id: sub-write, directory: /tmp/sub/, access: write, action: allow}\n"
		  "  - {id: b, path: /tmp/sub/b, access: write, action: audit}\n"
		  "  - {id: file, path: /tmp, action: audit}\n"
		  "  - {id: all, directory: /, action: allow}\n",
	      "open/8: all\n"
	      "open/40: file\n"
	      "open/40: tmp\n"
	      "open/56: a-write a\n"
	      "open/72: sub-write tmp\n"
	      "open/88: b sub-write tmp\n");
}

static void test_from(void **state)
{
	(void)state;
	check(SET "  exec:\n"
		  "  - {id: any, path: /bin/sh, action: block}\n"
		  "  - {id: python, path: /bin/sh, from: /usr/bin/python3, action: allow}\n"
		  "  - {id: perl, path: /bin/sh, from: /usr/bin/perl, action: audit}\n"
		  "  - {id: bin, directory: /bin/, from: /usr/bin/perl, action: allow}\n"
		  "  - {id: ls, path: /bin/ls, from: /bin/sh, action: block}\n",
	      "exec/40: bin\n"
	      "exec/64: ls bin\n"
	      "exec/64: python perl any\n");
}

static void test_addresses(void **state)
{
	(void)state;
	check(SET "  connect:\n"
		  "  - {id: ten, cidr: 10.0.0.0/8, action: block}\n"
		  "  - {id: https, ports: 443, action: allow}\n"
		  "  - {id: ten-web, cidr: 10.0.0.0/8, ports: 80-89, action: allow}\n"
		  "  - {id: ten-80, cidr: 10.0.0.0/8, ports: 80, action: audit}\n"
		  "  - {id: net, cidr: 10.1.0.0/17, ports: 22, action: allow}\n"
		  "  - {id: host, cidr: 10.1.2.3, ports: 23, action: allow}\n"
		  "  - {id: other, cidr: 10.1.128.0/17, ports: 25, action: allow}\n"
		  "  - {id: four, family: ipv4, action: audit}\n"
		  "  - {id: unix, family: unix, action: block}\n"
		  "  - {id: six, cidr: \"::/0\", action: block}\n"
		  "  bind:\n"
		  "  - {id: low, ports: 1-1023, action: block}\n",
	      "connect/0: https\n"
	      "connect/8: unix\n"
	      "connect/8: four\n"
	      "connect/16: ten-80 ten-web ten\n"
	      "connect/25: net ten-80 ten-web ten\n"
	      "connect/40: host net ten-80 ten-web ten\n"
	      "connect/25: other ten-80 ten-web ten\n"
	      "connect/8: six\n"
	      "bind/0: low\n");
}

static void test_contradictions(void **state)
{
	static const struct {
		const char *config, *complaint;
	} cases[] = {
		{SET "  exec:\n"
		     "  - {path: /bin/sh, action: block}\n"
		     "  - {id: mine, path: /bin/sh, action: allow}\n",
		 "config:6:5: mine (allow) contradicts exec[0] (block), which is no less specific: \"/bin/sh\" and "
		 "\"/bin/sh\""},
		{SET "  exec:\n"
		     "  - {directory: /bin, action: block, from: /a}\n"
		     "  - {directory: /bin/, action: block}\n"
		     "  - {directory: /bin/, action: audit, from: /a}\n",
		 "config:7:5: exec[2] (audit) contradicts exec[0] (block), which is no less specific: \"/bin/ from "
		 "/a\" "
		 "and \"/bin/ from /a\""},
		{SET "  bind:\n"
		     "  - {cidr: 10.0.0.0/8, ports: 80-89, action: block}\n"
		     "  - {cidr: 10.0.0.0/8, ports: 90-99, action: allow}\n"
		     "  - {cidr: 10.0.0.0/8, ports: 85-94, action: block}\n",
		 "config:7:5: bind[2] (block) contradicts bind[1] (allow), which is no less specific: \"ipv4 "
		 "10.0.0.0/8 "
		 "ports 85-94\" and \"ipv4 10.0.0.0/8 ports 90-99\""},
		{SET "  capabilities: [{name: net_raw, action: block}, {name: net_raw, action: audit}]",
		 "config:4:50: capabilities[1] (audit) contradicts capabilities[0] (block), which is no less specific: "
		 "\"net_raw\" and \"net_raw\""},
		{SET "  capabilities: [{name: net_raw, action: block, id: a}, {name: bpf, action: block, id: a}]",
		 "config:4:57: another rule of \"web\" has the id \"a\", too"},
		{SET "  exec:\n"
		     "  - {path: /a, from: /1, action: allow}\n"
		     "  - {path: /a, from: /2, action: allow}\n"
		     "  - {path: /a, from: /3, action: allow}\n"
		     "  - {path: /a, from: /4, action: allow}\n"
		     "  - {path: /a, from: /5, action: allow}\n"
		     "  - {path: /a, from: /6, action: allow}\n"
		     "  - {path: /a, from: /7, action: allow}\n"
		     "  - {path: /a, from: /8, action: allow}\n"
		     "  - {directory: /, action: allow}\n",
		 "config:13:5: more than 8 rules may apply to one subject here; use fewer, wider ones"},
	};

	(void)state;
	wanted = "";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		reader_expect(cases[i].config, compare_order, cases[i].complaint);
}

/* The same twice, or of another width, is no contradiction. */
static void test_agreement(void **state)
{
	(void)state;
	check(SET "  exec:\n"
		  "  - {id: a, path: /bin/sh, action: block}\n"
		  "  - {id: b, path: /bin/sh, action: block}\n"
		  "  bind:\n"
		  "  - {id: c, ports: 80-89, action: block}\n"
		  "  - {id: d, ports: 90-99, action: allow}\n",
	      "exec/64: a\n"
	      "bind/0: c d\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),     cmocka_unit_test(test_from),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_agreement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
