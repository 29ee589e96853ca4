/* SPDX-License-Identifier: Apache-2.0 */
#include "config/option.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <prism/node.h>

#include "base/util.h"
#include "config/scalar.h"

static const char *const kind_names[] = {
	[PRISM_OPTION_BOOL] = "true or false",
	[PRISM_OPTION_INT] = "whole number",
	[PRISM_OPTION_SIZE] = "size",
	[PRISM_OPTION_DURATION] = "duration",
	[PRISM_OPTION_ENUM] = "one of the words",
	[PRISM_OPTION_STRING] = "text",
	[PRISM_OPTION_LIST] = "list",
	[PRISM_OPTION_NODE] = "map",
};

const char *option_kind_name(uint32_t kind)
{
	return kind < ARRAY_SIZE(kind_names) && kind_names[kind] ? kind_names[kind] : "unknown kind";
}

struct prism_option option_at(const struct prism_option *options, uint32_t option_size, uint32_t i)
{
	struct prism_option option = {};
	size_t size = option_size < sizeof(option) ? option_size : sizeof(option);

	memcpy(&option, (const char *)options + (size_t)i * option_size, size);
	return option;
}

struct table {
	const struct prism_option *options;
	uint32_t n;
	uint32_t size;
};

static const char *table_name(const void *arg, uint32_t i)
{
	const struct table *t = arg;

	return option_at(t->options, t->size, i).name;
}

static const char *word_at(const void *arg, uint32_t i)
{
	return ((const char *const *)arg)[i];
}

static uint32_t count_words(const char *const *words)
{
	uint32_t n = 0;

	while (words && words[n])
		n++;
	return n;
}

/* "a, b, c" */
static void join(char *buf, size_t size, uint32_t n, const char *(*at)(const void *arg, uint32_t i), const void *arg)
{
	size_t len = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < n && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : "", at(arg, i));
}

/* ` (did you mean "x"?)`, or nothing. */
static const char *hint(char *buf, size_t size, const char *word)
{
	buf[0] = '\0';
	if (word)
		snprintf(buf, size, " (did you mean \"%s\"?)", word);
	return buf;
}

static const char *format_number(uint32_t kind, int64_t value, char *buf, size_t size)
{
	if (kind == PRISM_OPTION_SIZE)
		return scalar_format_size(value, buf, size);
	if (kind == PRISM_OPTION_DURATION)
		return scalar_format_duration(value, buf, size);
	snprintf(buf, size, "%" PRId64, value);
	return buf;
}

const char *option_range(const struct prism_option *option, char *buf, size_t size)
{
	const char *unit = option->kind == PRISM_OPTION_STRING ? " bytes" : "";
	char min[32], max[32];

	buf[0] = '\0';
	if (option->kind == PRISM_OPTION_ENUM) {
		join(buf, size, count_words(option->choices), word_at, option->choices);
		return buf;
	}
	if (option->kind < PRISM_OPTION_INT || option->kind > PRISM_OPTION_STRING || (!option->min && !option->max))
		return buf;
	format_number(option->kind, option->min, min, sizeof(min));
	format_number(option->kind, option->max, max, sizeof(max));
	if (option->max == INT64_MAX)
		snprintf(buf, size, "at least %s%s", min, unit);
	else if (option->min == INT64_MIN || (option->kind == PRISM_OPTION_STRING && !option->min))
		snprintf(buf, size, "at most %s%s", max, unit);
	else
		snprintf(buf, size, "%s to %s%s", min, max, unit);
	return buf;
}

static bool in_range(const struct prism_option *option, int64_t value)
{
	if (!option->min && !option->max)
		return true;
	return value >= option->min && value <= option->max;
}

static int check_enum(const struct prism_option *option, const struct prism_node *node, int64_t *ret,
		      struct problems *p)
{
	char quoted[SCALAR_QUOTE_SIZE], words[400], did_you_mean[80];
	uint32_t n = count_words(option->choices);

	for (uint32_t i = 0; i < n; i++) {
		if (!strcmp(node->text, option->choices[i])) {
			*ret = i;
			return 0;
		}
	}
	return node_problem(p, node, "%s is not one of %s%s", scalar_quote(node->text, quoted, sizeof(quoted)),
			    option_range(option, words, sizeof(words)),
			    hint(did_you_mean, sizeof(did_you_mean),
				 prism_suggest(node->text, n, word_at, option->choices)));
}

static int check_string(const struct prism_option *option, const struct prism_node *node, struct problems *p)
{
	char range[80];

	if (option->max > 0 && !in_range(option, (int64_t)strlen(node->text)))
		return node_problem(p, node, "is %zu bytes long; allowed: %s", strlen(node->text),
				    option_range(option, range, sizeof(range)));
	return 0;
}

static int check_bool(const struct prism_node *node, int64_t *ret, struct problems *p)
{
	static const char *const yes[] = {"yes", "on", "y", "1", NULL}, *const no[] = {"no", "off", "n", "0", NULL};
	char quoted[SCALAR_QUOTE_SIZE], did_you_mean[80];
	const char *meant = NULL;

	if (!node->quoted && scalar_bool(node->text, ret) == 0)
		return 0;
	scalar_quote(node->text, quoted, sizeof(quoted));
	if (node->quoted)
		return node_problem(p, node, "%s is text because of its quotes; write true or false without", quoted);
	for (const char *const *word = yes; *word; word++)
		meant = strcasecmp(node->text, *word) ? meant : "true";
	for (const char *const *word = no; *word; word++)
		meant = strcasecmp(node->text, *word) ? meant : "false";
	return node_problem(p, node, "%s is not true or false%s", quoted,
			    hint(did_you_mean, sizeof(did_you_mean), meant));
}

struct number_kind {
	int (*parse)(const char *s, int64_t *ret);
	const char *what;
	const char *how; /* to write it */
};

static const struct number_kind number_kinds[] = {
	[PRISM_OPTION_INT] = {scalar_int, "a whole number", NULL},
	[PRISM_OPTION_SIZE] = {scalar_size, "a size", "bytes, or a number with KiB, MiB, GiB, TiB"},
	[PRISM_OPTION_DURATION] = {scalar_duration, "a duration", "a number with ns, us, ms, s, m, h, d"},
};

static int check_number(const struct prism_option *option, const struct prism_node *node, int64_t *ret,
			struct problems *p)
{
	const struct number_kind *kind = &number_kinds[option->kind];
	char quoted[SCALAR_QUOTE_SIZE], range[80];
	int64_t value;
	int r = kind->parse(node->text, &value);

	scalar_quote(node->text, quoted, sizeof(quoted));
	if (option->kind == PRISM_OPTION_INT && node->quoted)
		return node_problem(p, node, "%s is text because of its quotes; write the number without", quoted);
	if (r == -EINVAL)
		return node_problem(p, node, "%s is not %s%s%s", quoted, kind->what, kind->how ? ": write " : "",
				    kind->how ? kind->how : "");
	option_range(option, range, sizeof(range));
	if (r < 0 || !in_range(option, value))
		return node_problem(p, node, "%s is out of range%s%s", node->text, *range ? ": " : "", range);
	*ret = value;
	return 0;
}

static int check_list(const struct prism_node *node, struct problems *p)
{
	char found[SCALAR_QUOTE_SIZE];
	int r = 0;

	for (uint32_t i = 0; i < node->n_child; i++)
		if (node->child[i]->kind != PRISM_NODE_SCALAR)
			r = node_problem(p, node->child[i], "expected text, found %s",
					 node_describe(node->child[i], found, sizeof(found)));
	return r;
}

static int check_scalar(const struct prism_option *option, const struct prism_node *node, struct option_value *value,
			struct problems *p)
{
	value->text = node->text;
	switch (option->kind) {
	case PRISM_OPTION_BOOL:
		return check_bool(node, &value->number, p);
	case PRISM_OPTION_ENUM:
		return check_enum(option, node, &value->number, p);
	case PRISM_OPTION_STRING:
		return check_string(option, node, p);
	default:
		return check_number(option, node, &value->number, p);
	}
}

/* One value against its declaration. */
static int check_value(const struct prism_option *option, const struct prism_node *node, struct option_value *value,
		       struct problems *p)
{
	bool list = option->kind == PRISM_OPTION_LIST;
	char found[SCALAR_QUOTE_SIZE];

	value->node = node;
	if (option->kind == PRISM_OPTION_NODE)
		return 0;
	if (node->kind != (list ? PRISM_NODE_LIST : PRISM_NODE_SCALAR))
		return node_problem(p, node, "expected %s%s, found %s%s",
				    option->kind == PRISM_OPTION_BOOL || option->kind == PRISM_OPTION_ENUM ||
						    option->kind == PRISM_OPTION_STRING
					    ? ""
					    : "a ",
				    option_kind_name(option->kind), node_describe(node, found, sizeof(found)),
				    list && node->kind == PRISM_NODE_SCALAR ? " (write it in [ ])" : "");
	return list ? check_list(node, p) : check_scalar(option, node, value, p);
}

static int check_unknown(const struct table *table, const struct prism_node *map, struct problems *p)
{
	char known[600], did_you_mean[80];
	int r = 0;

	join(known, sizeof(known), table->n, table_name, table);
	for (uint32_t i = 0; i < map->n_child; i++) {
		const char *key = map->child[i]->key;
		uint32_t at = 0;

		while (at < table->n && strcmp(table_name(table, at), key) != 0)
			at++;
		if (at < table->n)
			continue;
		r = node_problem(p, map->child[i], "unknown key%s; known keys: %s",
				 hint(did_you_mean, sizeof(did_you_mean),
				      prism_suggest(key, table->n, table_name, table)),
				 *known ? known : "none");
	}
	return r;
}

int option_default(const struct prism_option *option, struct tree *tree, struct prism_node *parent,
		   struct prism_node **ret, struct problems *p)
{
	struct prism_node *node;
	int r;

	*ret = NULL;
	if (!option->fallback)
		return 0;
	r = tree_parse_text(tree, TREE_MADE, option->fallback, strlen(option->fallback), &node, p);
	if (r < 0)
		return r;
	/* Nothing at all is empty text where text is meant. */
	if (!*option->fallback && option->kind == PRISM_OPTION_STRING) {
		node->kind = PRISM_NODE_SCALAR;
		node->quoted = true;
		node->text = "";
	}
	tree_mark(node, TREE_MADE);
	node->key = tree_string(tree, option->name);
	if (!node->key || (parent && tree_append(tree, parent, node) < 0))
		return tree_no_memory(p);
	*ret = node;
	return 0;
}

/* Not given: the default. Scalars keep node NULL, which says that the default applies. */
static int take_default(const struct prism_option *option, struct tree *tree, struct option_value *value,
			struct problems *p)
{
	struct prism_node *node;
	int r = option_default(option, tree, NULL, &node, p);

	if (r < 0 || !node)
		return r;
	r = check_value(option, node, value, p);
	if (option->kind != PRISM_OPTION_LIST && option->kind != PRISM_OPTION_NODE)
		value->node = NULL;
	return r;
}

static int check_options(struct prism_config *config, struct problems *p)
{
	char where[NODE_WHERE_SIZE];
	int result = 0;

	for (uint32_t i = 0; i < config->n_options; i++) {
		const struct prism_option option = option_at(config->options, config->option_size, i);
		const struct prism_node *node = node_get(config->map, option.name);
		int r = 0;

		if (node_given(node))
			r = check_value(&option, node, &config->values[i], p);
		else if (!(option.flags & PRISM_OPTION_REQUIRED))
			r = take_default(&option, config->defaults, &config->values[i], p);
		else if (node || config->map)
			r = node_problem(p, node ? node : config->map, "%s%s%s", node ? "" : "key \"",
					 node ? "" : option.name,
					 node ? "is required, but has no value" : "\" is required, but is missing");
		else
			r = problems_add(p, EINVAL,
					 node_where(&(struct prism_node){.file = TREE_MADE}, false, where,
						    sizeof(where)),
					 "key \"%s\" is required, but is missing", option.name);
		result = r < 0 ? r : result;
	}
	return result;
}

static struct prism_config *config_new(const struct table *table, const struct prism_node *map)
{
	struct prism_config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->options = table->options;
	config->n_options = table->n;
	config->option_size = table->size;
	config->map = map;
	config->values = calloc(table->n ? table->n : 1, sizeof(*config->values));
	config->defaults = tree_new();
	if (config->values && config->defaults)
		return config;
	option_config_free(config);
	return NULL;
}

int option_check(const struct prism_option *options, uint32_t n, uint32_t option_size, const struct prism_node *map,
		 struct prism_config **ret, struct problems *p)
{
	const struct table table = {options, n, option_size};
	struct prism_config *config;
	char found[SCALAR_QUOTE_SIZE];
	int r, unknown = 0;

	if (node_given(map) && map->kind != PRISM_NODE_MAP)
		return node_problem(p, map, "expected a map, found %s", node_describe(map, found, sizeof(found)));
	config = config_new(&table, map);
	if (!config)
		return tree_no_memory(p);
	if (node_given(map))
		unknown = check_unknown(&table, map, p);
	r = check_options(config, p);
	if (r < 0 || unknown < 0 || !ret)
		option_config_free(config);
	else
		*ret = config;
	return r < 0 ? r : unknown;
}

void option_config_free(struct prism_config *config)
{
	if (!config)
		return;
	tree_free(config->defaults);
	free(config->values);
	free(config);
}
