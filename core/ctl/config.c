/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl config check|show. */
#include <errno.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "host/host.h"
#include "source/rules.h"

/* ---- check ------------------------------------------------------------------------------------------------------ */

static json_t *check_document(const struct settings *s, const struct problems *p, size_t n_rules)
{
	json_t *doc = json_document(), *problems = json_array(), *files = json_array();

	for (size_t i = 0; i < p->n; i++)
		json_array_append_new(problems, json_pack("{s:o, s:o}", "where", json_string_any(p->list[i].where),
							  "text", json_string_any(p->list[i].text)));
	for (size_t i = 0; s && i < s->n_files; i++)
		json_array_append_new(files, json_string_any(s->files[i]));
	json_object_set_new(doc, "ok", json_boolean(!p->n && s));
	json_object_set_new(doc, "problems", problems);
	json_object_set_new(doc, "dropped", json_integer((json_int_t)p->dropped));
	json_object_set_new(doc, "files", files);
	json_object_set_new(doc, "rules", json_integer((json_int_t)n_rules));
	json_object_set_new(doc, "modules", json_integer(s ? (json_int_t)s->n_modules : 0));
	return doc;
}

static void print_line(FILE *out, const char *where, const char *text)
{
	_cleanup_text_ struct text line = {0};

	escape_terminal(&line, where, strlen(where));
	if (line.len)
		text_append(&line, ": ");
	escape_terminal(&line, text, strlen(text));
	fprintf(out, "%s\n", line.data ? line.data : "");
}

static void print_check(struct ctl *ctl, const json_t *doc)
{
	FILE *out = ctl->style.out;
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(doc, "problems"), i, v)
		print_line(stderr, json_text(v, "where"), json_text(v, "text"));
	if (json_number(doc, "dropped"))
		fprintf(stderr, "and %d more\n", (int)json_number(doc, "dropped"));
	if (!json_flag(doc, "ok"))
		return;
	fprintf(out, "OK: %d cgroup rules, %d modules\n", (int)json_number(doc, "rules"),
		(int)json_number(doc, "modules"));
	json_array_foreach(json_object_get(doc, "files"), i, v) print_line(out, "read", json_string_value(v));
}

static int run_check(struct ctl *ctl, const struct invocation *inv)
{
	_cleanup_problems_ struct problems p = {0};
	struct settings *s = NULL;
	struct rules *rules = NULL;
	size_t n_rules = 0;
	json_t *doc;
	bool bad;
	int r;

	r = ctl_settings_load(ctl, inv->n_args ? inv->args[0] : NULL, &s, &p);
	if (r == 0 && rules_compile(s->rules, &rules, &p) == 0)
		n_rules = rules_count(rules);
	if (r == 0)
		host_check_modules(s, ctl->self_exe, &p);
	bad = r < 0 || p.n;
	doc = check_document(s, &p, n_rules);
	rules_free(rules);
	settings_free(s);
	r = ctl_print(ctl, doc, print_check);
	return r ? r : bad ? CTL_ERROR : CTL_OK;
}

const struct command config_check_command = {
	.noun = "config",
	.verb = "check",
	.arguments = "[FILE]",
	.max_args = 1,
	.summary = "Check the configuration, its rules and its modules",
	.detail =
		"Reads FILE (default: --config, then " PRISM_CONFIG ") with the conf.d beside it, compiles the cgroup\n"
		"rules and test-loads each enabled module in a child process. Every problem is a line of its own;\n"
		"nothing that runs is touched. Exit code 1 when there is any.",
	.examples = "  prismctl config check\n"
		    "  prismctl config check ./prismd.yaml && prismctl reload\n",
	.complete = "@file",
	.run = run_check,
};

/* ---- show ------------------------------------------------------------------------------------------------------- */

/* Effective settings as text; from prismd, or from the files when it is down. */
static int effective(struct ctl *ctl, char **ret, struct error *e)
{
	_cleanup_problems_ struct problems p = {0};
	_cleanup_text_ struct text out = {0};
	struct settings *s = NULL;
	int r = client_get_text(ctl, "/v1/config", ret, e);

	if (r != -ENOTCONN)
		return r;
	r = ctl_settings_load(ctl, NULL, &s, &p);
	if (r < 0) {
		*e = p.n ? p.list[0] : (struct error){.code = -r, .text = "the configuration cannot be read"};
		e->code = EINVAL;
		return -EINVAL;
	}
	ctl_note(ctl, "%s: %s; this is read from the configuration files", e->where, e->text);
	settings_print(s, &out);
	settings_free(s);
	*ret = text_take(&out);
	return *ret ? 0 : error_set(e, ENOMEM, NULL, "out of memory");
}

static void print_text(FILE *out, const char *text)
{
	_cleanup_text_ struct text escaped = {0};

	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");

		escape_terminal(&escaped, line, len);
		text_append(&escaped, "\n");
		line += len + (line[len] == '\n');
	}
	if (escaped.data)
		fputs(escaped.data, out);
}

static void print_files(struct ctl *ctl, const json_t *doc)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(doc, "files"), i, v) print_line(ctl->style.out, "", json_string_value(v));
}

static int run_show(struct ctl *ctl, const struct invocation *inv)
{
	_cleanup_problems_ struct problems p = {0};
	_cleanup_free_ char *text = NULL;
	struct error e = {0};
	const struct settings *s;
	json_t *doc, *files;

	if (!invocation_has(inv, "effective")) {
		s = ctl_settings(ctl);
		if (!s)
			return CTL_ERROR;
		files = json_array();
		for (size_t i = 0; i < s->n_files; i++)
			json_array_append_new(files, json_string_any(s->files[i]));
		doc = json_document();
		json_object_set_new(doc, "files", files);
		return ctl_print(ctl, doc, print_files);
	}
	if (ctl->style.format == OUTPUT_JSON)
		return ctl_usage("config show --effective: only as YAML (it is the configuration itself)");
	if (effective(ctl, &text, &e) < 0)
		return ctl_fail(&e);
	print_text(ctl->style.out, text);
	return CTL_OK;
}

const struct command config_show_command = {
	.noun = "config",
	.verb = "show",
	.summary = "The files that make the configuration, or all values",
	.detail =
		"Without --effective: the files, in the order they are laid over each other. With it: every value and\n"
		"the file and line it comes from, as YAML, defaults included; from prismd when it runs, otherwise "
		"from\n"
		"the files.",
	.examples = "  prismctl config show\n"
		    "  prismctl config show --effective | grep -A3 ^bus\n",
	.options = (const struct ctl_option[]){{"effective", 0, ARGUMENT_NONE, NULL,
						"every value with its file and line", NULL},
					       {0}},
	.run = run_show,
};
