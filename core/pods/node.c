/* SPDX-License-Identifier: Apache-2.0 */
/* The Node object of this node: its labels, for profiles that are chosen by them. */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "pods/room.h"

static const struct json_want annotations_want[] = {REFLECTOR_WANT_ANNOTATIONS, {}};
static const struct json_want metadata_want[] = {{.key = "name"},
						 {.key = "labels"},
						 {.key = "annotations", .below = annotations_want},
						 REFLECTOR_WANT_METADATA,
						 {}};
const struct json_want node_want[] = {{.key = "metadata", .below = metadata_want}, REFLECTOR_WANT_OBJECT, {}};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, because a server need not. */
static int format(json_t *labels, struct text *out)
{
	size_t n = 0, i, size = json_object_size(labels);
	_cleanup_free_ const char **keys = calloc(size ? size : 1, sizeof(*keys));
	const char *key;
	json_t *value;

	if (!keys)
		return -ENOMEM;
	json_object_foreach(labels, key, value)
	{
		if (json_is_string(value) && !strpbrk(key, "=\n") && !strchr(json_string_value(value), '\n'))
			keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), by_text);
	text_append(out, "");
	for (i = 0; i < n; i++)
		text_appendf(out, "%s=%s\n", keys[i], json_string_value(json_object_get(labels, keys[i])));
	return out->failed ? -ENOMEM : 0;
}

static int on_object(void *arg, enum kube_change change, const json_t *object, struct error *e)
{
	struct pods_source *s = arg;
	const json_t *metadata = json_object_get(object, "metadata");
	const char *name = json_string_value(json_object_get(metadata, "name"));
	_cleanup_(text_done) struct text labels = {0};

	if (!name)
		return error_set(e, EBADMSG, NULL, "it is no node: it has no name");
	/* A node that is deleted keeps what it was until it comes back. */
	if (change == KUBE_DELETED || strcmp(name, s->config.node) != 0)
		return 0;
	if (format(json_object_get(metadata, "labels"), &labels) == 0 && s->source.env.node_labels)
		s->source.env.node_labels(s->source.env.arg, labels.data);
	return 0;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void on_list_ends(void *arg, bool whole)
{
	(void)arg;
	(void)whole;
}

const struct reflector_callbacks node_callbacks = {
	.arrived = nothing,
	.list_begins = nothing,
	.object = on_object,
	.list_ends = on_list_ends,
	.settled = nothing,
};
