/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the node is configured to do. Layers, each over those before it:
 *
 *   1. the built-in rules of sources.cgroup (every other default is filled in last)
 *   2. the main file
 *   3. conf.d/ *.yaml, in byte order of their names
 *   4. the profiles whose host pattern or node label matches, in the order in which they are listed
 *   5. `a.b.c=value` from the command line
 *
 * Maps merge key by key, lists replace, modules and profiles merge by name; a key without a value says nothing.
 * sources.cgroup.rules is the exception, because the first match wins there: the main file's list replaces the built-in
 * one, and the lists of layers 3 to 5 are put in front of what is there, so that a file dropped into conf.d adds rules
 * and never loses any.
 *
 * Every layer is checked on its own, with every mistake reported, then the whole. Loading has no effect on anything
 * else; a bad file gives problems and no settings. docs/configuration.md lists every key.
 *
 *   schema.h   the shape: sections, options, defaults       value.h    checks of single values
 *   load.c     files to layers                              profile.c  which profiles are active
 *   override.c arguments to a layer                         settings.c the effective tree to this structure
 *   print.c    the effective tree as YAML, and the reference for the docs
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "config/tree.h"

enum bus_compat {
	BUS_COMPAT_LEAN,
	BUS_COMPAT_V1_EXACT,
};

enum exit_policy {
	EXIT_KEEP,   /* a clean stop leaves bus, links and counters for the next prismd */
	EXIT_REMOVE, /* a clean stop takes everything away */
};

enum scheduling {
	SCHEDULING_REALTIME,
	SCHEDULING_NORMAL,
};

enum kubernetes_switch {
	KUBERNETES_AUTO, /* when there is a kubeconfig or a service account */
	KUBERNETES_ON,
	KUBERNETES_OFF,
};

struct kubernetes_setting {
	enum kubernetes_switch enabled;
	const char *kubeconfig; /* NULL: the pod's service account */
	const char *context;    /* NULL: the kubeconfig's current one */
	const char *node_name;  /* never empty */
	uint64_t sync_timeout_ms;
	uint64_t idle_limit_ms;
	uint64_t retry_max_ms;
	size_t max_object;
};

struct module_setting {
	const char *name;
	const char *file;   /* absolute, or a file name looked up in the module directories; NULL: <name>.so */
	const char *sha256; /* hex; NULL: not pinned */
	bool enabled;
	bool required;
	uint32_t max_crashes; /* quarantine after so many; 0: never */
	uint64_t stop_deadline_ms;
	const struct prism_node *node;   /* the list element, for messages */
	const struct prism_node *config; /* its `config:`; NULL: none */
};

struct profile_setting {
	const char *name;
	const char *const *hosts;       /* patterns (fnmatch), NULL-terminated */
	const char *const *node_labels; /* "key" or "key=pattern", NULL-terminated */
	const char *file;               /* path of the overlay's file when it was not written inline; NULL otherwise */
	bool active;
	const struct prism_node *node;    /* the list element */
	const struct prism_node *overlay; /* a root's map: what it lays over */
};

struct settings {
	/* node: */
	const char *node_name; /* never empty */
	const char *state_dir;
	const char *runtime_dir;
	enum exit_policy on_exit;
	uint64_t callback_deadline_ms;
	enum scheduling scheduling; /* prismd's own */
	int nice;                   /* while it is not realtime */
	/* log: */
	enum log_level log_level;
	enum log_format log_format;
	/* bus: */
	const char *bus_dir;
	uint32_t bus_capacity;
	enum bus_compat bus_compat;
	uint64_t heartbeat_ms;
	uint64_t stale_after_ms;
	uint64_t reconcile_ms;
	/* sources: */
	bool cgroup_enabled;
	const char *cgroup_root;        /* NULL: found from mountinfo */
	const struct prism_node *rules; /* list, may be empty. source/rules.h reads it */
	struct kubernetes_setting kubernetes;
	/* identity: */
	const struct prism_node *label_exclude; /* lists of patterns, never NULL: the defaults are in the table */
	const struct prism_node *label_include;
	uint64_t hold_back_ms;
	/* admin: */
	const char *socket;
	const char *socket_group; /* group that may read; NULL: root alone */
	const char *metrics;      /* address:port, [v6]:port; port 0: any; NULL: no listener */
	uint32_t event_buffer;    /* events kept for late readers */
	/* modules:, module_dirs:, profiles: */
	const char *const *module_dirs; /* NULL-terminated */
	struct module_setting *modules;
	size_t n_modules;
	struct profile_setting *profiles;
	size_t n_profiles;
	bool by_node_label; /* some profile is chosen by a label of the Node object */

	char **files; /* what was read, in order, profiles of other nodes included */
	size_t n_files;
	struct tree *tree;
	const struct prism_node *root; /* the effective tree, with every default filled in */
	const char *base_dir;          /* the main file's directory */
};

/* Where the labels of the Node object are kept between runs: `key=value`, one a line. */
#define NODE_LABELS_FILE "node-labels"
#define NODE_LABELS_MAX (256u * 1024)
const char *node_labels_path(const char *state_dir, char *buf, size_t size);

struct settings_source {
	const char *path;   /* main file */
	const char *conf_d; /* NULL: `conf.d` beside it */
	/* "bus.capacity=1024", "modules.net.config.mode=audit", "module_dirs=[/a, /b]" from the command line: the value
	 * is YAML, modules and profiles go by their name. NULL-terminated; NULL: none */
	const char *const *overlay;
	const char *hostname; /* NULL: this host's */
	bool optional;        /* a missing main file means defaults (with the built-in rules) */
};

/* 0 and *ret, or a negative errno and at least one problem. p may be NULL. */
int settings_load(const struct settings_source *source, struct settings **ret, struct problems *p);
void settings_free(struct settings *s);

const struct module_setting *settings_module(const struct settings *s, const char *name);

/*
 * Every value with where it came from, as YAML with `# file:line` comments, defaults included. It is itself a main
 * file that loads to the same settings: profiles are therefore shown as comments, their values being in it already.
 */
void settings_print(const struct settings *s, struct text *out);
/* The configuration's own options as a reference table (Markdown), for the docs. */
void settings_reference(struct text *out);

#endif
