// SPDX-License-Identifier: Apache-2.0
/* From text to entries of real maps: what is written, what is switched, what goes, and what a lookup finds meanwhile.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "assign.h"
#include "compile.h"
#include "reader.h"
#include "store.h"

#define RULES_MAX 15u
#define BINDINGS_MAX 4u

static struct store store;

static int make(enum bpf_map_type type, uint32_t key, uint32_t value, uint32_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = type == BPF_MAP_TYPE_ARRAY ? 0 : BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(type, "lsm_test", key, value, entries, &opts);

	assert_true(fd >= 0);
	return fd;
}

static int begin(void **state)
{
	struct store_fds fds;

	fds = (struct store_fds){
		.config = make(BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct lsm_config), 1),
		.bindings = make(BPF_MAP_TYPE_HASH, sizeof(uint32_t), sizeof(struct lsm_binding), BINDINGS_MAX),
		.rules = make(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct lsm_key), sizeof(struct lsm_rules), RULES_MAX),
		.earlier = -1,
	};
	(void)state;
	return store_init(NULL, &fds, &store);
}

static int end(void **state)
{
	(void)state;
	close(store.fds.config);
	close(store.fds.bindings);
	close(store.fds.rules);
	store_done(&store);
	return 0;
}

/* Entries of the rules' map. */
static size_t entries(void)
{
	struct lsm_key key, next;
	void *last = NULL;
	size_t n = 0;

	while (bpf_map_get_next_key(store.fds.rules, last, &next) == 0) {
		key = next;
		last = &key;
		n++;
	}
	return n;
}

/* What the programs find for this path: the number of the rule that is tried first, 0: the posture, -1: nothing. */
static int64_t find(uint32_t set, enum lsm_hook hook, const char *path)
{
	struct lsm_key key = {.prefixlen = 8 * (sizeof(key) - sizeof(key.prefixlen)), .set = set, .hook = hook};
	struct lsm_rules rules;

	snprintf((char *)key.bytes, sizeof(key.bytes), "%s", path);
	if (bpf_map_lookup_elem(store.fds.rules, &key, &rules) < 0)
		return -1;
	return rules.n ? (int64_t)rules.choices[0].rule : 0;
}

static int64_t number(const char *set, const char *id)
{
	return (int64_t)catalog_number(set, id);
}

#define SETS                                                                                                           \
	"rule_sets:\n"                                                                                                 \
	"- name: a\n"                                                                                                  \
	"  select: {name: \"a*\"}\n"                                                                                   \
	"  exec: [{path: /bin/sh, from: /bin/python, action: block}, {directory: /tmp, action: audit}]\n"              \
	"- name: b\n"                                                                                                  \
	"  select: {name: \"b*\"}\n"                                                                                   \
	"  default: {connect: block}\n"                                                                                \
	"  open: [{path: /etc/shadow, action: block}]\n"

static int write_twice(struct prism_host *host, const struct policy *policy)
{
	struct compiled compiled;
	uint32_t first, second;

	store.host = host;
	assert_int_equal(compile(host, policy, &compiled), 0);
	assert_int_equal(compiled_entries(&compiled), 6); /* two and a root, one and a root, a source */
	assert_int_equal(store_write(&store, &compiled, &first), 0);
	assert_int_equal(entries(), 6);
	assert_int_equal(find(first, LSM_EXEC, "/bin/sh"), number("a", "exec[0]"));
	assert_int_equal(find(first, LSM_EXEC, "/bin/shell"), 0);
	assert_int_equal(find(first, LSM_EXEC, "/tmp/x/y"), number("a", "exec[1]"));
	assert_int_equal(find(first, LSM_OPEN, "/tmp/x"), -1);
	assert_int_equal(find(first + 1, LSM_OPEN, "/etc/shadow"), number("b", "open[0]"));
	assert_int_equal(find(first + 1, LSM_OPEN, "/etc/shadow-"), 0);
	assert_int_equal(compiled.sets[0].binding.ruled, LSM_HOOK_BIT(LSM_EXEC));
	assert_int_equal(compiled.sets[0].binding.bits, LSM_KEEP_SOURCE);
	assert_int_equal(compiled.sets[1].binding.hooks,
			 LSM_HOOK_BIT(LSM_OPEN) | LSM_READ_BIT | LSM_HOOK_BIT(LSM_CONNECT));
	assert_int_equal(compiled.sets[1].binding.ruled, LSM_HOOK_BIT(LSM_OPEN));
	assert_int_equal(compiled.sets[1].binding.posture[LSM_CONNECT].rule, number("b", "default.connect"));
	/* Beside it, under numbers of its own; the source is the same. */
	assert_int_equal(store_write(&store, &compiled, &second), 0);
	assert_int_equal(second, first + 2);
	assert_int_equal(entries(), 11);
	assert_int_equal(find(first, LSM_EXEC, "/bin/sh"), number("a", "exec[0]"));
	assert_int_equal(store_sweep(&store, second, &compiled), 0);
	assert_int_equal(entries(), 6);
	assert_int_equal(find(second, LSM_EXEC, "/bin/sh"), number("a", "exec[0]"));
	compiled_done(&compiled);
	return 0;
}

static void test_generations(void **state)
{
	(void)state;
	reader_expect(SETS, write_twice, "");
}

#define READS                                                                                                          \
	"rule_sets:\n"                                                                                                 \
	"- {name: writes, select: {}, open: [{path: /a, access: write, action: block}]}\n"                             \
	"- {name: both, select: {}, open: [{path: /a, access: write, action: block}, {path: /b, action: audit}]}\n"    \
	"- {name: posture, select: {}, default: {open: audit}}\n"                                                      \
	"- {name: neither, select: {}, default: {exec: block}}\n"

/* Opens for reading cost those nothing whose rule set is not about them. */
static int compile_reads(struct prism_host *host, const struct policy *policy)
{
	static const uint32_t wanted[] = {
		LSM_HOOK_BIT(LSM_OPEN),
		LSM_HOOK_BIT(LSM_OPEN) | LSM_READ_BIT,
		LSM_HOOK_BIT(LSM_OPEN) | LSM_READ_BIT,
		LSM_HOOK_BIT(LSM_EXEC),
	};
	struct compiled compiled;

	assert_int_equal(compile(host, policy, &compiled), 0);
	assert_int_equal(compiled.n, sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < compiled.n; i++)
		assert_int_equal(compiled.sets[i].binding.hooks, wanted[i]);
	compiled_done(&compiled);
	return 0;
}

static void test_reads(void **state)
{
	(void)state;
	reader_expect(READS, compile_reads, "");
}

static int write_too_much(struct prism_host *host, const struct policy *policy)
{
	struct compiled compiled;
	uint32_t first, second;
	int r;

	store.host = host;
	assert_int_equal(compile(host, policy, &compiled), 0);
	assert_int_equal(store_write(&store, &compiled, &first), 0);
	assert_int_equal(store_write(&store, &compiled, &second), 0);
	r = store_write(&store, &compiled, &second);
	assert_int_equal(entries(), 11);
	assert_int_equal(find(first, LSM_EXEC, "/bin/sh"), number("a", "exec[0]"));
	compiled_done(&compiled);
	return r;
}

/* What has no room leaves nothing. */
static void test_no_room(void **state)
{
	(void)state;
	reader_expect(SETS, write_too_much,
		      "lsm: rule_sets: no room for the rules beside those that are in force; raise max_rules");
}

static int write_source(struct prism_host *host, const struct policy *policy)
{
	static uint32_t numbers[2];
	struct lsm_key key = {.prefixlen = LSM_KEY_BITS + 8 * 8,
			      .set = LSM_SOURCES,
			      .hook = LSM_EXEC,
			      .bytes = "/bin/sh"};
	struct lsm_rules rules, source;
	struct compiled compiled;
	uint32_t first;

	store.host = host;
	assert_int_equal(compile(host, policy, &compiled), 0);
	assert_int_equal(store_write(&store, &compiled, &first), 0);
	assert_int_equal(bpf_map_lookup_elem(store.fds.rules, &key, &source), 0);
	assert_true(source.source > 0);
	key = (struct lsm_key){.prefixlen = 8 * (sizeof(key) - sizeof(key.prefixlen)),
			       .set = first,
			       .hook = LSM_EXEC,
			       .bytes = "/a"};
	assert_int_equal(bpf_map_lookup_elem(store.fds.rules, &key, &rules), 0);
	assert_int_equal(rules.choices[0].from, source.source);
	assert_int_equal(store_sweep(&store, first, &compiled), 0);
	numbers[numbers[0] != 0] = source.source;
	assert_true(!numbers[1] || numbers[1] == numbers[0]);
	compiled_done(&compiled);
	return 0;
}

/* An executable keeps its number from one policy to the next: tasks bear what they were. */
static void test_sources(void **state)
{
	(void)state;
	reader_expect("rule_sets: [{name: a, select: {}, exec: [{path: /a, from: /bin/sh, action: block}]}]",
		      write_source, "");
	reader_expect(
		"rule_sets: [{name: b, select: {}, exec: [{path: /a, from: /bin/sh, action: block}, {path: /c, from: "
		"/b, action: block}]}]",
		write_source, "");
}

static struct prism_workload workload(uint32_t identity, const char *name)
{
	return (struct prism_workload){.size = sizeof(struct prism_workload),
				       .identity = identity,
				       .label_hash = identity,
				       .name = name};
}

static int assign_some(struct prism_host *host, const struct policy *policy)
{
	const struct prism_workload a = workload(300, "a1"), b = workload(301, "b1"), none = workload(302, "c");
	struct assign assign = {.host = host, .store = &store, .policy = policy};
	struct lsm_binding binding;
	struct compiled compiled;
	size_t i;

	store.host = host;
	assert_int_equal(compile(host, policy, &compiled), 0);
	assign.compiled = &compiled;
	assert_int_equal(store_write(&store, &compiled, &assign.first), 0);
	assign_identity(&assign, &a);
	assign_identity(&assign, &b);
	assign_identity(&assign, &none);
	assert_int_equal(assign_get(&assign, 300, &i), 0);
	assert_int_equal(i, 0);
	assert_int_equal(assign_get(&assign, 301, &i), 0);
	assert_int_equal(i, 1);
	assert_int_equal(store_binding(&store, 300, &binding), 0);
	assert_int_equal(binding.set, assign.first);
	assert_int_equal(binding.owner, 300);
	assert_int_equal(store_binding(&store, 302, &binding), -ENOENT);
	/* One that had a set and has none any more keeps an entry that says so. */
	assign_identity(&assign, &(struct prism_workload){.size = sizeof(a), .identity = 300, .name = "x"});
	assert_int_equal(assign_get(&assign, 300, &i), -ENOENT);
	assert_int_equal(store_binding(&store, 300, &binding), 0);
	assert_int_equal(binding.hooks, 0);
	assert_int_equal(assign_hooks(&compiled),
			 LSM_HOOK_BIT(LSM_EXEC) | LSM_HOOK_BIT(LSM_OPEN) | LSM_READ_BIT | LSM_HOOK_BIT(LSM_CONNECT));
	for (uint32_t identity = 310; identity < 310 + BINDINGS_MAX; identity++) {
		const struct prism_workload more = workload(identity, "a2");

		assign_identity(&assign, &more);
	}
	assert_true(assign.full);
	assert_int_equal(store_unbind(&store, 300), 0);
	assert_int_equal(store_unbind(&store, 300), 0);
	compiled_done(&compiled);
	return 0;
}

static void test_assign(void **state)
{
	(void)state;
	reader_expect(SETS, assign_some, "");
}

static void note_gone(void *arg, uint32_t identity)
{
	uint32_t *gone = arg;

	assert_int_equal(*gone, 0);
	*gone = identity;
}

/* Entries that name no set go, but not the place of what belongs to no workload. */
static void test_forget(void **state)
{
	const struct lsm_binding with = {.set = 1, .owner = 300}, without = {.owner = 301};
	struct lsm_binding binding;
	uint32_t gone = 0;

	(void)state;
	assert_int_equal(store_bind(&store, 300, &with), 0);
	assert_int_equal(store_bind(&store, 301, &without), 0);
	assert_int_equal(store_bind(&store, PRISM_ID_UNMANAGED, &without), 0);
	assert_int_equal(store_forget(&store, note_gone, &gone), 0);
	assert_int_equal(gone, 301);
	assert_int_equal(store_binding(&store, 300, &binding), 0);
	assert_int_equal(store_binding(&store, 301, &binding), -ENOENT);
	assert_int_equal(store_binding(&store, PRISM_ID_UNMANAGED, &binding), 0);
}

/* Its place is taken from the start, whatever `unmanaged` says. */
static int assign_none(struct prism_host *host, const struct policy *policy)
{
	struct compiled compiled;
	struct assign assign = {.host = host, .store = &store, .policy = policy, .compiled = &compiled};
	struct lsm_binding binding;

	store.host = host;
	assert_int_equal(compile(host, policy, &compiled), 0);
	assert_int_equal(store_write(&store, &compiled, &assign.first), 0);
	assert_int_equal(assign_all(&assign), 0);
	assert_int_equal(store_binding(&store, PRISM_ID_UNMANAGED, &binding), 0);
	assert_int_equal(binding.hooks, 0);
	compiled_done(&compiled);
	return 0;
}

static void test_unmanaged(void **state)
{
	(void)state;
	reader_expect(SETS, assign_none, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_generations, begin, end),
		cmocka_unit_test(test_reads),
		cmocka_unit_test_setup_teardown(test_no_room, begin, end),
		cmocka_unit_test_setup_teardown(test_sources, begin, end),
		cmocka_unit_test_setup_teardown(test_assign, begin, end),
		cmocka_unit_test_setup_teardown(test_forget, begin, end),
		cmocka_unit_test_setup_teardown(test_unmanaged, begin, end),
	};

	if (geteuid() != 0) {
		fprintf(stderr, "UNSUPPORTED: these tests make BPF maps: run them as root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
