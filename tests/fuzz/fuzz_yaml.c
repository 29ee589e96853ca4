/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: any bytes, through the parser, the core's own checks and a module's table, merged and printed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/option.h"
#include "config/schema.h"
#include "config/settings.h"
#include "fuzz.h"

static const char *const modes[] = {"allow", "audit", "block", NULL};
static const char *const prepend[] = {"sources.cgroup.rules", NULL};

/* One option of each kind, as a module would declare them. */
static const struct prism_option options[] = {
	{.name = "bool", .kind = PRISM_OPTION_BOOL, .fallback = "true", .help = "h"},
	{.name = "int", .kind = PRISM_OPTION_INT, .min = -5, .max = 10, .fallback = "7", .help = "h"},
	{.name = "size", .kind = PRISM_OPTION_SIZE, .min = 1, .max = 1 << 30, .fallback = "64KiB", .help = "h"},
	{.name = "duration", .kind = PRISM_OPTION_DURATION, .fallback = "10ms", .help = "h"},
	{.name = "mode", .kind = PRISM_OPTION_ENUM, .choices = modes, .fallback = "audit", .help = "h"},
	{.name = "string", .kind = PRISM_OPTION_STRING, .min = 2, .max = 5, .help = "h"},
	{.name = "list", .kind = PRISM_OPTION_LIST, .fallback = "[a]", .help = "h"},
	{.name = "node", .kind = PRISM_OPTION_NODE, .help = "h"},
};

static void check_modules(const struct prism_node *root)
{
	const struct prism_node *modules = node_get(root, "modules");
	struct problems p = {0};

	for (uint32_t i = 0; modules && i < modules->n_child; i++) {
		struct prism_config *config = NULL;

		option_check(options, sizeof(options) / sizeof(options[0]), sizeof(options[0]),
			     node_get(modules->child[i], "config"), &config, &p);
		option_config_free(config);
	}
	problems_done(&p);
}

/* What was checked must complete and print without a problem. */
static void print(struct tree *tree, struct prism_node *root)
{
	struct settings s = {.tree = tree, .root = root, .base_dir = "", .node_name = "n"};
	struct text out = {0};
	struct problems p = {0};

	if (schema_complete(tree, root, &schema_root, &p) < 0 || p.n)
		abort();
	settings_print(&s, &out);
	/* And its print is a configuration. */
	if (tree_parse_text(tree, "printed", out.data, out.len, &root, &p) < 0 && out.len <= TREE_MAX_FILE)
		abort();
	text_done(&out);
	problems_done(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tree *tree = tree_new();
	struct prism_node *root = NULL, *base = NULL, *merged;
	struct problems p = {0};
	int r;

	if (!tree)
		return 0;
	r = tree_parse_text(tree, "/etc/prism/prismd.yaml", (const char *)data, size, &root, &p);
	if ((r < 0) != (p.n > 0))
		abort();
	if (root) {
		check_modules(root);
		r = schema_check(root, &p);
		if (r == 0 && p.n == 0 && schema_builtin(tree, &base, &p) == 0) {
			merged = tree_merge(tree, base, root, prepend);
			merged = merged ? tree_merge(tree, merged, root, prepend) : NULL;
			if (merged)
				print(tree, merged);
		}
	}
	problems_done(&p);
	tree_free(tree);
	return 0;
}
