/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shape of prismd.yaml: one table of options for each section (as a module declares its own), which sections stand
 * inside which, and the checks of single values that a table cannot say (absolute paths, host:port). Checking, filling
 * in defaults, printing and the reference in the docs all go by it.
 */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "base/text.h"
#include "config/option.h"

enum node_key {
	NODE_NAME,
	NODE_STATE_DIR,
	NODE_RUNTIME_DIR,
	NODE_ON_EXIT,
	NODE_CALLBACK_DEADLINE,
	NODE_SCHEDULING,
	NODE_NICE
};
enum log_key { LOG_LEVEL, LOG_FORMAT };
enum bus_key { BUS_DIR, BUS_CAPACITY, BUS_COMPAT, BUS_HEARTBEAT, BUS_STALE_AFTER, BUS_RECONCILE };
enum cgroup_key { CGROUP_ENABLED, CGROUP_ROOT, CGROUP_RULES };
enum kubernetes_key {
	KUBERNETES_ENABLED,
	KUBERNETES_KUBECONFIG,
	KUBERNETES_CONTEXT,
	KUBERNETES_NODE_NAME,
	KUBERNETES_SYNC_TIMEOUT,
	KUBERNETES_IDLE_LIMIT,
	KUBERNETES_RETRY_MAX,
	KUBERNETES_MAX_OBJECT,
};
enum labels_key { LABELS_EXCLUDE, LABELS_INCLUDE };
enum identity_key { IDENTITY_LABELS, IDENTITY_HOLD_BACK };
enum admin_key { ADMIN_SOCKET, ADMIN_GROUP, ADMIN_METRICS, ADMIN_EVENT_BUFFER };
enum module_key {
	MODULE_NAME,
	MODULE_FILE,
	MODULE_ENABLED,
	MODULE_REQUIRED,
	MODULE_SHA256,
	MODULE_MAX_CRASHES,
	MODULE_STOP_DEADLINE,
	MODULE_CONFIG,
};
enum profile_key { PROFILE_NAME, PROFILE_HOSTS, PROFILE_NODE_LABELS, PROFILE_FILE, PROFILE_OVERLAY };

enum section_form {
	SECTION_MAP,
	SECTION_LIST,    /* of maps with a `name:` that is theirs alone */
	SECTION_OVERLAY, /* a map with the shape of the whole file, which gets no defaults */
};

struct section {
	const char *path;    /* as the docs head it: "sources.cgroup", "modules[]"; "" for the root */
	const char *summary; /* one sentence */
	const struct prism_option *options;
	uint32_t n_options;
	const struct value_check {
		const char *key;
		void (*check)(const struct prism_node *value, struct problems *p);
	} *checks; /* ends with key NULL; NULL: none */
	const struct subsection {
		const char *key;
		enum section_form form;
		const struct section *section;
	} *subsections; /* ends with key NULL; NULL: none */
};

extern const struct section schema_root, schema_node, schema_log, schema_bus, schema_sources, schema_cgroup,
	schema_kubernetes, schema_identity, schema_labels, schema_admin, schema_module, schema_profile;

/* Everything about one file that can be said without the others. */
int schema_check(const struct prism_node *root, struct problems *p);
/* The same for what a profile lays over: no `profiles` and no `node.name`. */
int schema_check_overlay(const struct prism_node *root, struct problems *p);

/* Adds every default that is missing in the checked tree below map, and brings keys into the table's order. */
int schema_complete(struct tree *tree, struct prism_node *map, const struct section *section, struct problems *p);

const struct subsection *section_sub(const struct section *section, const char *key);

/* The rules that stand when the main file has none, as a tree {sources: {cgroup: {rules: [...]}}}. */
int schema_builtin(struct tree *tree, struct prism_node **ret, struct problems *p);

#endif
