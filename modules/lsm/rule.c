// SPDX-License-Identifier: Apache-2.0
#include "rule.h"

#include <prism/capability.h>
#include <prism/node.h>
#include <stdlib.h>
#include <string.h>

const char *const hook_names[LSM_HOOKS + 1] = {
	[LSM_EXEC] = "exec", [LSM_OPEN] = "open",       [LSM_CONNECT] = "connect",
	[LSM_BIND] = "bind", [LSM_CAPABLE] = "capable",
};

const char *const hook_keys[LSM_HOOKS + 1] = {
	[LSM_EXEC] = "exec",
	[LSM_OPEN] = "open",
	[LSM_CONNECT] = "connect",
	[LSM_BIND] = "bind",
	[LSM_CAPABLE] = "capabilities",
};

const char *const action_names[LSM_ACTIONS + 1] = {
	[LSM_ALLOW] = "allow",
	[LSM_AUDIT] = "audit",
	[LSM_BLOCK] = "block",
};

enum { ACCESS_ANY, ACCESS_WRITE };

static const char *const access_names[] = {[ACCESS_ANY] = "any", [ACCESS_WRITE] = "write", NULL};

/* Every rule begins with these two. */
enum { KEY_ID, KEY_ACTION, KEY_OWN };
enum { EXEC_PATH = KEY_OWN, EXEC_DIRECTORY, EXEC_FROM, EXEC_KEYS };
enum { OPEN_PATH = KEY_OWN, OPEN_DIRECTORY, OPEN_ACCESS, OPEN_KEYS };
enum { SOCKET_FAMILY = KEY_OWN, SOCKET_CIDR, SOCKET_PORTS, SOCKET_KEYS };
enum { CAPABLE_NAME = KEY_OWN, CAPABLE_KEYS };
enum { KEYS_MAX = 5 };

#define COMMON_KEYS                                                                                                    \
	[KEY_ID] = {.name = "id", .kind = PRISM_NODE_SCALAR}, [KEY_ACTION] = {.name = "action",                        \
									      .kind = PRISM_NODE_SCALAR,               \
									      .required = true}

static const struct prism_node_key exec_keys[EXEC_KEYS] = {
	COMMON_KEYS,
	[EXEC_PATH] = {.name = "path", .kind = PRISM_NODE_SCALAR},
	[EXEC_DIRECTORY] = {.name = "directory", .kind = PRISM_NODE_SCALAR},
	[EXEC_FROM] = {.name = "from", .kind = PRISM_NODE_SCALAR},
};
static const struct prism_node_key open_keys[OPEN_KEYS] = {
	COMMON_KEYS,
	[OPEN_PATH] = {.name = "path", .kind = PRISM_NODE_SCALAR},
	[OPEN_DIRECTORY] = {.name = "directory", .kind = PRISM_NODE_SCALAR},
	[OPEN_ACCESS] = {.name = "access", .kind = PRISM_NODE_SCALAR},
};
static const struct prism_node_key socket_keys[SOCKET_KEYS] = {
	COMMON_KEYS,
	[SOCKET_FAMILY] = {.name = "family", .kind = PRISM_NODE_SCALAR},
	[SOCKET_CIDR] = {.name = "cidr", .kind = PRISM_NODE_SCALAR},
	[SOCKET_PORTS] = {.name = "ports", .kind = PRISM_NODE_SCALAR},
};
static const struct prism_node_key capable_keys[CAPABLE_KEYS] = {
	COMMON_KEYS,
	[CAPABLE_NAME] = {.name = "name", .kind = PRISM_NODE_SCALAR, .required = true},
};

/* ---- paths ------------------------------------------------------------------------------------------------------- */

_Static_assert(LSM_PATH_MAX == 248, "a message says how long a path may be");

/* Why the kernel would never give this path, or NULL. */
static const char *path_fault(const char *path)
{
	size_t n = strlen(path);

	if (path[0] != '/')
		return "is not absolute: write it as the workload sees it, from /";
	if (strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../") ||
	    (n >= 2 && !strcmp(path + n - 2, "/.")) || (n >= 3 && !strcmp(path + n - 3, "/..")))
		return "has //, /./ or /../ in it: the kernel's paths do not, so it would never match";
	if (n + 1 >= LSM_PATH_MAX)
		return "is too long: the kernel's keys have room for 246 bytes";
	return NULL;
}

/* slash: what its end must be; a directory may be written without. */
static int read_path(struct prism_host *host, const struct prism_node *node, bool directory, char **ret)
{
	const char *text = prism_node_text(host, node);
	size_t n = strlen(text);
	const char *fault = path_fault(text);
	bool slash = n && text[n - 1] == '/';
	char *path;

	if (fault)
		return prism_node_error(host, node, "\"%s\" %s", text, fault);
	if (slash && !directory)
		return prism_node_error(host, node,
					"\"%s\" ends in /: a file has `path`, all files below a directory "
					"`directory`",
					text);
	path = malloc(n + 2);
	if (!path)
		return prism_fail(host, ENOMEM, "lsm: rules", "no memory");
	memcpy(path, text, n + 1);
	if (directory && !slash)
		memcpy(path + n, "/", 2);
	*ret = path;
	return 0;
}

static int read_file_or_directory(struct prism_host *host, const struct prism_node *node, const struct prism_node *path,
				  const struct prism_node *directory, char **ret)
{
	if (path && directory)
		return prism_node_error(host, directory, "a rule has `path` or `directory`, not both");
	if (!path && !directory)
		return prism_node_error(host, node, "a rule needs `path` (one file) or `directory` (all below it)");
	return read_path(host, path ? path : directory, !path, ret);
}

static int read_exec(struct prism_host *host, const struct prism_node *node, const struct prism_node **values,
		     struct rule *rule)
{
	int r = read_file_or_directory(host, node, values[EXEC_PATH], values[EXEC_DIRECTORY], &rule->path.path);

	if (r == 0 && values[EXEC_FROM])
		r = read_path(host, values[EXEC_FROM], false, &rule->path.from);
	return r;
}

static int read_open(struct prism_host *host, const struct prism_node *node, const struct prism_node **values,
		     struct rule *rule)
{
	uint32_t access = ACCESS_ANY;
	int r = read_file_or_directory(host, node, values[OPEN_PATH], values[OPEN_DIRECTORY], &rule->path.path);

	if (r == 0 && values[OPEN_ACCESS])
		r = prism_node_choice(host, values[OPEN_ACCESS], access_names, &access);
	rule->path.write_only = access == ACCESS_WRITE;
	return r;
}

/* ---- sockets and capabilities ------------------------------------------------------------------------------------ */

static int read_family(struct prism_host *host, const struct prism_node *node, struct address *address)
{
	uint32_t i;
	int r = prism_node_choice(host, node, address_families(), &i);

	return r < 0 ? r : address_family(address, address_families()[i]);
}

static int read_cidr(struct prism_host *host, const struct prism_node *node, const struct prism_node *family,
		     struct address *address)
{
	int said = address->family, r = address_cidr(address, prism_node_text(host, node));
	char text[96], name[32];

	if (r == -ERANGE)
		return prism_node_error(host, node, "\"%s\" has bits below its prefix (did you mean \"%s\"?)",
					prism_node_text(host, node),
					strchr(address_format(address, text, sizeof(text)), ' ') + 1);
	if (r == -EAFNOSUPPORT)
		return prism_node_error(host, node,
					"\"%s\" holds IPv4 addresses, which are matched as such: write them "
					"as 10.0.0.0/8",
					prism_node_text(host, node));
	if (r < 0)
		return prism_node_error(host, node, "\"%s\" is no address and no range such as 10.0.0.0/8 or fd00::/8",
					prism_node_text(host, node));
	if (family && said != address->family)
		return prism_node_error(host, family, "\"%s\" is not the family of cidr, which is %s",
					prism_node_text(host, family),
					address_family_name(address->family, name, sizeof(name)));
	return 0;
}

static int read_socket(struct prism_host *host, const struct prism_node *node, const struct prism_node **values,
		       struct rule *rule)
{
	const struct prism_node *ports = values[SOCKET_PORTS];
	struct address *address = &rule->address;
	int r = 0;

	(void)node;
	*address = (struct address){.family = AF_UNSPEC, .last = UINT16_MAX};
	if (values[SOCKET_FAMILY])
		r = read_family(host, values[SOCKET_FAMILY], address);
	if (r == 0 && values[SOCKET_CIDR])
		r = read_cidr(host, values[SOCKET_CIDR], values[SOCKET_FAMILY], address);
	if (r < 0 || !ports)
		return r;
	if (address_ports(address, prism_node_text(host, ports)) < 0)
		return prism_node_error(host, ports, "\"%s\" is no port and no range such as 8000-8999",
					prism_node_text(host, ports));
	if (address->family != AF_UNSPEC && address->family != AF_INET && address->family != AF_INET6)
		return prism_node_error(host, ports, "\"%s\" has no ports: they go with family ipv4 or ipv6",
					prism_node_text(host, values[SOCKET_FAMILY]));
	return 0;
}

static int read_capability(struct prism_host *host, const struct prism_node *node, const struct prism_node **values,
			   struct rule *rule)
{
	(void)node;
	return prism_node_choice(host, values[CAPABLE_NAME], prism_capability_names, &rule->capability);
}

/* ---- any rule ---------------------------------------------------------------------------------------------------- */

static const struct {
	const char *what;
	const struct prism_node_key *keys;
	uint32_t n;
	int (*read)(struct prism_host *host, const struct prism_node *node, const struct prism_node **values,
		    struct rule *rule);
} kinds[LSM_HOOKS] = {
	[LSM_EXEC] = {"an exec rule", exec_keys, EXEC_KEYS, read_exec},
	[LSM_OPEN] = {"an open rule", open_keys, OPEN_KEYS, read_open},
	[LSM_CONNECT] = {"a connect rule", socket_keys, SOCKET_KEYS, read_socket},
	[LSM_BIND] = {"a bind rule", socket_keys, SOCKET_KEYS, read_socket},
	[LSM_CAPABLE] = {"a rule about a capability", capable_keys, CAPABLE_KEYS, read_capability},
};

int rule_name_read(struct prism_host *host, const struct prism_node *node, char name[RULE_NAME_MAX])
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	const char *text = prism_node_text(host, node);
	size_t n = text ? strlen(text) : 0;

	if (!n || n >= RULE_NAME_MAX || strspn(text, allowed) != n)
		return prism_node_error(host, node, "expected a name: 1 to %u letters, digits, _ and -",
					RULE_NAME_MAX - 1);
	memcpy(name, text, n + 1);
	return 0;
}

int rule_read(struct prism_host *host, enum lsm_hook hook, uint32_t i, const struct prism_node *node,
	      struct rule *ret_rule)
{
	const struct prism_node *values[KEYS_MAX] = {NULL};
	struct rule rule = {.hook = hook, .node = node};
	uint32_t action;
	int r = prism_node_map(host, node, kinds[hook].what, kinds[hook].keys, kinds[hook].n, values);

	if (r < 0)
		return r;
	snprintf(rule.id, sizeof(rule.id), "%s[%u]", hook_keys[hook], i);
	if (values[KEY_ID])
		r = rule_name_read(host, values[KEY_ID], rule.id);
	if (r == 0)
		r = prism_node_choice(host, values[KEY_ACTION], action_names, &action);
	if (r == 0)
		r = kinds[hook].read(host, node, values, &rule);
	if (r < 0) {
		rule_done(&rule);
		return r;
	}
	rule.action = (enum lsm_action)action;
	*ret_rule = rule;
	return 0;
}

void rule_done(struct rule *rule)
{
	if (rule->hook != LSM_EXEC && rule->hook != LSM_OPEN)
		return;
	free(rule->path.path);
	free(rule->path.from);
}

const char *rule_subject(const struct rule *rule, char *buf, size_t size)
{
	switch (rule->hook) {
	case LSM_EXEC:
		snprintf(buf, size, "%s%s%s", rule->path.path, rule->path.from ? " from " : "",
			 rule->path.from ? rule->path.from : "");
		return buf;
	case LSM_OPEN:
		snprintf(buf, size, "%s%s", rule->path.path, rule->path.write_only ? " (write)" : "");
		return buf;
	case LSM_CONNECT:
	case LSM_BIND:
		return address_format(&rule->address, buf, size);
	default:
		return prism_capability_name(rule->capability, buf, size);
	}
}
