// SPDX-License-Identifier: Apache-2.0
#include "select.h"

#include <fnmatch.h>
#include <prism/node.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_NAMESPACE, KEY_SERVICE_ACCOUNT, KEY_NAME, KEY_LABELS, KEYS };

static const struct prism_node_key keys[KEYS] = {
	[KEY_NAMESPACE] = {.name = "namespace", .kind = PRISM_NODE_SCALAR},
	[KEY_SERVICE_ACCOUNT] = {.name = "service_account", .kind = PRISM_NODE_SCALAR},
	[KEY_NAME] = {.name = "name", .kind = PRISM_NODE_SCALAR},
	[KEY_LABELS] = {.name = "labels", .kind = PRISM_NODE_MAP},
};

void select_free(struct select *select)
{
	if (!select)
		return;
	for (size_t i = 0; i < select->n; i++) {
		free(select->labels[i].key);
		free(select->labels[i].value);
	}
	free(select->labels);
	free(select->namespace_name);
	free(select->service_account);
	free(select->name);
	free(select);
}

/* The pattern in node, NULL for none. */
static int copy(struct prism_host *host, const struct prism_node *node, char **ret)
{
	const char *text = prism_node_text(host, node);

	if (!node)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int read_labels(struct prism_host *host, const struct prism_node *map, struct select *select)
{
	uint32_t n = prism_node_count(host, map);

	select->labels = calloc(n ? n : 1, sizeof(*select->labels));
	if (!select->labels)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct select_label *label = &select->labels[select->n++];
		const struct prism_node *node;
		const char *key;
		int r;

		node = prism_node_at(host, map, i, &key);
		if (prism_node_kind(host, node) != PRISM_NODE_SCALAR)
			return prism_node_error(host, node, "the value of a label is text, or a pattern such as web-*");
		label->key = strdup(key);
		r = label->key ? copy(host, node, &label->value) : -ENOMEM;
		if (r < 0)
			return r;
	}
	return 0;
}

int select_read(struct prism_host *host, const struct prism_node *node, struct select **ret_select)
{
	const struct prism_node *values[KEYS];
	struct select *select;
	int r = prism_node_map(host, node, "`select`", keys, KEYS, values);

	if (r < 0)
		return r;
	select = calloc(1, sizeof(*select));
	r = select ? copy(host, values[KEY_NAMESPACE], &select->namespace_name) : -ENOMEM;
	if (r == 0)
		r = copy(host, values[KEY_SERVICE_ACCOUNT], &select->service_account);
	if (r == 0)
		r = copy(host, values[KEY_NAME], &select->name);
	if (r == 0)
		r = read_labels(host, values[KEY_LABELS], select);
	if (r < 0) {
		select_free(select);
		return r == -ENOMEM ? prism_fail(host, ENOMEM, "lsm: select", "no memory") : r;
	}
	*ret_select = select;
	return 0;
}

static bool text_matches(const char *pattern, const char *text)
{
	return !pattern || fnmatch(pattern, text ? text : "", 0) == 0;
}

static const char *label_value(const struct prism_workload *workload, const char *key)
{
	const char *labels = (const char *)workload->labels;

	for (uint32_t i = 0; i < workload->n_labels; i++) {
		const struct prism_label *label = (const void *)(labels + (size_t)i * workload->label_size);

		if (!strcmp(label->key, key))
			return label->value;
	}
	return NULL;
}

bool select_matches(const struct select *select, const struct prism_workload *workload)
{
	if (!text_matches(select->namespace_name, workload->namespace_name) ||
	    !text_matches(select->service_account, workload->service_account) ||
	    !text_matches(select->name, workload->name))
		return false;
	for (size_t i = 0; i < select->n; i++) {
		const char *value = label_value(workload, select->labels[i].key);

		if (!value || !text_matches(select->labels[i].value, value))
			return false;
	}
	return true;
}
