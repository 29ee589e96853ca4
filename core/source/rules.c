/* SPDX-License-Identifier: Apache-2.0 */
#include "source/rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "config/option.h"
#include "source/pattern.h"
#include "source/rule.h"

enum key {
	KEY_MATCH,
	KEY_NAMESPACE,
	KEY_SERVICE_ACCOUNT,
	KEY_LABELS,
	KEY_CLASS,
	KEY_WEIGHT,
};

static const char *const classes[] = {"critical", "latency-critical", "normal", "batch", NULL};

static const struct prism_option keys[] = {
	[KEY_MATCH] = {.name = "match",
		       .kind = PRISM_OPTION_STRING,
		       .flags = PRISM_OPTION_REQUIRED,
		       .help = "Path below the cgroup root: {name} captures, * within a component, ** any depth."},
	[KEY_NAMESPACE] = {.name = "namespace",
			   .kind = PRISM_OPTION_STRING,
			   .fallback = "host",
			   .help = "Namespace in the identity; may use captures."},
	[KEY_SERVICE_ACCOUNT] = {.name = "service_account",
				 .kind = PRISM_OPTION_STRING,
				 .fallback = "",
				 .help = "Service account in the identity; may use captures."},
	[KEY_LABELS] =
		{.name = "labels",
		 .kind = PRISM_OPTION_NODE,
		 .help = "More labels; values may use captures. Each capture is a label by its own name already."},
	[KEY_CLASS] = {.name = "class", .kind = PRISM_OPTION_ENUM, .choices = classes, .help = "Latency class."},
	[KEY_WEIGHT] = {.name = "weight",
			.kind = PRISM_OPTION_INT,
			.min = 1,
			.max = PRISM_WEIGHT_MAX,
			.help = "Share within the class, 64 = 1x."},
};

/* Every {name} in a value must be one that the pattern captures. */
static int check_template(struct rule *rule, const char *text, const struct prism_node *node, struct problems *p)
{
	const char *open, *close;
	unsigned int i;

	for (open = strchr(text, '{'); open; open = strchr(close, '{')) {
		close = strchr(open, '}');
		if (!close)
			return node_problem(p, node, "\"%s\": a `{` without its `}`", text);
		for (i = 0; i < pattern_captures(rule->pattern); i++) {
			const char *name = pattern_capture_name(rule->pattern, i);

			if (strlen(name) == (size_t)(close - open - 1) && strncmp(name, open + 1, strlen(name)) == 0)
				break;
		}
		if (i == pattern_captures(rule->pattern))
			return node_problem(p, node, "\"%.*s\" is not captured by this rule's match",
					    (int)(close - open + 1), open);
	}
	return 0;
}

static int take_template(struct rule *rule, const struct prism_config *config, enum key key, char **ret,
			 struct problems *p)
{
	const struct option_value *v = &config->values[key];

	if (check_template(rule, v->text, v->node ? v->node : config->map, p) < 0)
		return -EINVAL;
	*ret = strdup(v->text);
	return *ret ? 0 : -ENOMEM;
}

static bool has_label(const struct rule *rule, const char *key)
{
	size_t i;

	for (i = 0; i < rule->n_labels; i++)
		if (strcmp(rule->labels[i].key, key) == 0)
			return true;
	return false;
}

static int add_label(struct rule *rule, const char *key, char *value)
{
	struct rule_label *l = &rule->labels[rule->n_labels];

	l->key = strdup(key);
	l->value = value;
	rule->n_labels++; /* freed with the rule, whole or not */
	return l->key && l->value ? 0 : -ENOMEM;
}

static int take_labels(struct rule *rule, const struct prism_node *node, struct problems *p)
{
	size_t given = node ? node->n_child : 0;
	unsigned int i;
	int r = 0;

	if (node && node->kind != PRISM_NODE_MAP)
		return node_problem(p, node, "must be a map of labels, `key: value`");
	rule->labels = calloc(given + pattern_captures(rule->pattern) + 1, sizeof(*rule->labels));
	if (!rule->labels)
		return -ENOMEM;
	for (i = 0; i < given; i++) {
		const struct prism_node *child = node->child[i];

		if (child->kind != PRISM_NODE_SCALAR)
			r = node_problem(p, child, "must be text");
		else if (check_template(rule, child->text, child, p) < 0)
			r = -EINVAL;
		else if (add_label(rule, child->key, strdup(child->text)) < 0)
			return -ENOMEM;
	}
	for (i = 0; r == 0 && i < pattern_captures(rule->pattern); i++) {
		const char *name = pattern_capture_name(rule->pattern, i);
		char *value;

		if (has_label(rule, name))
			continue;
		if (asprintf(&value, "{%s}", name) < 0)
			return -ENOMEM;
		r = add_label(rule, name, value);
	}
	return r;
}

static int compile_rule(struct rule *rule, const struct prism_node *node, struct problems *p)
{
	struct prism_config *config = NULL;
	const struct option_value *match;
	const char *why = NULL;
	char where[512];
	int r;

	r = option_check(keys, ARRAY_SIZE(keys), sizeof(keys[0]), node, &config, p);
	if (r < 0)
		return r;
	match = &config->values[KEY_MATCH];
	r = pattern_new(match->text, &rule->pattern, &why);
	if (r == -EINVAL)
		node_problem(p, match->node, "\"%s\" is no pattern: %s", match->text, why);
	if (r == 0)
		r = take_template(rule, config, KEY_NAMESPACE, &rule->namespace_name, p);
	if (r == 0)
		r = take_template(rule, config, KEY_SERVICE_ACCOUNT, &rule->service_account, p);
	if (r == 0)
		r = take_labels(rule, config->values[KEY_LABELS].node, p);
	if (r == 0) {
		rule->latency_class = config->values[KEY_CLASS].text ? classes[config->values[KEY_CLASS].number] : NULL;
		if (config->values[KEY_WEIGHT].text)
			snprintf(rule->weight, sizeof(rule->weight), "%d", (int)config->values[KEY_WEIGHT].number);
		r = asprintf(&rule->match, "%s", match->text) < 0 ||
				    asprintf(&rule->origin, "cgroup rule %s (%s)",
					     node_where(node, false, where, sizeof(where)), match->text) < 0
			    ? -ENOMEM
			    : 0;
	}
	option_config_free(config);
	return r;
}

int rules_compile(const struct prism_node *list, struct rules **ret, struct problems *p)
{
	uint32_t n = list ? list->n_child : 0, i;
	struct rules *rules;
	int r = 0, one;

	if (list && list->kind != PRISM_NODE_LIST)
		return node_problem(p, list, "must be a list of rules");
	rules = calloc(1, sizeof(*rules) + n * sizeof(struct rule));
	if (!rules)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		one = compile_rule(&rules->rule[i], list->child[i], p);
		rules->n++;
		if (one < 0)
			r = one;
	}
	if (r < 0) {
		rules_free(rules);
		return r;
	}
	*ret = rules;
	return 0;
}

static void rule_done(struct rule *rule)
{
	size_t i;

	for (i = 0; i < rule->n_labels; i++) {
		free(rule->labels[i].key);
		free(rule->labels[i].value);
	}
	free(rule->labels);
	free(rule->namespace_name);
	free(rule->service_account);
	free(rule->match);
	free(rule->origin);
	pattern_free(rule->pattern);
}

void rules_free(struct rules *rules)
{
	size_t i;

	if (!rules)
		return;
	for (i = 0; i < rules->n; i++)
		rule_done(&rules->rule[i]);
	free(rules);
}

size_t rules_count(const struct rules *rules)
{
	return rules->n;
}
