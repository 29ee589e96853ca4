/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/util.h"
#include "config/schema.h"
#include "config/settings.h"

/* In a cell of a Markdown table. */
static void append_cell(struct text *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '|')
			text_append(out, "\\");
		text_append_n(out, s, 1);
	}
}

static void append_default(const struct prism_option *option, struct text *out)
{
	if (option->flags & PRISM_OPTION_REQUIRED) {
		text_append(out, "required");
	} else if (!option->fallback) {
		text_append(out, "none");
	} else {
		text_append(out, "`");
		append_cell(out, *option->fallback ? option->fallback : "\"\"");
		text_append(out, "`");
	}
}

static const char *kind_of(const struct section *section, const struct prism_option *option)
{
	const struct subsection *sub = section_sub(section, option->name);

	if ((sub && sub->form == SECTION_LIST) || (section == &schema_cgroup && !strcmp(option->name, "rules")))
		return "list of maps";
	return option_kind_name(option->kind);
}

static void append_option(const struct section *section, const struct prism_option *option, struct text *out)
{
	char range[400];

	text_appendf(out, "| `%s` | %s | ", option->name, kind_of(section, option));
	append_default(option, out);
	text_append(out, " | ");
	append_cell(out, option_range(option, range, sizeof(range)));
	text_append(out, " | ");
	append_cell(out, option->help);
	text_append(out, " |\n");
}

static bool is_map(const struct section *section, const char *key)
{
	const struct subsection *sub = section_sub(section, key);

	return sub && sub->form == SECTION_MAP;
}

static void append_section(const struct section *section, struct text *out)
{
	uint32_t own = 0;

	for (uint32_t i = 0; i < section->n_options; i++) {
		const struct prism_option *option = &section->options[i];

		/* A section inside has its own table. */
		if (is_map(section, option->name))
			continue;
		if (!own++) {
			text_appendf(out, "### %s\n\n%s\n\n", *section->path ? section->path : "top level",
				     section->summary);
			text_append(out, "| key | kind | default | allowed | meaning |\n|---|---|---|---|---|\n");
		}
		append_option(section, option, out);
	}
	if (own)
		text_append(out, "\n");
	for (const struct subsection *sub = section->subsections; sub && sub->key; sub++)
		if (sub->form != SECTION_OVERLAY)
			append_section(sub->section, out);
}

void settings_reference(struct text *out)
{
	append_section(&schema_root, out);
}
