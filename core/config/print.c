/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "config/scalar.h"
#include "config/schema.h"
#include "config/settings.h"

#define COMMENT_COLUMN 44

struct printer {
	struct text *out;
	const char *base_dir;
	size_t line; /* offset of the line's begin in out */
};

/* ---- scalars ---- */

/* Nothing that YAML could take for structure, for a number of another base or for nothing. */
static bool is_plain(const char *s)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+-.";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+-.:@%";
	static const char *const nothing[] = {"null", "Null", "NULL"};
	size_t len = strlen(s);

	if (!len || !strchr(first, s[0]) || s[strspn(s, rest)] || s[len - 1] == ':')
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(nothing); i++)
		if (!strcmp(s, nothing[i]))
			return false;
	/* A lone "-" is a list, and lines of --- or ... end a document. */
	return (s[0] != '-' && s[0] != '.') || (len > 1 && s[1] != s[0]);
}

/* What libyaml refuses in a stream, or folds as a line break, though it comes through an escape: U+2028, U+FEFF... */
static unsigned int special_code_point(const unsigned char *u)
{
	unsigned int code;

	if ((u[0] & 0xf0) != 0xe0 || (u[1] & 0xc0) != 0x80 || (u[2] & 0xc0) != 0x80)
		return 0;
	code = (u[0] & 0xfu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
	return code == 0x2028 || code == 0x2029 || code == 0xfeff || code >= 0xfffe ? code : 0;
}

static void print_quoted(struct text *out, const char *s)
{
	text_append(out, "\"");
	for (; *s; s++) {
		const unsigned char *u = (const unsigned char *)s;
		unsigned int code = special_code_point(u);

		if (code) {
			text_appendf(out, "\\u%04X", code);
			s += 2;
		} else if (*s == '"' || *s == '\\') {
			text_appendf(out, "\\%c", *s);
		} else if (*s == '\n') {
			text_append(out, "\\n");
		} else if (scalar_is_control(s)) {
			text_appendf(out, "\\x%02X", *u == 0xc2 ? u[1] : *u);
			s += *u == 0xc2;
		} else {
			text_append_n(out, s, 1);
		}
	}
	text_append(out, "\"");
}

static void print_word(struct text *out, const char *s, bool quoted)
{
	if (!quoted && is_plain(s))
		text_append(out, s);
	else
		print_quoted(out, s);
}

/* ---- lines ---- */

static void print_escaped(struct text *out, const char *s)
{
	for (; *s; s++)
		text_append_n(out, scalar_is_control(s) ? "?" : s, 1);
}

/* conf.d/10-net.yaml:3, relative to the main file's directory where it lies below it. */
static void print_place(struct printer *pr, const struct prism_node *node)
{
	const char *file = node->file;
	size_t n = strlen(pr->base_dir);

	if (!strcmp(file, TREE_MADE))
		file = "default";
	else if (!strncmp(file, pr->base_dir, n) && file[n] == '/')
		file += n + 1;
	print_escaped(pr->out, file);
	if (node->line)
		text_appendf(pr->out, ":%u", node->line);
}

static void end_line(struct printer *pr, const struct prism_node *node)
{
	size_t width = pr->out->len - pr->line;

	text_appendf(pr->out, "%*s# ", width < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - width) : 1, "");
	print_place(pr, node);
	text_append(pr->out, "\n");
	pr->line = pr->out->len;
}

static void break_line(struct printer *pr)
{
	text_append(pr->out, "\n");
	pr->line = pr->out->len;
}

static void print_children(struct printer *pr, const struct prism_node *node, int indent, bool begun);

/* Behind `key:` or `-`. A map in a list begins on the line of its dash. */
static void print_value(struct printer *pr, const struct prism_node *node, int indent)
{
	if (node->kind == PRISM_NODE_SCALAR) {
		text_append(pr->out, " ");
		print_word(pr->out, node->text, node->quoted);
		end_line(pr, node);
	} else if (node->kind == PRISM_NODE_NONE) {
		end_line(pr, node);
	} else if (!node->n_child) {
		text_append(pr->out, node->kind == PRISM_NODE_MAP ? " {}" : " []");
		end_line(pr, node);
	} else if (!node->key && node->kind == PRISM_NODE_MAP) {
		text_append(pr->out, " ");
		print_children(pr, node, indent + 2, true);
	} else {
		break_line(pr);
		print_children(pr, node, indent + 2, false);
	}
}

/* begun: the first line has its indentation already. */
static void print_children(struct printer *pr, const struct prism_node *node, int indent, bool begun)
{
	for (uint32_t i = 0; i < node->n_child; i++) {
		const struct prism_node *child = node->child[i];

		text_appendf(pr->out, "%*s", begun && !i ? 0 : indent, "");
		if (child->key) {
			print_word(pr->out, child->key, false);
			text_append(pr->out, ":");
		} else {
			text_append(pr->out, "-");
		}
		print_value(pr, child, indent);
	}
}

/* ---- the whole ---- */

static void print_head(struct printer *pr, const struct settings *s)
{
	text_append(pr->out, "# Effective configuration of node ");
	print_escaped(pr->out, s->node_name);
	text_append(pr->out, "\n# Directory: ");
	print_escaped(pr->out, s->base_dir);
	text_append(pr->out, "\n");
	for (size_t i = 0; i < s->n_files; i++) {
		text_append(pr->out, "# Read: ");
		print_escaped(pr->out, s->files[i]);
		text_append(pr->out, "\n");
	}
	break_line(pr);
}

static void print_profile(struct printer *pr, const struct profile_setting *profile)
{
	text_appendf(pr->out, "#   %s: %s; hosts", profile->name, profile->active ? "active" : "not active");
	for (const char *const *host = profile->hosts; *host; host++) {
		text_append(pr->out, " ");
		print_escaped(pr->out, *host);
	}
	if (!*profile->hosts)
		text_append(pr->out, " none");
	for (const char *const *label = profile->node_labels; *label; label++) {
		text_append(pr->out, label == profile->node_labels ? "; node labels " : " ");
		print_escaped(pr->out, *label);
	}
	text_append(pr->out, "; ");
	print_escaped(pr->out, profile->file ? profile->file : "written inline");
	text_append(pr->out, " (");
	print_place(pr, profile->node);
	text_append(pr->out, ")\n");
}

void settings_print(const struct settings *s, struct text *out)
{
	struct printer pr = {.out = out, .base_dir = s->base_dir, .line = out->len};

	print_head(&pr, s);
	for (uint32_t i = 0; i < s->root->n_child; i++) {
		const struct prism_node *child = s->root->child[i];

		if (!strcmp(child->key, "profiles"))
			continue;
		text_appendf(out, "%s:", child->key);
		print_value(&pr, child, 0);
	}
	if (s->n_profiles)
		text_append(out, "\n# Profiles; the values of active ones are in the above already:\n");
	for (size_t i = 0; i < s->n_profiles; i++)
		print_profile(&pr, &s->profiles[i]);
}
