/* SPDX-License-Identifier: Apache-2.0 */
/* Tables, JSON, YAML, and that nothing hostile gets through them to a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <locale.h>

#include <cmocka.h>
#include <yaml.h>

#include "ctl/commands.h"
#include "ctl/ctl.h"
#include "ctl/events.h"
#include "ctl/output.h"

/* ---- escaping --------------------------------------------------------------------------------------------------- */

static void check_terminal(const char *in, size_t n, const char *want)
{
	struct text out = {0};

	escape_terminal(&out, in, n);
	assert_string_equal(out.data ? out.data : "", want);
	text_done(&out);
}

static void terminal_keeps_text(void **state)
{
	(void)state;
	check_terminal("plain text, \"quotes\" and \\", 26, "plain text, \"quotes\" and \\");
	check_terminal("grün 漢字 🚀", strlen("grün 漢字 🚀"), "grün 漢字 🚀");
	check_terminal("", 0, "");
}

static void terminal_escapes_controls(void **state)
{
	(void)state;
	check_terminal("\033[31mred\033[0m", 12, "\\x1b[31mred\\x1b[0m");
	check_terminal("\033]0;title\007", 10, "\\x1b]0;title\\x07");
	check_terminal("a\0b\r\n\t\177", 7, "a\\x00b\\x0d\\x0a\\x09\\x7f");
	/* C1 as UTF-8: U+009B is a control sequence introducer to some terminals; and as a bare byte. */
	check_terminal("\xc2\x9b"
		       "2J",
		       4, "\\x9b2J");
	check_terminal("\x9b"
		       "2J",
		       3, "\\x9b2J");
}

static void terminal_escapes_what_is_not_utf8(void **state)
{
	(void)state;
	check_terminal("\xff\xfe", 2, "\\xff\\xfe");
	check_terminal("\xc0\x9b", 2, "\\xc0\\x9b");                   /* overlong */
	check_terminal("\xe0\x80\x9b", 3, "\\xe0\\x80\\x9b");          /* overlong */
	check_terminal("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");          /* surrogate */
	check_terminal("\xf4\x90\x80\x80", 4, "\\xf4\\x90\\x80\\x80"); /* beyond U+10FFFF */
	check_terminal("a\xe6\xbc", 3, "a\\xe6\\xbc");                 /* cut short */
}

static void terminal_escapes_direction_marks(void **state)
{
	(void)state;
	check_terminal("a\xe2\x80\xae"
		       "b",
		       5, "a\\u{202e}b");
	check_terminal("\xe2\x81\xa6x\xe2\x81\xa9", 7, "\\u{2066}x\\u{2069}");
	check_terminal("\xef\xbb\xbf", 3, "\\u{feff}");
}

static void json_stays_json(void **state)
{
	const char *in = "{\"a\": \"\x7f\xc2\x9b\xe2\x80\xaeü\"}\n";
	struct text out = {0};
	json_t *doc;

	(void)state;
	escape_json(&out, in, strlen(in));
	assert_string_equal(out.data, "{\"a\": \"\\u007f\\u009b\\u202eü\"}\n");
	doc = json_loads(out.data, 0, NULL);
	assert_non_null(doc);
	assert_string_equal(json_text(doc, "a"), "\x7f\xc2\x9b\xe2\x80\xaeü");
	json_decref(doc);
	text_done(&out);
}

static void columns_of_text(void **state)
{
	(void)state;
	assert_int_equal(text_columns("abc", 3), 3);
	assert_int_equal(text_columns("grün", strlen("grün")), 4);
	assert_int_equal(text_columns("漢字", strlen("漢字")), 4);
}

/* ---- tables ----------------------------------------------------------------------------------------------------- */

struct sink {
	char *data;
	size_t size;
	struct style style;
};

static void sink_open(struct sink *s, enum output_format format, bool color, unsigned int width)
{
	s->style = (struct style){.format = format, .color = color, .width = width};
	s->style.out = open_memstream(&s->data, &s->size);
	assert_non_null(s->style.out);
}

static void sink_check(struct sink *s, const char *want)
{
	fclose(s->style.out);
	assert_string_equal(s->data, want);
	free(s->data);
}

static const struct column columns[] = {{.title = "N", .right = true},
					{.title = "NAME"},
					{.title = "HASH", .wide = true},
					{.title = "LAST"}};

static void fill(struct table *t, const char *name, const char *last)
{
	table_init(t, columns, 4);
	table_cell(t, TONE_PLAIN, "%d", 7);
	table_cell(t, TONE_GOOD, "%s", name);
	table_cell(t, TONE_PLAIN, "%s", "ff");
	table_cell(t, TONE_PLAIN, "%s", last);
	table_cell(t, TONE_PLAIN, "%d", 12345);
	table_cell(t, TONE_PLAIN, "%s", "b");
	table_cell(t, TONE_PLAIN, "%s", "0");
	table_cell(t, TONE_PLAIN, "%s", "x");
}

static void table_aligns(void **state)
{
	struct sink s;
	struct table t;

	(void)state;
	fill(&t, "漢字", "the end");
	sink_open(&s, OUTPUT_TABLE, false, 0);
	assert_int_equal(table_print(&t, &s.style), 0);
	sink_check(&s, "    N  NAME  LAST\n"
		       "    7  漢字  the end\n"
		       "12345  b     x\n");
	table_done(&t);
}

static void wide_has_all_columns(void **state)
{
	struct sink s;
	struct table t;

	(void)state;
	fill(&t, "a", "the end");
	sink_open(&s, OUTPUT_WIDE, false, 10);
	assert_int_equal(table_print(&t, &s.style), 0);
	sink_check(&s, "    N  NAME  HASH  LAST\n"
		       "    7  a     ff    the end\n"
		       "12345  b     0     x\n");
	table_done(&t);
}

static void table_is_cut_on_a_terminal(void **state)
{
	struct sink s;
	struct table t;

	(void)state;
	fill(&t, "a", "a long text, grün");
	sink_open(&s, OUTPUT_TABLE, false, 24);
	assert_int_equal(table_print(&t, &s.style), 0);
	sink_check(&s, "    N  NAME  LAST\n"
		       "    7  a     a long tex…\n"
		       "12345  b     x\n");
	table_done(&t);
}

static void table_colours_and_escapes(void **state)
{
	struct sink s;
	struct table t;

	(void)state;
	fill(&t, "\033[1m", "x");
	sink_open(&s, OUTPUT_TABLE, true, 0);
	assert_int_equal(table_print(&t, &s.style), 0);
	sink_check(&s, "    N  NAME     LAST\n"
		       "    7  \033[32m\\x1b[1m\033[0m  x\n"
		       "12345  b        x\n");
	table_done(&t);
}

static void an_empty_table_is_its_header(void **state)
{
	struct sink s;
	struct table t;

	(void)state;
	table_init(&t, columns, 4);
	sink_open(&s, OUTPUT_TABLE, false, 0);
	assert_int_equal(table_print(&t, &s.style), 0);
	sink_check(&s, "N  NAME  LAST\n");
	table_done(&t);
}

static void a_file_has_no_colour(void **state)
{
	FILE *f = tmpfile();
	struct style s = {0};

	(void)state;
	assert_non_null(f);
	style_init(&s, f, false);
	assert_false(s.color);
	assert_int_equal(s.width, 0);
	fclose(f);
}

/* ---- documents -------------------------------------------------------------------------------------------------- */

static void yaml_quotes_what_readers_mistake(void **state)
{
	json_t *doc =
		json_loads("{\"schema_version\":1,\"list\":[],\"map\":{},\"a\":\"true\",\"b\":\"12\",\"c\":\"x: y\","
			   "\"d\":\"\\u001b[2J\",\"e\":null,\"f\":[\"on\",1.5,false,\"plain/text-1\"]}",
			   0, NULL);
	struct sink s;

	(void)state;
	assert_non_null(doc);
	sink_open(&s, OUTPUT_YAML, false, 0);
	assert_int_equal(output_yaml(doc, s.style.out), 0);
	sink_check(&s, "schema_version: 1\nlist: []\nmap: {}\na: \"true\"\nb: \"12\"\nc: \"x: y\"\nd: \"\\e[2J\"\n"
		       "e: null\nf:\n- \"on\"\n- 1.5\n- false\n- plain/text-1\n");
	json_decref(doc);
}

/* What was written is read back as the same text, whatever bytes it has. */
static void yaml_round_trip(void **state)
{
	static const char *const texts[] = {
		"",       "- x", "#", "a\nb", "\x7f", "\xe2\x80\xaex", "ü", "~", "0x1", "?", "\xc2\x85\xc2\x9b",
		"a\\\"b", "🚀",  "=", " a "};
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		json_t *doc = json_pack("[s]", texts[i]);
		yaml_document_t parsed;
		yaml_parser_t parser;
		yaml_node_t *root, *node;
		struct sink s;

		assert_non_null(doc);
		sink_open(&s, OUTPUT_YAML, false, 0);
		assert_int_equal(output_yaml(doc, s.style.out), 0);
		fclose(s.style.out);
		assert_true(yaml_parser_initialize(&parser));
		yaml_parser_set_input_string(&parser, (const unsigned char *)s.data, s.size);
		assert_true(yaml_parser_load(&parser, &parsed));
		root = yaml_document_get_root_node(&parsed);
		node = yaml_document_get_node(&parsed, root->data.sequence.items.start[0]);
		assert_int_equal(node->type, YAML_SCALAR_NODE);
		assert_string_equal((char *)node->data.scalar.value, texts[i]);
		assert_null(memchr(s.data, 0x7f, s.size));
		yaml_document_delete(&parsed);
		yaml_parser_delete(&parser);
		free(s.data);
		json_decref(doc);
	}
}

static void json_output(void **state)
{
	json_t *doc = json_pack("{s:i, s:[], s:s}", "schema_version", 1, "list", "s", "\x7f\xc2\x9b");
	struct sink s;

	(void)state;
	sink_open(&s, OUTPUT_JSON, false, 0);
	assert_int_equal(output_json(doc, s.style.out), 0);
	sink_check(&s, "{\n  \"schema_version\": 1,\n  \"list\": [],\n  \"s\": \"\\u007f\\u009b\"\n}\n");
	json_decref(doc);
}

/* ---- events ----------------------------------------------------------------------------------------------------- */

static void event_as_a_line(void **state)
{
	json_t *event =
		json_loads("{\"seq\":3,\"time\":\"not a time\",\"type\":\"trace.exec\",\"identity\":4711,"
			   "\"workload\":\"shop/checkout\",\"facets\":[\"net\"],\"class\":\"normal\",\"weight\":1,"
			   "\"file\":\"/bin/\\u001b[2Jsh\",\"pid\":12,\"args\":[\"a b\",\"\\u202e\"],\"empty\":\"\"}",
			   0, NULL);
	struct text line = {0};

	(void)state;
	assert_non_null(event);
	event_line(event, false, &line);
	assert_string_equal(line.data, "not a time    trace.exec          4711  shop/checkout             "
				       "file=/bin/\\x1b[2Jsh pid=12 args=[\"a b\",\"\\u{202e}\"] empty=\"\"");
	text_done(&line);
	json_decref(event);
}

/* ---- a module --------------------------------------------------------------------------------------------------- */

static void module_with_its_options(void **state)
{
	json_t *module = json_pack(
		"{s:s, s:s, s:s, s:[{s:s, s:s, s:n, s:s, s:b, s:s}, {s:s, s:s, s:s, s:s, s:b, s:s}], s:[s, s]}", "name",
		"opens", "version", "", "state", "running", "options", "name", "path", "kind", "string", "default",
		"allowed", "", "required", 1, "help", "Where.", "name", "max", "kind", "int", "default", "8", "allowed",
		"1 to 9", "required", 0, "help", "How many \033[2J.", "capabilities", "CAP_NET_ADMIN", "CAP_BPF");
	struct ctl ctl = {0};
	char *text = NULL;
	size_t size;

	(void)state;
	assert_non_null(module);
	ctl.style.out = open_memstream(&text, &size);
	module_print(&ctl, module);
	fclose(ctl.style.out);
	assert_int_equal(strncmp(text, "Module:         opens\n", 22), 0);
	assert_non_null(strstr(text, "\nCapabilities:   CAP_NET_ADMIN, CAP_BPF\n"));
	assert_non_null(strstr(text, "\n\nOPTION  KIND    DEFAULT   ALLOWED  HELP\n"
				     "path    string  required  -        Where.\n"
				     "max     int     8         1 to 9   How many \\x1b[2J.\n"));
	free(text);
	json_decref(module);
}

static void trouble_of_a_module(void **state)
{
	static const struct {
		const char *state;
		int required;
		bool troubled;
	} cases[] = {
		{"running", 0, false},     {"running", 1, false},    {"failed", 0, true},    {"quarantined", 0, true},
		{"unsupported", 0, false}, {"unsupported", 1, true}, {"disabled", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *m = json_pack("{s:s, s:b}", "state", cases[i].state, "required", cases[i].required);

		assert_int_equal(module_troubled(m), cases[i].troubled);
		json_decref(m);
	}
}

static void durations(void **state)
{
	char buf[32];

	(void)state;
	assert_string_equal(duration_text(0.0000021, buf, sizeof(buf)), "2.1us");
	assert_string_equal(duration_text(0.25, buf, sizeof(buf)), "250.0ms");
	assert_string_equal(duration_text(59.9, buf, sizeof(buf)), "59.9s");
	assert_string_equal(duration_text(192, buf, sizeof(buf)), "3m12s");
	assert_string_equal(duration_text(90061, buf, sizeof(buf)), "1d01h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terminal_keeps_text),
		cmocka_unit_test(terminal_escapes_controls),
		cmocka_unit_test(terminal_escapes_what_is_not_utf8),
		cmocka_unit_test(terminal_escapes_direction_marks),
		cmocka_unit_test(json_stays_json),
		cmocka_unit_test(columns_of_text),
		cmocka_unit_test(table_aligns),
		cmocka_unit_test(wide_has_all_columns),
		cmocka_unit_test(table_is_cut_on_a_terminal),
		cmocka_unit_test(table_colours_and_escapes),
		cmocka_unit_test(an_empty_table_is_its_header),
		cmocka_unit_test(a_file_has_no_colour),
		cmocka_unit_test(yaml_quotes_what_readers_mistake),
		cmocka_unit_test(yaml_round_trip),
		cmocka_unit_test(json_output),
		cmocka_unit_test(event_as_a_line),
		cmocka_unit_test(module_with_its_options),
		cmocka_unit_test(trouble_of_a_module),
		cmocka_unit_test(durations),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
