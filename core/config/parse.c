/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "base/util.h"
#include "config/scalar.h"
#include "config/tree.h"

/* An open list or map. */
struct frame {
	struct prism_node *node;
	const char *key; /* MAP: the key that waits for its value */
	yaml_mark_t key_mark;
};

struct reader {
	yaml_parser_t yaml;
	struct tree *tree;
	const char *file;
	const char *text;
	size_t len;
	struct problems *p;
	bool bad; /* a problem was found; reading goes on where that makes sense */
	struct frame stack[TREE_MAX_DEPTH];
	unsigned int depth;
	uint32_t n_nodes;
	uint32_t n_documents;
	struct prism_node *root;
};

/* A problem that ends reading, at a place rather than a node. */
__attribute__((format(printf, 4, 5))) static int stop_at(struct reader *r, size_t line, size_t column,
							 const char *format, ...)
{
	const char *slash = strrchr(r->file, '/');
	char where[NODE_WHERE_SIZE], text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(where, sizeof(where), "%s:%zu:%zu", slash ? slash + 1 : r->file, line + 1, column + 1);
	problems_add(r->p, EINVAL, where, "%s", text);
	r->bad = true;
	return -EINVAL;
}

static int no_memory(struct reader *r)
{
	r->bad = true;
	return tree_no_memory(r->p);
}

#define note(r, node, ...) ((r)->bad = true, node_problem((r)->p, (node), __VA_ARGS__))

/* Bytes that are not UTF-8: libyaml gives an offset and no line. */
static int reader_error(struct reader *r)
{
	size_t end = r->yaml.problem_offset < r->len ? r->yaml.problem_offset : r->len;
	size_t line = 0, column = 0;

	for (size_t i = 0; i < end; i++) {
		column = r->text[i] == '\n' ? 0 : column + (((unsigned char)r->text[i] & 0xc0) != 0x80);
		line += r->text[i] == '\n';
	}
	return stop_at(r, line, column, "not valid YAML: %s", r->yaml.problem);
}

/* What people run into most, and libyaml says in its own terms. */
static const char *advice(const struct reader *r, size_t line)
{
	const char *at = r->text, *end = r->text + r->len, *line_end;

	for (; line && at; line--) {
		at = memchr(at, '\n', (size_t)(end - at));
		at = at ? at + 1 : NULL;
	}
	if (!at || at == end)
		return "";
	line_end = memchr(at, '\n', (size_t)(end - at));
	line_end = line_end ? line_end : end;
	for (; at < line_end && *at == ' '; at++)
		;
	if (at < line_end && *at == '\t')
		return " (a tab indents this line; use spaces)";
	if (r->yaml.context && strstr(r->yaml.context, "block mapping") &&
	    memmem(at, (size_t)(line_end - at), ": {", 3))
		return " (a value that begins with { but is no map needs quotes)";
	return "";
}

static int yaml_error(struct reader *r)
{
	const yaml_parser_t *yaml = &r->yaml;
	char context[160] = "";

	if (yaml->error == YAML_MEMORY_ERROR)
		return no_memory(r);
	if (yaml->error == YAML_READER_ERROR)
		return reader_error(r);
	if (yaml->context && yaml->context_mark.line != yaml->problem_mark.line)
		snprintf(context, sizeof(context), " %s that begins at line %zu", yaml->context,
			 yaml->context_mark.line + 1);
	else if (yaml->context)
		snprintf(context, sizeof(context), " %s", yaml->context);
	return stop_at(r, yaml->problem_mark.line, yaml->problem_mark.column, "not valid YAML: %s%s%s",
		       yaml->problem ? yaml->problem : "cannot be parsed", context, advice(r, yaml->problem_mark.line));
}

/* A new node at mark, in its parent and with its key. */
static struct prism_node *place(struct reader *r, enum prism_node_kind kind, yaml_mark_t mark)
{
	struct frame *top = r->depth ? &r->stack[r->depth - 1] : NULL;
	struct prism_node *node;

	if (r->n_nodes++ >= TREE_MAX_NODES) {
		stop_at(r, mark.line, mark.column, "more than %u values, the limit of a configuration file",
			TREE_MAX_NODES);
		return NULL;
	}
	node = tree_alloc(r->tree, sizeof(*node));
	if (!node || (top && tree_append(r->tree, top->node, node) < 0)) {
		no_memory(r);
		return NULL;
	}
	if (top && top->key) {
		node->key = TAKE_PTR(top->key);
		mark = top->key_mark;
	}
	node->kind = kind;
	node->file = r->file;
	node->line = (uint32_t)mark.line + 1;
	node->column = (uint32_t)mark.column + 1;
	if (!top)
		r->root = node;
	return node;
}

static bool wants_key(const struct reader *r)
{
	const struct frame *top = r->depth ? &r->stack[r->depth - 1] : NULL;

	return top && top->node->kind == PRISM_NODE_MAP && !top->key;
}

static int check_key(struct reader *r, const yaml_event_t *event)
{
	const char *key = (const char *)event->data.scalar.value;
	const size_t line = event->start_mark.line, column = event->start_mark.column;

	if (event->data.scalar.anchor || event->data.scalar.tag)
		return stop_at(r, line, column, "a key cannot have an anchor (&) or a tag (!)");
	if (!event->data.scalar.length)
		return stop_at(r, line, column, "an empty key");
	if (event->data.scalar.length > TREE_MAX_KEY)
		return stop_at(r, line, column, "a key of %zu bytes, more than the limit of %d",
			       event->data.scalar.length, TREE_MAX_KEY);
	for (size_t i = 0; i < event->data.scalar.length; i++)
		if (scalar_is_control(key + i))
			return stop_at(r, line, column, "a control character in a key");
	return 0;
}

static int take_key(struct reader *r, const yaml_event_t *event)
{
	struct frame *top = &r->stack[r->depth - 1];
	int result = check_key(r, event);

	if (result < 0)
		return result;
	top->key = tree_string(r->tree, (const char *)event->data.scalar.value);
	top->key_mark = event->start_mark;
	return top->key ? 0 : no_memory(r);
}

static void refuse_extras(struct reader *r, const struct prism_node *node, const yaml_char_t *anchor,
			  const yaml_char_t *tag)
{
	char quoted[SCALAR_QUOTE_SIZE];

	if (anchor)
		note(r, node, "anchors (&%s) are not allowed: write the value where it is meant", (const char *)anchor);
	if (tag)
		note(r, node, "tags (%s) are not allowed", scalar_quote((const char *)tag, quoted, sizeof(quoted)));
}

/* `key:`, `key: ~` and `key: null` are a key without a value. */
static bool is_null(const yaml_event_t *event)
{
	const char *s = (const char *)event->data.scalar.value;

	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*s || !strcmp(s, "~") || !strcmp(s, "null") || !strcmp(s, "Null") || !strcmp(s, "NULL"));
}

static int on_scalar(struct reader *r, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	struct prism_node *node;

	if (strlen(value) != event->data.scalar.length)
		return stop_at(r, event->start_mark.line, event->start_mark.column, "a NUL byte in a value");
	if (wants_key(r))
		return take_key(r, event);
	node = place(r, is_null(event) ? PRISM_NODE_NONE : PRISM_NODE_SCALAR, event->start_mark);
	if (!node)
		return -EINVAL;
	refuse_extras(r, node, event->data.scalar.anchor, event->data.scalar.tag);
	if (node->kind == PRISM_NODE_NONE)
		return 0;
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	node->text = tree_string(r->tree, value);
	return node->text ? 0 : no_memory(r);
}

static int on_start(struct reader *r, enum prism_node_kind kind, const yaml_event_t *event, const yaml_char_t *anchor,
		    const yaml_char_t *tag)
{
	struct prism_node *node;

	if (wants_key(r))
		return stop_at(r, event->start_mark.line, event->start_mark.column, "a key must be text, not a %s",
			       kind == PRISM_NODE_MAP ? "map (a value that begins with { needs quotes)"
						      : "list (a value that begins with [ needs quotes)");
	if (r->depth >= TREE_MAX_DEPTH)
		return stop_at(r, event->start_mark.line, event->start_mark.column,
			       "nested deeper than %d levels, the limit of a configuration file", TREE_MAX_DEPTH);
	node = place(r, kind, event->start_mark);
	if (!node)
		return -EINVAL;
	refuse_extras(r, node, anchor, tag);
	r->stack[r->depth++] = (struct frame){.node = node};
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct prism_node *x = *(struct prism_node *const *)a, *y = *(struct prism_node *const *)b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b)
{
	const struct prism_node *x = *(struct prism_node *const *)a, *y = *(struct prism_node *const *)b;

	return (x->index > y->index) - (x->index < y->index);
}

/* Sorted for comparing neighbours, then back. */
static void refuse_duplicates(struct reader *r, struct prism_node *map)
{
	const struct prism_node *first = NULL;

	if (!map->n_child)
		return;
	qsort(map->child, map->n_child, sizeof(*map->child), by_key);
	for (uint32_t i = 0; i < map->n_child; i++) {
		if (first && !strcmp(first->key, map->child[i]->key))
			note(r, map->child[i], "given twice; the first is at line %u", first->line);
		else
			first = map->child[i];
	}
	qsort(map->child, map->n_child, sizeof(*map->child), by_index);
}

static int on_end(struct reader *r)
{
	struct prism_node *node = r->stack[--r->depth].node;

	if (node->kind == PRISM_NODE_MAP)
		refuse_duplicates(r, node);
	return 0;
}

static int on_alias(struct reader *r, const yaml_event_t *event)
{
	struct prism_node *node;

	if (wants_key(r))
		return stop_at(r, event->start_mark.line, event->start_mark.column,
			       "a key must be text, not an alias (a value that begins with * needs quotes)");
	node = place(r, PRISM_NODE_NONE, event->start_mark);
	if (!node)
		return -EINVAL;
	note(r, node, "aliases (*%s) are not allowed: write the value out, or in quotes if it begins with *",
	     (const char *)event->data.alias.anchor);
	return 0;
}

static int on_event(struct reader *r, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(r, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(r, PRISM_NODE_LIST, event, event->data.sequence_start.anchor,
				event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_start(r, PRISM_NODE_MAP, event, event->data.mapping_start.anchor,
				event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(r);
	case YAML_ALIAS_EVENT:
		return on_alias(r, event);
	case YAML_DOCUMENT_START_EVENT:
		if (r->n_documents++)
			return stop_at(r, event->start_mark.line, event->start_mark.column,
				       "a second document begins here; a file holds one");
		return 0;
	default:
		return 0;
	}
}

static int read_events(struct reader *r)
{
	yaml_event_t event;
	bool end;
	int result;

	do {
		if (!yaml_parser_parse(&r->yaml, &event))
			return yaml_error(r);
		end = event.type == YAML_STREAM_END_EVENT;
		result = on_event(r, &event);
		yaml_event_delete(&event);
	} while (!end && result >= 0);
	return result;
}

static int read_document(struct reader *r, struct prism_node **ret_root)
{
	int result;

	if (r->len > TREE_MAX_FILE)
		return stop_at(r, 0, 0, "larger than %d MiB, the limit of a configuration file", TREE_MAX_FILE >> 20);
	if (!yaml_parser_initialize(&r->yaml))
		return no_memory(r);
	/* Said, not guessed: a byte order mark must not make it UTF-16, which the limits do not count. */
	yaml_parser_set_encoding(&r->yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r->yaml, (const unsigned char *)r->text, r->len);
	result = read_events(r);
	yaml_parser_delete(&r->yaml);
	if (result < 0)
		return result;
	if (!r->root)
		place(r, PRISM_NODE_MAP, (yaml_mark_t){});
	if (!r->root)
		return -ENOMEM;
	if (r->root->kind == PRISM_NODE_NONE)
		r->root->kind = PRISM_NODE_MAP;
	*ret_root = r->root;
	return r->bad ? -EINVAL : 0;
}

int tree_parse_text(struct tree *tree, const char *name, const char *text, size_t len, struct prism_node **ret_root,
		    struct problems *p)
{
	struct reader *r = calloc(1, sizeof(*r));
	int result;

	if (!r)
		return tree_no_memory(p);
	*r = (struct reader){.tree = tree, .text = text, .len = len, .p = p};
	r->file = tree_string(tree, name);
	result = r->file ? read_document(r, ret_root) : tree_no_memory(p);
	free(r);
	return result;
}

int tree_parse_file(struct tree *tree, const char *path, struct prism_node **ret_root, struct problems *p)
{
	_cleanup_free_ char *text = NULL;
	struct error e = {};
	size_t len;
	int r;

	r = file_read(path, TREE_MAX_FILE, &text, &len, &e);
	if (r == -EFBIG)
		return problems_add(p, EFBIG, path, "larger than %d MiB, the limit of a configuration file",
				    TREE_MAX_FILE >> 20);
	if (r < 0)
		return problems_add(p, e.code, e.where, "%s", e.text);
	return tree_parse_text(tree, path, text, len, ret_root, p);
}
