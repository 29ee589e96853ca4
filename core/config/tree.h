/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML document as a tree that remembers where each value stands. `struct prism_node` is the public, opaque type of
 * <prism/host.h>; this is its inside. Nodes and strings belong to their tree and live as long as it does.
 *
 *   tree.c   nodes, their paths and places, building
 *   parse.c  libyaml's events to nodes
 *   merge.c  one tree over another
 *
 * Input is hostile: bounded size (1 MiB a file), depth (32), nodes (100,000), key length (400 bytes); anchors, aliases,
 * tags, duplicate keys, second documents, NUL bytes, and control characters in keys are errors.
 */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <prism/host.h>

#include "base/error.h"

#define TREE_MAX_FILE (1024 * 1024)
#define TREE_MAX_DEPTH 32
#define TREE_MAX_NODES 100000
#define TREE_MAX_KEY 400
#define TREE_MAX_BYTES (256ull * 1024 * 1024) /* memory of one tree: many files, merged many times */

#define TREE_MADE "(default)"            /* `file` of made nodes */
#define TREE_COMMAND_LINE "command line" /* `file` of nodes that came as arguments; their line is 0 too */

/* Enough for any node_path() and node_where() that a message holds. */
#define NODE_PATH_SIZE 512
#define NODE_WHERE_SIZE 256

struct tree; /* owns nodes, strings and file names */

struct prism_node {
	enum prism_node_kind kind; /* NONE: a key without a value, which says nothing */
	bool quoted;               /* a scalar written in quotes is text, whatever it looks like */
	const char *text;          /* SCALAR */
	const char *key;           /* this node's key in its parent map; NULL otherwise */
	const char *file;          /* as it was named to tree_parse_*(), TREE_MADE for made nodes */
	uint32_t line;             /* 1-based, of the key when there is one, else of the value; 0: made */
	uint32_t column;
	uint32_t index; /* position in a parent list */
	struct prism_node *parent;
	struct prism_node **child; /* LIST, MAP: in order */
	uint32_t n_child;
};

struct tree *tree_new(void);
void tree_free(struct tree *tree);

/*
 * Parses one document. An empty one gives an empty map. *ret_root belongs to the tree. Problems are added to p and make
 * the result -EINVAL; *ret_root is set even then when the document could be read to its end, so that a caller can go on
 * to look for more mistakes, and untouched when it could not.
 */
int tree_parse_file(struct tree *tree, const char *path, struct prism_node **ret_root, struct problems *p);
int tree_parse_text(struct tree *tree, const char *name, const char *text, size_t len, struct prism_node **ret_root,
		    struct problems *p);

/* Building. NULL when memory ran out. Strings are copied. */
char *tree_string(struct tree *tree, const char *s);
void *tree_alloc(struct tree *tree, size_t size); /* zeroed */
/* A new last child of parent (NULL: a root), made and without a value; key NULL in lists. */
struct prism_node *tree_add(struct tree *tree, struct prism_node *parent, const char *key, enum prism_node_kind kind);
/* Puts child last into parent; key and index are the child's own business to be set before and after. */
int tree_append(struct tree *tree, struct prism_node *parent, struct prism_node *child);
/* A deep copy as a new last child of parent (NULL: a root); keeps where each value came from. */
struct prism_node *tree_copy(struct tree *tree, struct prism_node *parent, const struct prism_node *node);
/* Says of a whole subtree that it was made: file, and no line. */
void tree_mark(struct prism_node *node, const char *file);

/* The child with this key; NULL when there is none, or map is NULL or no map. A child of kind NONE is returned. */
const struct prism_node *node_get(const struct prism_node *map, const char *key);
/* Is there anything? NULL and NONE: no. */
bool node_given(const struct prism_node *node);
/* "modules[2].config.mode" into buf; "" for a root. */
const char *node_path(const struct prism_node *node, char *buf, size_t size);
/* "prismd.yaml:14:7" into buf: the file's base name unless full. Made nodes: "(default)". */
const char *node_where(const struct prism_node *node, bool full, char *buf, size_t size);
/* What it is, for "expected a list, found ...": `"text"`, "a map", "a list", "nothing". */
const char *node_describe(const struct prism_node *node, char *buf, size_t size);

/* Adds `file:line:col: path: text` for this node; returns -EINVAL. */
__attribute__((format(printf, 3, 4))) int node_problem(struct problems *p, const struct prism_node *node,
						       const char *format, ...);
/* Memory ran out; returns -ENOMEM. */
int tree_no_memory(struct problems *p);

/*
 * Lays overlay over base and returns the result (new nodes in tree; values keep where they came from), or NULL when
 * memory ran out:
 *   - maps merge key by key; a key without a value in the overlay says nothing and leaves what is there;
 *   - a list replaces a list, except that lists of maps that all carry `name:` (modules, profiles) merge by name, new
 *     names at the end,
 *   - and except that at the paths in `prepend` (node_path() form, NULL-terminated; NULL: none) the overlay's elements
 *     are put in front of those that are there: for lists in which the first match wins.
 */
struct prism_node *tree_merge(struct tree *tree, const struct prism_node *base, const struct prism_node *overlay,
			      const char *const *prepend);

#endif
