/* SPDX-License-Identifier: Apache-2.0 */
/* A pod as the API server describes it, reduced to what prismd needs. */
#ifndef PODS_POD_H
#define PODS_POD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "kube/filter.h"

/* What the reflector is to keep of each pod. */
extern const struct json_want pod_want[];

/* Borrowed from the document. */
struct pod_facts {
	const char *uid; /* the API object's */
	const char *key; /* the uid that its cgroup carries: of a static pod's mirror the hash of its file */
	const char *namespace_name;
	const char *name;
	const char *service_account; /* "" for static pods */
	const char *node;
	const char *phase;
	const json_t *labels; /* object of strings, or NULL */
	uint64_t version;     /* 0: not a number */
	bool mirror;
	bool host_network;
	bool deleting;
};

/* -EBADMSG when it is no pod: without a uid, namespace or name. */
int pod_parse(const json_t *object, struct pod_facts *ret, struct error *e);
bool pod_finished(const struct pod_facts *facts);

#endif
