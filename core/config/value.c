/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/util.h"
#include "config/scalar.h"

static bool is_text(const struct prism_node *value)
{
	return value->kind == PRISM_NODE_SCALAR;
}

#define QUOTED(value) scalar_quote((value)->text, (char[SCALAR_QUOTE_SIZE]){""}, SCALAR_QUOTE_SIZE)

static bool has_control(const char *s)
{
	for (; *s; s++)
		if (scalar_is_control(s))
			return true;
	return false;
}

void value_check_path(const struct prism_node *value, struct problems *p)
{
	if (!is_text(value))
		return;
	if (value->text[0] != '/')
		node_problem(p, value, "%s is not an absolute path (it must begin with /)", QUOTED(value));
	else if (strlen(value->text) >= PATH_MAX || has_control(value->text))
		node_problem(p, value, "%s is not a path: too long, or with control characters", QUOTED(value));
}

void value_check_optional_path(const struct prism_node *value, struct problems *p)
{
	if (is_text(value) && *value->text)
		value_check_path(value, p);
}

void value_check_paths(const struct prism_node *value, struct problems *p)
{
	if (value->kind != PRISM_NODE_LIST)
		return;
	for (uint32_t i = 0; i < value->n_child; i++)
		value_check_path(value->child[i], p);
}

void value_check_socket(const struct prism_node *value, struct problems *p)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;

	value_check_optional_path(value, p);
	if (is_text(value) && strlen(value->text) > max)
		node_problem(p, value, "is %zu bytes long; the path of a unix socket has at most %zu",
			     strlen(value->text), max);
}

void value_check_name(const struct prism_node *value, struct problems *p)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *s = value->text;

	if (!is_text(value))
		return;
	if (s[0] < 'a' || s[0] > 'z' || s[strspn(s, letters)] || strlen(s) >= PRISM_NAME_MAX)
		node_problem(p, value, "%s is not a name: [a-z][a-z0-9_-]*, at most %d bytes", QUOTED(value),
			     PRISM_NAME_MAX - 1);
}

void value_check_node_name(const struct prism_node *value, struct problems *p)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (is_text(value) && value->text[strspn(value->text, letters)])
		node_problem(p, value, "%s is not a node name: letters, digits, \".\", \"-\" and \"_\"", QUOTED(value));
}

void value_check_module_file(const struct prism_node *value, struct problems *p)
{
	if (!is_text(value) || !*value->text)
		return;
	if (value->text[0] != '/' && strchr(value->text, '/'))
		node_problem(p, value, "%s is neither an absolute path nor a plain file name", QUOTED(value));
	else if (value->text[0] == '/')
		value_check_path(value, p);
	else if (strlen(value->text) > NAME_MAX || has_control(value->text))
		node_problem(p, value, "%s is not a file name: too long, or with control characters", QUOTED(value));
}

void value_check_sha256(const struct prism_node *value, struct problems *p)
{
	if (!is_text(value) || !*value->text)
		return;
	if (strlen(value->text) != 64 || value->text[strspn(value->text, "0123456789abcdefABCDEF")])
		node_problem(p, value, "%s is not a SHA-256: 64 hex digits, as sha256sum prints them", QUOTED(value));
}

bool value_is_off(const char *metrics)
{
	return !*metrics || !strcmp(metrics, "off");
}

static bool is_port(const char *s)
{
	int64_t port;

	return s[strspn(s, "0123456789")] == '\0' && scalar_int(s, &port) == 0 && port <= 65535;
}

/* 127.0.0.1:9464 or [::1]:9464; no names, which would have to be resolved at a time when nothing may work yet. */
static bool is_address_port(const char *s)
{
	const char *colon = strrchr(s, ':');
	char host[INET6_ADDRSTRLEN + 2];
	struct in6_addr address;
	size_t len;

	if (!colon || !is_port(colon + 1) || (size_t)(colon - s) >= sizeof(host))
		return false;
	len = (size_t)(colon - s);
	memcpy(host, s, len);
	host[len] = '\0';
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		return inet_pton(AF_INET6, host + 1, &address) == 1;
	}
	return inet_pton(AF_INET, host, &address) == 1;
}

void value_check_metrics(const struct prism_node *value, struct problems *p)
{
	if (is_text(value) && !value_is_off(value->text) && !is_address_port(value->text))
		node_problem(p, value, "%s is not an address and port, as in 127.0.0.1:9464 or \"[::1]:9464\", or off",
			     QUOTED(value));
}

void value_check_map(const struct prism_node *value, struct problems *p)
{
	char found[SCALAR_QUOTE_SIZE];

	if (node_given(value) && value->kind != PRISM_NODE_MAP)
		node_problem(p, value, "expected a map, found %s", node_describe(value, found, sizeof(found)));
}

void value_check_rules(const struct prism_node *value, struct problems *p)
{
	char found[SCALAR_QUOTE_SIZE];

	if (value->kind != PRISM_NODE_LIST) {
		node_problem(p, value, "expected a list of rules, found %s",
			     node_describe(value, found, sizeof(found)));
		return;
	}
	for (uint32_t i = 0; i < value->n_child; i++)
		if (value->child[i]->kind != PRISM_NODE_MAP)
			node_problem(p, value->child[i], "expected a rule, which is a map with match:, found %s",
				     node_describe(value->child[i], found, sizeof(found)));
}

void value_check_texts(const struct prism_node *value, struct problems *p)
{
	if (value->kind != PRISM_NODE_LIST)
		return;
	for (uint32_t i = 0; i < value->n_child; i++)
		if (is_text(value->child[i]) && !*value->child[i]->text)
			node_problem(p, value->child[i], "is empty");
}

/* fnmatch(3) tries every way to share a name among the stars. */
#define MAX_STARS 5

void value_check_hosts(const struct prism_node *value, struct problems *p)
{
	value_check_texts(value, p);
	if (value->kind != PRISM_NODE_LIST)
		return;
	for (uint32_t i = 0; i < value->n_child; i++) {
		const struct prism_node *pattern = value->child[i];
		unsigned int stars = 0;

		for (const char *s = is_text(pattern) ? pattern->text : ""; *s; s++)
			stars += *s == '*';
		if (stars > MAX_STARS)
			node_problem(p, pattern, "%s has more than %d stars", QUOTED(pattern), MAX_STARS);
	}
}

void value_check_label_patterns(const struct prism_node *value, struct problems *p)
{
	value_check_texts(value, p);
	if (value->kind != PRISM_NODE_LIST)
		return;
	for (uint32_t i = 0; i < value->n_child; i++) {
		const struct prism_node *pattern = value->child[i];
		const char *star = is_text(pattern) ? strchr(pattern->text, '*') : NULL;

		if (star && star[1])
			node_problem(p, pattern, "%s: a * stands at the end only", QUOTED(pattern));
	}
}
