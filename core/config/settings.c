/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/util.h"
#include "config/load.h"
#include "config/scalar.h"
#include "config/value.h"

#define V1_EXACT_CAPACITY (1u << 20)
#define STALE_HEARTBEATS 3

/* ---- what a table cannot say of defaults ---- */

/* Every key with a default in the table is there by now. */
static int set_default(struct settings *s, const char *section, const char *key, const char *text, struct problems *p)
{
	struct prism_node *node = (struct prism_node *)node_get(node_get(s->root, section), key);

	if (!node || node->kind != PRISM_NODE_SCALAR)
		return 0;
	tree_mark(node, TREE_MADE);
	node->quoted = false;
	node->text = tree_string(s->tree, text);
	return node->text ? 0 : tree_no_memory(p);
}

static bool is_default(const struct prism_node *node)
{
	return !node || !strcmp(node->file, TREE_MADE);
}

static int set_socket(struct settings *s, struct problems *p)
{
	const struct prism_node *dir = node_get(node_get(s->root, "node"), "runtime_dir");
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

	if (load_text(s->root, "admin", "socket") || !dir || dir->kind != PRISM_NODE_SCALAR)
		return 0;
	if ((size_t)snprintf(path, sizeof(path), "%s/prismd.sock", dir->text) >= sizeof(path))
		return node_problem(p, dir, "leaves no room for the socket's name: give admin.socket a shorter path");
	return set_default(s, "admin", "socket", path, p);
}

/* The name that kubelet registers: what its pod is told, or the host name in lower case. */
static int set_kubernetes_node(struct settings *s, struct problems *p)
{
	struct prism_node *map = (struct prism_node *)node_get(node_get(s->root, "sources"), "kubernetes");
	struct prism_node *node = (struct prism_node *)node_get(map, "node_name");
	const char *told = getenv("NODE_NAME"), *name = load_text(s->root, "node", "name");
	char *lower;

	if (!node || node->kind != PRISM_NODE_SCALAR || *node->text || !name)
		return 0;
	node->text = lower = tree_string(s->tree, told && *told ? told : name);
	tree_mark(node, TREE_MADE);
	for (; lower && *lower; lower++)
		*lower = (char)tolower((unsigned char)*lower);
	return node->text ? 0 : tree_no_memory(p);
}

static int set_defaults(struct settings *s, const char *hostname, struct problems *p)
{
	const char *compat = load_text(s->root, "bus", "compat");
	int r = 0;

	if (!load_text(s->root, "node", "name"))
		r = set_default(s, "node", "name", hostname, p);
	if (!r)
		r = set_kubernetes_node(s, p);
	if (!r)
		r = set_socket(s, p);
	if (!r && compat && !strcmp(compat, "v1-exact") && is_default(node_get(node_get(s->root, "bus"), "capacity")))
		r = set_default(s, "bus", "capacity", "1048576", p);
	return r;
}

/* ---- the tree to the structure ---- */

/*
 * A section's values. What is wrong in them was reported when their file was checked, and comes out as NULL here, so
 * that rules between values are judged only where the values themselves are good.
 */
static struct prism_config *values_of(const struct section *section, const struct prism_node *map, struct problems *p)
{
	struct prism_config *config = NULL;
	struct problems known = {};
	bool new = false;

	option_check(section->options, section->n_options, sizeof(*section->options), map, &config, &known);
	/* All but this. */
	for (size_t i = 0; i < known.n; i++)
		new |= known.list[i].code == ENOMEM;
	if (!config && (new || known.dropped))
		tree_no_memory(p);
	problems_done(&known);
	return config;
}

static void config_free_p(struct prism_config **config)
{
	option_config_free(*config);
}

#define VALUES(name, section, map, p)                                                                                  \
	_cleanup_(config_free_p) struct prism_config *name = values_of((section), (map), (p))

static int64_t number(const struct prism_config *c, unsigned int key)
{
	return c->values[key].number;
}

static uint64_t ms(const struct prism_config *c, unsigned int key)
{
	return (uint64_t)c->values[key].number / NS_PER_MS;
}

static const struct prism_node *node_at(const struct prism_config *c, unsigned int key)
{
	return c->values[key].node;
}

/* The tree's text, which outlives the values; NULL when empty. */
static const char *text(const struct prism_config *c, unsigned int key)
{
	const struct prism_node *node = node_at(c, key);

	return node && *node->text ? node->text : NULL;
}

static void read_node(struct settings *s, struct problems *p)
{
	VALUES(c, &schema_node, node_get(s->root, "node"), p);

	if (!c)
		return;
	s->node_name = text(c, NODE_NAME);
	s->state_dir = text(c, NODE_STATE_DIR);
	s->runtime_dir = text(c, NODE_RUNTIME_DIR);
	s->on_exit = (enum exit_policy)number(c, NODE_ON_EXIT);
	s->callback_deadline_ms = ms(c, NODE_CALLBACK_DEADLINE);
	s->scheduling = (enum scheduling)number(c, NODE_SCHEDULING);
	s->nice = (int)number(c, NODE_NICE);
}

static void read_log(struct settings *s, struct problems *p)
{
	static const enum log_level levels[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG};
	VALUES(c, &schema_log, node_get(s->root, "log"), p);

	if (!c)
		return;
	s->log_level = levels[number(c, LOG_LEVEL)];
	s->log_format = (enum log_format)number(c, LOG_FORMAT);
}

static void check_stale(const struct prism_config *c, struct problems *p)
{
	const struct prism_node *stale = node_at(c, BUS_STALE_AFTER), *heartbeat = node_at(c, BUS_HEARTBEAT);
	int64_t least = number(c, BUS_HEARTBEAT) * STALE_HEARTBEATS;
	char buf[32];

	if (number(c, BUS_STALE_AFTER) >= least)
		return;
	scalar_format_duration(least, buf, sizeof(buf));
	if (!is_default(stale))
		node_problem(p, stale, "%s is less than %d heartbeats; bus.heartbeat is %s, so at least %s",
			     stale->text, STALE_HEARTBEATS, heartbeat->text, buf);
	else
		node_problem(p, heartbeat, "%s needs bus.stale_after of at least %d heartbeats (%s), which is %s",
			     heartbeat->text, STALE_HEARTBEATS, buf, stale->text);
}

static void read_bus(struct settings *s, struct problems *p)
{
	VALUES(c, &schema_bus, node_get(s->root, "bus"), p);

	if (!c)
		return;
	s->bus_dir = text(c, BUS_DIR);
	s->bus_capacity = (uint32_t)number(c, BUS_CAPACITY);
	s->bus_compat = (enum bus_compat)number(c, BUS_COMPAT);
	s->heartbeat_ms = ms(c, BUS_HEARTBEAT);
	s->stale_after_ms = ms(c, BUS_STALE_AFTER);
	s->reconcile_ms = ms(c, BUS_RECONCILE);
	check_stale(c, p);
	if (s->bus_compat == BUS_COMPAT_V1_EXACT && s->bus_capacity != V1_EXACT_CAPACITY)
		node_problem(p, node_at(c, BUS_CAPACITY),
			     "%s cannot be had with bus.compat v1-exact, whose map has %u entries; leave it out",
			     node_at(c, BUS_CAPACITY)->text, V1_EXACT_CAPACITY);
}

static void read_kubernetes(struct settings *s, struct problems *p)
{
	VALUES(c, &schema_kubernetes, node_get(node_get(s->root, "sources"), "kubernetes"), p);

	if (!c)
		return;
	s->kubernetes = (struct kubernetes_setting){
		.enabled = (enum kubernetes_switch)number(c, KUBERNETES_ENABLED),
		.kubeconfig = text(c, KUBERNETES_KUBECONFIG),
		.context = text(c, KUBERNETES_CONTEXT),
		.node_name = text(c, KUBERNETES_NODE_NAME),
		.sync_timeout_ms = ms(c, KUBERNETES_SYNC_TIMEOUT),
		.idle_limit_ms = ms(c, KUBERNETES_IDLE_LIMIT),
		.retry_max_ms = ms(c, KUBERNETES_RETRY_MAX),
		.max_object = (size_t)number(c, KUBERNETES_MAX_OBJECT),
	};
}

static void read_sources(struct settings *s, struct problems *p)
{
	VALUES(c, &schema_cgroup, node_get(node_get(s->root, "sources"), "cgroup"), p);

	read_kubernetes(s, p);
	if (!c)
		return;
	s->cgroup_enabled = number(c, CGROUP_ENABLED);
	s->cgroup_root = text(c, CGROUP_ROOT);
	s->rules = node_at(c, CGROUP_RULES);
}

static void read_identity(struct settings *s, struct problems *p)
{
	const struct prism_node *map = node_get(s->root, "identity");
	VALUES(c, &schema_identity, map, p);
	VALUES(labels, &schema_labels, node_get(map, "labels"), p);

	if (c)
		s->hold_back_ms = ms(c, IDENTITY_HOLD_BACK);
	if (!labels)
		return;
	s->label_exclude = node_at(labels, LABELS_EXCLUDE);
	s->label_include = node_at(labels, LABELS_INCLUDE);
}

static void read_admin(struct settings *s, struct problems *p)
{
	VALUES(c, &schema_admin, node_get(s->root, "admin"), p);

	if (!c)
		return;
	s->socket = text(c, ADMIN_SOCKET);
	s->socket_group = text(c, ADMIN_GROUP);
	s->metrics = text(c, ADMIN_METRICS);
	if (s->metrics && value_is_off(s->metrics))
		s->metrics = NULL;
	s->event_buffer = (uint32_t)number(c, ADMIN_EVENT_BUFFER);
}

static int read_module_dirs(struct settings *s, struct problems *p)
{
	const struct prism_node *list = node_get(s->root, "module_dirs");
	uint32_t n = list && list->kind == PRISM_NODE_LIST ? list->n_child : 0;
	const char **dirs = tree_alloc(s->tree, (n + 1) * sizeof(*dirs));

	if (!dirs)
		return tree_no_memory(p);
	for (uint32_t i = 0; i < n; i++)
		dirs[i] = list->child[i]->kind == PRISM_NODE_SCALAR ? list->child[i]->text : "";
	s->module_dirs = dirs;
	return 0;
}

static void read_module(struct module_setting *m, const struct prism_node *node, struct problems *p)
{
	VALUES(c, &schema_module, node, p);

	m->node = node;
	if (!c)
		return;
	m->name = text(c, MODULE_NAME);
	m->file = text(c, MODULE_FILE);
	m->sha256 = text(c, MODULE_SHA256);
	m->enabled = number(c, MODULE_ENABLED);
	m->required = number(c, MODULE_REQUIRED);
	m->max_crashes = (uint32_t)number(c, MODULE_MAX_CRASHES);
	m->stop_deadline_ms = ms(c, MODULE_STOP_DEADLINE);
	m->config = node_at(c, MODULE_CONFIG);
}

static int read_modules(struct settings *s, struct problems *p)
{
	const struct prism_node *list = node_get(s->root, "modules");
	uint32_t n = list && list->kind == PRISM_NODE_LIST ? list->n_child : 0;

	s->modules = tree_alloc(s->tree, (n + 1) * sizeof(*s->modules));
	if (!s->modules)
		return tree_no_memory(p);
	s->n_modules = n;
	for (uint32_t i = 0; i < n; i++)
		read_module(&s->modules[i], list->child[i], p);
	return 0;
}

/* Chosen and read while loading; what is left is to point into the effective tree and to look at them as a whole. */
static void read_profiles(struct settings *s, struct problems *p)
{
	const struct prism_node *list = node_get(s->root, "profiles");

	for (size_t i = 0; list && i < s->n_profiles && i < list->n_child; i++) {
		struct profile_setting *profile = &s->profiles[i];
		const struct prism_node *file = node_get(list->child[i], "file");
		bool named = file && file->kind == PRISM_NODE_SCALAR && *file->text;
		bool written = node_given(node_get(list->child[i], "overlay"));

		profile->node = list->child[i];
		if (profile->node->kind == PRISM_NODE_MAP && named == written)
			node_problem(p, profile->node,
				     named ? "has both file and overlay; one of them must go"
					   : "has neither file nor overlay; it needs one of them");
	}
}

static int read_settings(struct settings *s, const char *hostname, struct problems *p)
{
	int r = set_defaults(s, hostname, p);

	if (r == -ENOMEM)
		return r;
	read_node(s, p);
	read_log(s, p);
	read_bus(s, p);
	read_sources(s, p);
	read_identity(s, p);
	read_admin(s, p);
	read_profiles(s, p);
	r = read_module_dirs(s, p);
	return r < 0 ? r : read_modules(s, p);
}

/* ---- loading ---- */

static const char *host_name(const struct settings_source *source, char *buf, size_t size)
{
	if (source->hostname)
		return source->hostname;
	if (gethostname(buf, size) < 0 || !*buf)
		snprintf(buf, size, "localhost");
	buf[size - 1] = '\0';
	return buf;
}

static int take_base_dir(struct settings *s, const char *path, struct problems *p)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];

	if (strlen(path) >= sizeof(dir))
		return problems_add(p, ENAMETOOLONG, NULL, "the path of the configuration file is too long");
	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	s->base_dir = tree_string(s->tree, dir);
	return s->base_dir ? 0 : tree_no_memory(p);
}

static struct settings *settings_new(void)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->tree = tree_new();
	if (s->tree)
		return s;
	free(s);
	return NULL;
}

static int load(struct settings *s, const struct settings_source *source, struct problems *p)
{
	char buf[256];
	struct loader l = {.source = source, .settings = s, .tree = s->tree, .p = p};
	int r;

	l.hostname = host_name(source, buf, sizeof(buf));
	r = take_base_dir(s, source->path, p);
	if (r < 0)
		return r;
	r = load_layers(&l);
	if (r == -ENOMEM || !l.base)
		return r;
	s->root = l.base;
	r = schema_complete(s->tree, l.base, &schema_root, p);
	return r < 0 ? r : read_settings(s, l.hostname, p);
}

static void settings_free_p(struct settings **s)
{
	settings_free(*s);
}

static void finish_problems(struct problems *p)
{
	problems_done(p);
}

int settings_load(const struct settings_source *source, struct settings **ret, struct problems *p)
{
	_cleanup_(finish_problems) struct problems unwanted = {};
	_cleanup_(settings_free_p) struct settings *s = settings_new();
	size_t before;
	int r;

	if (!p)
		p = &unwanted;
	if (!s)
		return tree_no_memory(p);
	before = p->n + p->dropped;
	r = load(s, source, p);
	if (r == -ENOMEM)
		return r;
	if (r < 0 || p->n + p->dropped > before)
		return -EINVAL;
	*ret = TAKE_PTR(s);
	return 0;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	free(s->files);
	tree_free(s->tree);
	free(s);
}

const struct module_setting *settings_module(const struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->n_modules; i++)
		if (!strcmp(s->modules[i].name, name))
			return &s->modules[i];
	return NULL;
}
