/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declared options: a table of struct prism_option against one YAML map. The same mechanism checks the core's own
 * sections (schema.h) and every module's `config:`, and prints the defaults for `config show --effective` and the docs.
 */
#ifndef CONFIG_OPTION_H
#define CONFIG_OPTION_H

#include "config/tree.h"

#define OPTION_MAX 1000 /* options of one table */

/* One option's checked value. */
struct option_value {
	int64_t number;                /* BOOL, INT, SIZE, DURATION (ns), ENUM (index); 0 without value and default */
	const char *text;              /* scalars: as written, or the default; NULL: absent */
	const struct prism_node *node; /* NULL: not given. LIST and NODE have one for their default too: line 0 */
};

/* The inside of the module ABI's opaque type. Borrows the table and the tree. */
struct prism_config {
	const struct prism_option *options;
	uint32_t n_options;
	uint32_t option_size; /* of the table's elements, which may be older and shorter than ours */
	const struct prism_node *map;
	struct option_value *values; /* n_options */
	struct tree *defaults;       /* owns the defaults' text and nodes */
};

/*
 * Checks map (NULL or NONE: all defaults) against the table: unknown keys (with "did you mean"), kinds, ranges,
 * choices, required ones. Everything wrong is added to p with its place; 0 or -EINVAL. *ret is freed with
 * option_config_free(); ret may be NULL when only the check is wanted.
 */
int option_check(const struct prism_option *options, uint32_t n, uint32_t option_size, const struct prism_node *map,
		 struct prism_config **ret, struct problems *p);
void option_config_free(struct prism_config *config);

/* Element i of a table whose elements may be shorter than ours; members it does not have are zero. */
struct prism_option option_at(const struct prism_option *options, uint32_t option_size, uint32_t i);

/*
 * Is the declaration itself sound? A module's mistake, named: bad or double name, bad kind, no help, empty choices, a
 * default that does not parse or is out of range. Call it before option_check() on a table that is not ours.
 */
int option_table_check(const struct prism_option *options, uint32_t n, uint32_t option_size, struct error *e);

/*
 * The option's default as a made child of parent (NULL: a root) with the option's name as key. *ret is NULL when it has
 * none. -EINVAL when the default does not parse (said in p).
 */
int option_default(const struct prism_option *option, struct tree *tree, struct prism_node *parent,
		   struct prism_node **ret, struct problems *p);

/* "1 to 1048576", "100ms to 10m", "at least 64KiB", "1 to 31 bytes", "a, b, c"; "" when anything goes. */
const char *option_range(const struct prism_option *option, char *buf, size_t size);
/* "whole number", "duration", ...; for messages and docs. */
const char *option_kind_name(uint32_t kind);

#endif
