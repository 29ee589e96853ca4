/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the source, shared by its files alone. */
#ifndef PODS_ROOM_H
#define PODS_ROOM_H

#include "kube/reflector.h"
#include "pods/index.h"
#include "pods/path.h"
#include "pods/source.h"

/* The settings in force; strings are its own. */
struct pods_config {
	char *kubeconfig, *context, *node;
	uint64_t sync_timeout_ms, idle_ms, retry_max_ms;
	size_t max_object;
	bool by_node_label;
};

struct pods_source {
	struct source source;
	struct pod_index index;
	struct pods_config config;
	bool active;
	struct reflector *reflector;
	struct reflector *node; /* NULL: no profile is chosen by a node label */
	uint64_t started_ns;    /* when the reflector was */
	uint32_t generation;    /* of the list that is under way, or was last */
	uint64_t received_ns;   /* of the bytes in hand */
	unsigned int conflicts; /* mirrors that claim another's cgroup */
};

/* sync.c: what the API server says. */
extern const struct reflector_callbacks pods_callbacks;
/* Everything that is known is forgotten; cgroups wait again. */
void pods_forget(struct pods_source *s);

/* node.c: the Node object, and its labels for profiles. */
extern const struct json_want node_want[];
extern const struct reflector_callbacks node_callbacks;

/* describe.c: what people are told. */
void pods_explain(struct source *source, const char *path, struct text *out);
void pods_conditions(struct source *source, void (*fn)(void *arg, const char *subject, const char *text), void *arg);
void pods_summary(struct source *source, struct text *out);
bool pods_synced(struct source *source);

void pods_count(struct pods_source *s);

#endif
