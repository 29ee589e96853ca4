// SPDX-License-Identifier: Apache-2.0
#include <yaml.h>

#include "fake.h"

#define DEPTH_MAX 32

void fake_node_free(struct prism_node *node)
{
	uint32_t i;

	if (!node)
		return;
	for (i = 0; i < node->n; i++)
		fake_node_free(node->children[i]);
	free(node->children);
	free(node->key);
	free(node->text);
	free(node);
}

static struct prism_node *convert(yaml_document_t *document, int index, int depth);

static int append(struct prism_node *parent, struct prism_node *child)
{
	struct prism_node **children;

	if (!child)
		return -EINVAL;
	children = realloc(parent->children, (parent->n + 1) * sizeof(struct prism_node *));
	if (!children) {
		fake_node_free(child);
		return -ENOMEM;
	}
	parent->children = children;
	children[parent->n++] = child;
	return 0;
}

static int convert_list(yaml_document_t *document, const yaml_node_t *from, struct prism_node *to, int depth)
{
	yaml_node_item_t *item;
	int r = 0;

	for (item = from->data.sequence.items.start; !r && item < from->data.sequence.items.top; item++)
		r = append(to, convert(document, *item, depth));
	return r;
}

static int convert_map(yaml_document_t *document, const yaml_node_t *from, struct prism_node *to, int depth)
{
	yaml_node_pair_t *pair;
	int r = 0;

	for (pair = from->data.mapping.pairs.start; !r && pair < from->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(document, pair->key);
		struct prism_node *child;

		if (!key || key->type != YAML_SCALAR_NODE)
			return -EINVAL;
		child = convert(document, pair->value, depth);
		r = append(to, child);
		if (r < 0)
			return r;
		child->key = strdup((const char *)key->data.scalar.value);
		child->line = key->start_mark.line + 1;
		child->column = key->start_mark.column + 1;
		if (!child->key)
			r = -ENOMEM;
	}
	return r;
}

/* NULL: out of memory, an odd key, too deep (an alias may contain itself). */
static struct prism_node *convert(yaml_document_t *document, int index, int depth)
{
	yaml_node_t *from = yaml_document_get_node(document, index);
	struct prism_node *node = depth < DEPTH_MAX && from ? calloc(1, sizeof(*node)) : NULL;
	int r = 0;

	if (!node)
		return NULL;
	node->line = from->start_mark.line + 1;
	node->column = from->start_mark.column + 1;
	switch (from->type) {
	case YAML_SCALAR_NODE:
		node->kind = PRISM_NODE_SCALAR;
		node->text = strdup((const char *)from->data.scalar.value);
		r = node->text ? 0 : -ENOMEM;
		break;
	case YAML_SEQUENCE_NODE:
		node->kind = PRISM_NODE_LIST;
		r = convert_list(document, from, node, depth + 1);
		break;
	case YAML_MAPPING_NODE:
		node->kind = PRISM_NODE_MAP;
		r = convert_map(document, from, node, depth + 1);
		break;
	default:
		r = -EINVAL;
	}
	if (r < 0) {
		fake_node_free(node);
		return NULL;
	}
	return node;
}

static int parse_failed(struct prism_fake_host *fake, const yaml_parser_t *parser)
{
	char where[64];

	snprintf(where, sizeof(where), "config:%zu:%zu", parser->problem_mark.line + 1,
		 parser->problem_mark.column + 1);
	return prism_fail(&fake->host, EINVAL, where, "%s", parser->problem ? parser->problem : "not YAML");
}

int fake_config_parse(struct prism_fake_host *fake, const char *text, struct prism_node **ret)
{
	struct prism_node *root = NULL;
	yaml_document_t document;
	yaml_parser_t parser;
	int r = 0;

	if (!yaml_parser_initialize(&parser))
		return prism_fail(&fake->host, ENOMEM, "config", "out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)(text ? text : ""), text ? strlen(text) : 0);
	if (!yaml_parser_load(&parser, &document)) {
		r = parse_failed(fake, &parser);
	} else {
		if (yaml_document_get_root_node(&document))
			root = convert(&document, 1, 0);
		else
			root = calloc(1, sizeof(*root));
		yaml_document_delete(&document);
		if (root && !root->kind)
			root->kind = PRISM_NODE_MAP;
		if (!root || root->kind != PRISM_NODE_MAP) {
			fake_node_free(root);
			r = prism_fail(&fake->host, EINVAL, "config:1:1", "not lines of `key: value`");
		}
	}
	yaml_parser_delete(&parser);
	if (!r)
		*ret = root;
	return r;
}

uint32_t fake_node_kind(const struct prism_node *node)
{
	return node ? node->kind : (uint32_t)PRISM_NODE_NONE;
}

uint32_t fake_node_count(const struct prism_node *node)
{
	return node ? node->n : 0;
}

const struct prism_node *fake_node_at(const struct prism_node *node, uint32_t i, const char **ret_key)
{
	if (!node || i >= node->n)
		return NULL;
	if (ret_key)
		*ret_key = node->children[i]->key;
	return node->children[i];
}

const char *fake_node_text(const struct prism_node *node)
{
	return node ? node->text : NULL;
}

void fake_node_error(struct prism_host *host, const struct prism_node *node, const char *text)
{
	char where[64] = "config";

	if (node)
		snprintf(where, sizeof(where), "config:%u:%u", node->line, node->column);
	fake_fail(host, EINVAL, where, text);
}
