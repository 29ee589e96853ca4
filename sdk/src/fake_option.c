// SPDX-License-Identifier: Apache-2.0
#include <strings.h>

#include "fake.h"

struct unit {
	const char *suffix;
	double factor;
};

static const struct unit sizes[] = {{"", 1}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {NULL, 0}};
static const struct unit durations[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6}, {"s", 1e9},
					{"m", 60e9}, {"h", 3600e9}, {NULL, 0}};
static const struct unit plain[] = {{"", 1}, {NULL, 0}};

static int parse_number(const char *text, const struct unit *units, int64_t *ret)
{
	bool whole = !strpbrk(text, ".eExX");
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || errno)
		return -EINVAL;
	if (value == 0 && !*end) {
		*ret = 0;
		return 0;
	}
	for (; units->suffix; units++) {
		if (strcmp(end, units->suffix))
			continue;
		value *= units->factor;
		if (!(value >= -9.2e18 && value <= 9.2e18))
			return -ERANGE;
		/* Beyond 2^53 a double would round. */
		*ret = whole ? (int64_t)(strtoll(text, NULL, 10) * (__int128)units->factor) : (int64_t)value;
		return 0;
	}
	return -EINVAL;
}

static int parse_choice(const char *text, const char *const *choices, int64_t *ret)
{
	int64_t i;

	for (i = 0; choices && choices[i]; i++) {
		if (!strcmp(text, choices[i])) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_bool(const char *text, int64_t *ret)
{
	if (strcmp(text, "true") && strcmp(text, "false"))
		return -EINVAL;
	*ret = text[0] == 't';
	return 0;
}

static int parse_scalar(const struct prism_option *option, const char *text, int64_t *ret)
{
	switch (option->kind) {
	case PRISM_OPTION_BOOL:
		return parse_bool(text, ret);
	case PRISM_OPTION_INT:
		return parse_number(text, plain, ret);
	case PRISM_OPTION_SIZE:
		return parse_number(text, sizes, ret);
	case PRISM_OPTION_DURATION:
		return parse_number(text, durations, ret);
	case PRISM_OPTION_ENUM:
		return parse_choice(text, option->choices, ret);
	default:
		*ret = strlen(text);
		return 0;
	}
}

static bool bounded(const struct prism_option *option)
{
	switch (option->kind) {
	case PRISM_OPTION_INT:
	case PRISM_OPTION_SIZE:
	case PRISM_OPTION_DURATION:
		return option->min || option->max;
	case PRISM_OPTION_STRING:
		return option->max > 0;
	default:
		return false;
	}
}

/* In the largest unit that says it whole. */
static const char *format_bound(const struct prism_option *option, int64_t value, char *buf, size_t size)
{
	const struct unit *units = option->kind == PRISM_OPTION_SIZE       ? sizes
				   : option->kind == PRISM_OPTION_DURATION ? durations
									   : plain;
	const struct unit *best = units;

	for (; value && units->suffix; units++)
		if (value % (int64_t)units->factor == 0)
			best = units;
	snprintf(buf, size, "%lld%s", (long long)(value / (int64_t)best->factor), best->suffix);
	return buf;
}

static const char *format_range(const struct prism_option *option, char *buf, size_t size)
{
	const char *unit = option->kind == PRISM_OPTION_STRING ? " bytes" : "";
	char min[32], max[32];

	format_bound(option, option->min, min, sizeof(min));
	format_bound(option, option->max, max, sizeof(max));
	if (option->max == INT64_MAX)
		snprintf(buf, size, "at least %s%s", min, unit);
	else if (option->min == INT64_MIN || (option->kind == PRISM_OPTION_STRING && !option->min))
		snprintf(buf, size, "at most %s%s", max, unit);
	else
		snprintf(buf, size, "%s to %s%s", min, max, unit);
	return buf;
}

/* As prismd says it. */
static int out_of_range(struct prism_fake_host *fake, const struct prism_option *option, const struct prism_node *node,
			const char *text)
{
	char range[96];

	format_range(option, range, sizeof(range));
	if (option->kind == PRISM_OPTION_STRING)
		return prism_node_error(&fake->host, node, "%s: is %zu bytes long; allowed: %s", option->name,
					strlen(text), range);
	return prism_node_error(&fake->host, node, "%s: %s is out of range: %s", option->name, text, range);
}

static int check_scalar(struct prism_fake_host *fake, const struct prism_option *option, const struct prism_node *node,
			const char *text, struct option_value *value)
{
	int64_t number = 0;

	if (parse_scalar(option, text, &number) < 0)
		return prism_node_error(&fake->host, node, "%s: \"%s\" is not a value of this option", option->name,
					text);
	if (bounded(option) && (number < option->min || number > option->max))
		return out_of_range(fake, option, node, text);
	value->text = text;
	value->number = option->kind == PRISM_OPTION_STRING ? 0 : number;
	return 0;
}

static const struct prism_node *find(const struct prism_node *map, const char *key)
{
	uint32_t i;

	for (i = 0; i < map->n; i++)
		if (!strcmp(map->children[i]->key, key))
			return map->children[i];
	return NULL;
}

static int check_option(struct prism_fake_host *fake, const struct prism_option *option, const struct prism_node *root,
			struct option_value *value)
{
	const struct prism_node *node = find(root, option->name);
	bool scalar = option->kind != PRISM_OPTION_LIST && option->kind != PRISM_OPTION_NODE;

	value->node = node;
	if (!node && option->flags & PRISM_OPTION_REQUIRED)
		return prism_fail(&fake->host, EINVAL, "config", "%s is required", option->name);
	if (!node)
		return scalar && option->fallback ? check_scalar(fake, option, NULL, option->fallback, value) : 0;
	if (option->kind == PRISM_OPTION_LIST && node->kind != PRISM_NODE_LIST)
		return prism_node_error(&fake->host, node, "%s is a list", option->name);
	if (!scalar)
		return 0;
	if (node->kind != PRISM_NODE_SCALAR)
		return prism_node_error(&fake->host, node, "%s is one value", option->name);
	return check_scalar(fake, option, node, node->text, value);
}

static int check_keys(struct prism_fake_host *fake, const struct prism_node *root)
{
	const struct prism_module *module = fake->module;
	struct prism_option option;
	uint32_t i, j;

	for (i = 0; i < root->n; i++) {
		for (j = 0; j < module->n_options; j++) {
			fake_element(&option, sizeof(option), module->options, module->option_size, j);
			if (!strcmp(option.name, root->children[i]->key))
				break;
		}
		if (j == module->n_options)
			return prism_node_error(&fake->host, root->children[i], "%s is not an option of module %s",
						root->children[i]->key, module->name);
	}
	return 0;
}

int fake_options_check(struct prism_fake_host *fake, const char *text, struct prism_config *ret)
{
	const struct prism_module *module = fake->module;
	struct prism_config config = {.n = module->n_options};
	struct prism_option option;
	uint32_t i;
	int r;

	r = fake_config_parse(fake, text, &config.root);
	if (r < 0)
		return r;
	config.values = calloc(config.n + 1, sizeof(*config.values));
	r = config.values ? check_keys(fake, config.root) : prism_fail(&fake->host, ENOMEM, "config", "out of memory");
	for (i = 0; !r && i < config.n; i++) {
		fake_element(&option, sizeof(option), module->options, module->option_size, i);
		r = check_option(fake, &option, config.root, &config.values[i]);
	}
	if (r < 0) {
		fake_options_done(&config);
		return r;
	}
	*ret = config;
	return 0;
}

void fake_options_done(struct prism_config *config)
{
	fake_node_free(config->root);
	free(config->values);
}

int64_t fake_option_int(const struct prism_config *config, uint32_t option)
{
	return option < config->n ? config->values[option].number : 0;
}

const char *fake_option_text(const struct prism_config *config, uint32_t option)
{
	return option < config->n ? config->values[option].text : NULL;
}

const struct prism_node *fake_option_node(const struct prism_config *config, uint32_t option)
{
	return option < config->n ? config->values[option].node : NULL;
}
