/* SPDX-License-Identifier: Apache-2.0 */
/* prismctl module list|show|enable|disable|reload. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"

const char *module_reason(const json_t *module)
{
	const json_t *reason = json_object_get(module, "reason");

	return json_is_object(reason) ? json_text(reason, "text") : json_text(module, "reason");
}

const char *module_state_word(const json_t *module)
{
	return *json_text(module, "condition") ? "degraded" : json_text(module, "state");
}

bool module_troubled(const json_t *module)
{
	const char *state = json_text(module, "state");

	return *json_text(module, "condition") || strcmp(state, "failed") == 0 || strcmp(state, "quarantined") == 0 ||
	       (json_flag(module, "required") && strcmp(state, "running") != 0);
}

static const struct column columns[] = {
	{.title = "NAME"},
	{.title = "STATE"},
	{.title = "VERSION"},
	{.title = "FACET"},
	{.title = "REQUIRED"},
	{.title = "CRASHES", .right = true},
	{.title = "CONFIGURED AT", .wide = true},
	{.title = "FILE", .wide = true},
	{.title = "REASON"},
};

static const char *or_dash(const char *s)
{
	return *s ? s : "-";
}

static void print_list(struct ctl *ctl, const json_t *doc)
{
	struct table t;
	const json_t *m;
	size_t i;

	table_init(&t, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(doc, "modules"), i, m)
	{
		table_cell(&t, TONE_PLAIN, "%s", json_text(m, "name"));
		table_cell(&t, tone_of(module_state_word(m)), "%s", module_state_word(m));
		table_cell(&t, TONE_PLAIN, "%s", or_dash(json_text(m, "version")));
		table_cell(&t, TONE_PLAIN, "%s", or_dash(json_text(m, "facet")));
		table_cell(&t, TONE_PLAIN, "%s", json_flag(m, "required") ? "yes" : "no");
		table_cell(&t, TONE_PLAIN, "%" PRId64, json_number(m, "crashes"));
		table_cell(&t, TONE_PLAIN, "%s", or_dash(json_text(m, "where")));
		table_cell(&t, TONE_PLAIN, "%s", or_dash(json_text(m, "file")));
		table_cell(&t, TONE_PLAIN, "%s",
			   *json_text(m, "condition") ? json_text(m, "condition") : or_dash(module_reason(m)));
	}
	table_print(&t, &ctl->style);
	table_done(&t);
}

static void print_capabilities(struct table *t, const json_t *names)
{
	_cleanup_(text_done) struct text list = {0};
	const json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		text_appendf(&list, "%s%s", i ? ", " : "", json_string_value(name));
	}
	if (list.len)
		fields_add(t, "Capabilities", TONE_PLAIN, "%s", list.data);
}

static void print_one(struct ctl *ctl, const json_t *doc)
{
	const json_t *m = doc, *reason = json_object_get(m, "reason");
	struct table t;
	char time[32];

	fields_init(&t);
	fields_add(&t, "Module", TONE_PLAIN, "%s%s%s", json_text(m, "name"), *json_text(m, "version") ? " " : "",
		   json_text(m, "version"));
	if (*json_text(m, "summary"))
		fields_add(&t, "Summary", TONE_PLAIN, "%s", json_text(m, "summary"));
	fields_add(&t, "State", tone_of(json_text(m, "state")), "%s for %s", json_text(m, "state"),
		   duration_text(json_decimal(m, "since"), time, sizeof(time)));
	if (*json_text(m, "condition"))
		fields_add(&t, "Degraded", TONE_WARN, "%s", json_text(m, "condition"));
	if (*module_reason(m))
		fields_add(&t, "Reason", TONE_WARN, "%s%s%s", json_text(reason, "where"),
			   *json_text(reason, "where") ? ": " : "", module_reason(m));
	fields_add(&t, "Required", TONE_PLAIN, "%s", json_flag(m, "required") ? "yes" : "no");
	fields_add(&t, "File", TONE_PLAIN, "%s", or_dash(json_text(m, "file")));
	fields_add(&t, "Configured at", TONE_PLAIN, "%s", or_dash(json_text(m, "where")));
	if (*json_text(m, "facet") && json_number(m, "facet_bit") >= 0)
		fields_add(&t, "Facet", TONE_PLAIN, "%s (bit %" PRId64 ")%s", json_text(m, "facet"),
			   json_number(m, "facet_bit"), json_flag(m, "facet_all") ? ", every identity" : "");
	else if (*json_text(m, "facet"))
		fields_add(&t, "Facet", TONE_PLAIN, "%s (not claimed)", json_text(m, "facet"));
	if (*json_text(m, "abi"))
		fields_add(&t, "ABI", TONE_PLAIN, "%s", json_text(m, "abi"));
	print_capabilities(&t, json_object_get(m, "capabilities"));
	if (json_decimal(m, "load_time") > 0)
		fields_add(&t, "Load time", TONE_PLAIN, "%s",
			   duration_text(json_decimal(m, "load_time"), time, sizeof(time)));
	fields_add(&t, "Crashes", TONE_PLAIN, "%" PRId64, json_number(m, "crashes"));
	fields_add(&t, "Loads", TONE_PLAIN, "%" PRId64, json_number(m, "loads"));
	fields_print(&t, &ctl->style);
	table_done(&t);
}

/* What may stand below the module's `config:`. */
static void print_options(struct ctl *ctl, const json_t *options)
{
	static const struct column option_columns[] = {
		{.title = "OPTION"}, {.title = "KIND"}, {.title = "DEFAULT"}, {.title = "ALLOWED"}, {.title = "HELP"},
	};
	struct table t;
	const json_t *o;
	size_t i;

	table_init(&t, option_columns, ARRAY_SIZE(option_columns));
	json_array_foreach(options, i, o)
	{
		table_cell(&t, TONE_PLAIN, "%s", json_text(o, "name"));
		table_cell(&t, TONE_PLAIN, "%s", json_text(o, "kind"));
		if (json_flag(o, "required"))
			table_cell(&t, TONE_WARN, "required");
		else
			table_cell(&t, TONE_PLAIN, "%s", or_dash(json_text(o, "default")));
		table_cell(&t, TONE_PLAIN, "%s", or_dash(json_text(o, "allowed")));
		table_cell(&t, TONE_PLAIN, "%s", json_text(o, "help"));
	}
	table_print(&t, &ctl->style);
	table_done(&t);
}

void module_print(struct ctl *ctl, const json_t *module)
{
	const json_t *options = json_object_get(module, "options");

	print_one(ctl, module);
	if (!json_array_size(options))
		return;
	fprintf(ctl->style.out, "\n");
	print_options(ctl, options);
}

static void module_path(struct text *path, const char *name, const char *action)
{
	text_append(path, "/v1/modules/");
	client_escape(path, name);
	if (action)
		text_appendf(path, "/%s", action);
}

static int run_list(struct ctl *ctl, const struct invocation *inv)
{
	struct error e = {0};
	json_t *doc = NULL;

	(void)inv;
	if (client_get(ctl, "/v1/modules", &doc, &e) < 0)
		return ctl_fail(&e);
	return ctl_print(ctl, doc, print_list);
}

static int run_show(struct ctl *ctl, const struct invocation *inv)
{
	_cleanup_text_ struct text path = {0};
	struct error e = {0};
	json_t *doc = NULL;

	module_path(&path, inv->args[0], NULL);
	if (path.failed)
		return ctl_no_memory();
	if (client_get(ctl, path.data, &doc, &e) < 0)
		return ctl_fail(&e);
	return ctl_print(ctl, doc, module_print);
}

/* enable, disable, reload: the verb is the endpoint. */
static int run_change(struct ctl *ctl, const struct invocation *inv)
{
	_cleanup_text_ struct text path = {0};
	struct error e = {0};
	json_t *doc = NULL;

	module_path(&path, inv->args[0], inv->command->verb);
	if (path.failed)
		return ctl_no_memory();
	if (client_post(ctl, path.data, &doc, &e) < 0)
		return ctl_fail(&e);
	return ctl_print(ctl, doc, print_one);
}

const struct command module_list_command = {
	.noun = "module",
	.verb = "list",
	.summary = "Modules, their state, and why",
	.examples = "  prismctl module list\n"
		    "  prismctl module list -o wide\n",
	.run = run_list,
};

const struct command module_show_command = {
	.noun = "module",
	.verb = "show",
	.arguments = "NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "One module in full, with its options",
	.detail = "The table has what may stand below its `config:`. -o json and yaml have the metrics and events that "
		  "the\n"
		  "module declares as well. All of them are known once its file was loaded.",
	.examples = "  prismctl module show net\n",
	.complete = "@module",
	.run = run_show,
};

const struct command module_enable_command = {
	.noun = "module",
	.verb = "enable",
	.arguments = "NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "Start a module that is disabled or quarantined",
	.detail = "Holds until the configuration file changes for this module. Prints the module as it is then.",
	.examples = "  prismctl module enable net\n",
	.complete = "@module",
	.run = run_change,
};

const struct command module_disable_command = {
	.noun = "module",
	.verb = "disable",
	.arguments = "NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "Stop a module and take its effects away",
	.detail = "Holds until the configuration file changes for this module. Prints the module as it is then.",
	.examples = "  prismctl module disable trace\n",
	.complete = "@module",
	.run = run_change,
};

const struct command module_reload_command = {
	.noun = "module",
	.verb = "reload",
	.arguments = "NAME",
	.min_args = 1,
	.max_args = 1,
	.summary = "Load a module's file again, in place",
	.detail = "Its pinned links and maps stay: the new file adopts them. Prints the module as it is then.",
	.examples = "  prismctl module reload net\n",
	.complete = "@module",
	.run = run_change,
};
