/* SPDX-License-Identifier: Apache-2.0 */
#include "pods/pod.h"

#include <errno.h>
#include <string.h>

#include "kube/reflector.h"

static const struct json_want annotations_want[] = {{.key = "kubernetes.io/config.hash"},
						    {.key = "kubernetes.io/config.mirror"},
						    REFLECTOR_WANT_ANNOTATIONS,
						    {}};
static const struct json_want metadata_want[] = {{.key = "name"},
						 {.key = "namespace"},
						 {.key = "uid"},
						 {.key = "labels"},
						 {.key = "deletionTimestamp"},
						 {.key = "annotations", .below = annotations_want},
						 REFLECTOR_WANT_METADATA,
						 {}};
static const struct json_want spec_want[] = {{.key = "serviceAccountName"},
					     {.key = "nodeName"},
					     {.key = "hostNetwork"},
					     {}};
static const struct json_want status_want[] = {{.key = "phase"}, {}};

const struct json_want pod_want[] = {{.key = "metadata", .below = metadata_want},
				     {.key = "spec", .below = spec_want},
				     {.key = "status", .below = status_want},
				     REFLECTOR_WANT_OBJECT,
				     {}};

static const char *text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

int pod_parse(const json_t *object, struct pod_facts *ret, struct error *e)
{
	const json_t *metadata = json_object_get(object, "metadata"), *spec = json_object_get(object, "spec");
	const json_t *annotations = json_object_get(metadata, "annotations");
	const char *hash = text(annotations, "kubernetes.io/config.hash");

	*ret = (struct pod_facts){
		.uid = text(metadata, "uid"),
		.namespace_name = text(metadata, "namespace"),
		.name = text(metadata, "name"),
		.service_account = text(spec, "serviceAccountName"),
		.node = text(spec, "nodeName"),
		.phase = text(json_object_get(object, "status"), "phase"),
		.labels = json_object_get(metadata, "labels"),
		.version = kube_version(text(metadata, "resourceVersion")),
		.mirror = *hash && json_is_string(json_object_get(annotations, "kubernetes.io/config.mirror")),
		.host_network = json_is_true(json_object_get(spec, "hostNetwork")),
		.deleting = json_is_string(json_object_get(metadata, "deletionTimestamp")),
	};
	ret->key = ret->mirror ? hash : ret->uid;
	if (!*ret->uid || !*ret->namespace_name || !*ret->name)
		return error_set(e, EBADMSG, NULL, "it is no pod: it has no %s",
				 !*ret->uid              ? "uid"
				 : !*ret->namespace_name ? "namespace"
							 : "name");
	return 0;
}

bool pod_finished(const struct pod_facts *facts)
{
	return strcmp(facts->phase, "Succeeded") == 0 || strcmp(facts->phase, "Failed") == 0;
}
