/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration as text, the shipped files, the reference in the docs, and the tables behind them. */
#include "config_site.h"

#include "config/option.h"
#include "config/schema.h"

/* The table and the shipped file say the same, and the shipped profiles load. */
static void test_shipped_files(void **state)
{
	struct site *site = *state;
	struct text plain = {0}, shipped = {0};
	char *cut;

	settings_print(load_good(site), &plain);
	snprintf(site->main, sizeof(site->main), "%s/conf/prismd.yaml", PRISM_SOURCE_DIR);
	site->overlay[0] = "modules=[]";
	site->overlay[1] = "profiles=[]";
	site->overlay[2] = "module_dirs=[" PRISM_MODULE_DIR "]";
	settings_print(load_good(site), &shipped);
	/* But for where each value comes from. */
	for (struct text *t = &plain; t; t = t == &plain ? &shipped : NULL) {
		char *to = t->data;

		for (char *line = t->data, *next; *line; line = next) {
			next = strchr(line, '\n') + 1;
			cut = memchr(line, '#', (size_t)(next - line));
			for (cut = cut ? cut : next - 1; cut > line && cut[-1] == ' '; cut--)
				;
			/* Quotes are a matter of taste. */
			for (; line < cut; line++)
				if (*line != '"')
					*to++ = *line;
			*to++ = '\n';
		}
		*to = '\0';
		while (strstr(t->data, "\n\n"))
			memmove(strstr(t->data, "\n\n"), strstr(t->data, "\n\n") + 1, strlen(strstr(t->data, "\n\n")));
	}
	assert_string_equal(plain.data, shipped.data);
	text_done(&plain);
	text_done(&shipped);

	site->overlay[0] = NULL;
	load_good(site);
	assert_int_equal(site->s->n_profiles, 4);
	for (size_t i = 0; i < 4; i++)
		assert_false(site->s->profiles[i].active);
	site->overlay[0] = "profiles.latency.hosts=[lat-1]";
	site->overlay[1] = "profiles.observe-only.hosts=[lat-*]";
	site->overlay[2] = NULL;
	load_good(site);
	assert_true(site->s->profiles[0].active);
	assert_int_equal(site->s->heartbeat_ms, 1000);
	assert_int_equal(site->s->on_exit, EXIT_REMOVE);
	assert_false(settings_module(site->s, "sched")->enabled);
}

/* Every value without where it came from. */
static void flatten(const struct prism_node *node, struct text *out)
{
	char path[NODE_PATH_SIZE];

	if (node->kind == PRISM_NODE_SCALAR) {
		text_appendf(out, "%s=%s\n", node_path(node, path, sizeof(path)), node->text);
		return;
	}
	if (!node->n_child)
		text_appendf(out, "%s=%d\n", node_path(node, path, sizeof(path)), node->kind);
	for (uint32_t i = 0; i < node->n_child; i++)
		if (node->parent || strcmp(node->child[i]->key, "profiles") != 0)
			flatten(node->child[i], out);
}

static void assert_round_trip(struct site *site)
{
	struct text printed = {0}, before = {0}, after = {0};
	char conf_d[160], main_file[160];

	settings_print(load_good(site), &printed);
	flatten(site->s->root, &before);
	snprintf(conf_d, sizeof(conf_d), "%s/empty", site->dir);
	mkdir(conf_d, 0755);
	snprintf(main_file, sizeof(main_file), "%s/empty/printed", site->dir);
	assert_int_equal(file_write_atomic(main_file, printed.data, printed.len, 0644, NULL), 0);
	drop(site);
	site->r = settings_load(&(struct settings_source){.path = main_file, .conf_d = conf_d, .hostname = "another"},
				&site->s, &site->p);
	if (site->p.n)
		fail_msg("%s: %s in:\n%s", site->p.list[0].where, site->p.list[0].text, printed.data);
	flatten(site->s->root, &after);
	assert_string_equal(before.data, after.data);
	text_done(&printed);
	text_done(&before);
	text_done(&after);
}

static void test_round_trip(void **state)
{
	struct site *site = *state;

	assert_round_trip(site);
	write_file(
		site, "prismd.yaml",
		"modules:\n"
		"  - name: net\n"
		"    config:\n"
		"      empty:\n"
		"      list: [[1, [2, {a: b}]], [], {}, -x, {x: [y]}, '', ~]\n"
		"      text: \"quotes \\\" and \\\\ \\n lines \\t \\x01 \\x85 \\u2028 \\uFEFF \\uFFFE \\u00e4\"\n"
		"      block: |\n"
		"        two\n"
		"        lines\n"
		"      'odd: key': 1\n"
		"      \"- dash\": '- dash'\n"
		"      words: [null-like, 'null', '~', 'true', true, 0x10, -5, 1.5, a:b, 'a: b', '#', a#b, '...']\n"
		"      signs: ['---', '-', '*x', '&x', '!x', '%x', '@x', '`x', '?', ':', 'x:', '{', ' x ', \"\\e\"]\n");
	write_file(site, "profiles/p.yaml", "sources: {cgroup: {rules: [{match: 'p/{a}'}]}}\n");
	write_file(site, "conf.d/a.yaml",
		   "profiles: [{name: p, hosts: ['*'], file: ../profiles/p.yaml}]\nbus: {compat: v1-exact}\n");
	assert_round_trip(site);
}

static void test_print(void **state)
{
	struct site *site = *state;
	struct text out = {0};

	write_file(site, "prismd.yaml", "bus: {capacity: 10}\nmodules:\n  - name: net\n    config: {a: [x, {b: c}]}\n");
	write_file(site, "conf.d/a.yaml", "log: {level: debug}\nprofiles: [{name: p, hosts: [no], overlay: {}}]\n");
	site->overlay[0] = "node.name=n1";
	settings_print(load_good(site), &out);
	assert_non_null(strstr(out.data, "# Effective configuration of node n1\n"));
	assert_non_null(strstr(out.data, "\n  name: n1                                  # command line\n"));
	assert_non_null(strstr(out.data, "\n  capacity: 10                              # prismd.yaml:1\n"));
	assert_non_null(strstr(out.data, "\n  level: debug                              # conf.d/a.yaml:1\n"));
	assert_non_null(strstr(out.data, "\n  heartbeat: 2s                             # default\n"));
	assert_non_null(strstr(out.data, "\n  - name: net                               # prismd.yaml:3\n"));
	assert_non_null(strstr(out.data, "\n      a:\n"
					 "        - x                                 # prismd.yaml:4\n"
					 "        - b: c                              # prismd.yaml:4\n"));
	assert_non_null(strstr(out.data, "\n#   p: not active; hosts no; written inline (conf.d/a.yaml:2)\n"));
	assert_null(strstr(out.data, "\nprofiles:"));
	text_done(&out);
}

/* Names of files are input too: one with a line break must not become a line of configuration. */
static void test_print_hostile_name(void **state)
{
	struct site *site = *state;
	struct text out = {0};

	write_file(site, "conf.d/a\nbus: {}.yaml", "log: {level: debug}\n");
	settings_print(load_good(site), &out);
	assert_null(strstr(out.data, "\nbus: {}"));
	assert_non_null(strstr(out.data, "# conf.d/a?bus: {}.yaml:1\n"));
	text_done(&out);
}

static void check_section(const struct section *section)
{
	struct error e = {0};

	if (option_table_check(section->options, section->n_options, sizeof(*section->options), &e) < 0)
		fail_msg("%s: %s", section->path, e.text);
	for (uint32_t i = 0; i < section->n_options; i++)
		assert_int_equal(section->options[i].help[strlen(section->options[i].help) - 1], '.');
	for (const struct value_check *c = section->checks; c && c->key; c++) {
		uint32_t i = 0;

		while (i < section->n_options && strcmp(section->options[i].name, c->key) != 0)
			i++;
		assert_true(i < section->n_options);
	}
	for (const struct subsection *sub = section->subsections; sub && sub->key; sub++)
		if (sub->form != SECTION_OVERLAY)
			check_section(sub->section);
}

static void test_schema(void **state)
{
	(void)state;
	check_section(&schema_root);
}

static void replace(struct text *t, const char *what, const char *with)
{
	struct text out = {0};
	const char *at = strstr(t->data, what);

	text_append_n(&out, t->data, (size_t)(at - t->data));
	text_append(&out, with);
	text_append(&out, at + strlen(what));
	text_done(t);
	*t = out;
}

/* docs/configuration.md carries the table between two marks. */
static void test_reference(void **state)
{
	static const char begin[] = "<!-- reference: begin -->\n\n", end[] = "<!-- reference: end -->";
	struct text reference = {0};
	char *docs, *from, *to;
	size_t len;

	(void)state;
	settings_reference(&reference);
	/* The docs show the directory of the usual prefix. */
	if (strstr(reference.data, PRISM_MODULE_DIR) && strcmp(PRISM_MODULE_DIR, "/usr/lib/prism/modules") != 0)
		replace(&reference, PRISM_MODULE_DIR, "/usr/lib/prism/modules");
	assert_int_equal(file_read(PRISM_SOURCE_DIR "/docs/configuration.md", 1 << 20, &docs, &len, NULL), 0);
	from = strstr(docs, begin);
	to = strstr(docs, end);
	assert_true(from && to && from < to);
	*to = '\0';
	if (strcmp(from + strlen(begin), reference.data) != 0)
		fail_msg("docs/configuration.md is not up to date; between its marks belongs:\n%s", reference.data);
	free(docs);
	text_done(&reference);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* The shipped file with bytes changed, cut out and doubled: it loads, or there is a problem; a print loads again. */
static void test_mutations(void **state)
{
	static const char bytes[] = " \n:-[]{}'\"#&*!|>?%@,~\\\t0aZ\x01\xff\xc3";
	struct site *site = *state;
	uint32_t seed = 20240229;
	char *text, *mutant;
	size_t len;
	unsigned int loaded = 0;

	assert_int_equal(file_read(PRISM_SOURCE_DIR "/conf/prismd.yaml", 1 << 20, &text, &len, NULL), 0);
	mutant = malloc(2 * len + 1);
	/* Without its profiles, whose files are not here. */
	len = (size_t)(strstr(text, "\nprofiles:") - text);
	for (unsigned int round = 0; round < 400; round++) {
		struct settings_source source = {.path = site->main, .hostname = "h"};
		size_t n = len;

		memcpy(mutant, text, len);
		for (unsigned int i = 1 + next_random(&seed) % 4; i; i--) {
			size_t where = next_random(&seed) % n, span = next_random(&seed) % 40;

			span = span > n - where ? n - where : span;
			if (next_random(&seed) % 3 == 0 && n > span + 1) {
				memmove(mutant + where, mutant + where + span, n - where - span);
				n -= span;
			} else if (next_random(&seed) % 3 == 0 && n + span < 2 * len) {
				memmove(mutant + where + span, mutant + where, n - where);
				n += span;
			} else {
				mutant[where] = bytes[next_random(&seed) % (sizeof(bytes) - 1)];
			}
		}
		drop(site);
		assert_int_equal(file_write_atomic(site->main, mutant, n, 0644, NULL), 0);
		site->r = settings_load(&source, &site->s, &site->p);
		assert_int_equal(site->r == 0, site->p.n == 0);
		assert_int_equal(site->r == 0, site->s != NULL);
		if (site->r == 0) {
			loaded++;
			assert_round_trip(site);
		}
	}
	assert_true(loaded > 20 && loaded < 380);
	free(text);
	free(mutant);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(test_shipped_files),      SITE_TEST(test_round_trip), SITE_TEST(test_print),
		SITE_TEST(test_print_hostile_name), SITE_TEST(test_mutations),  cmocka_unit_test(test_schema),
		cmocka_unit_test(test_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
