/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API server may send: any bytes through the filter as a watch and as a list, and whatever comes out through
 * jansson and as a pod. The first byte says in which pieces they arrive; the result must not depend on it.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fuzz.h"
#include "pods/index.h"

#define MAX_ITEM 4096

static const struct json_want stream_want[] = {{.key = "type"}, {.key = "object", .below = pod_want}, {}};
static const struct json_want metadata_want[] = {{.key = "resourceVersion"}, {.key = "continue"}, {}};
static const struct json_want list_want[] = {{.key = "metadata", .below = metadata_want},
					     {.key = "items", .below = pod_want, .each = true},
					     {}};

static struct pod_index index_;

static void take_pod(const json_t *object)
{
	struct workload_spec spec;
	struct pod_facts facts;
	struct pod *pod;
	struct error e;

	if (pod_parse(object, &facts, &e) < 0)
		return;
	pod = pod_find(&index_, facts.key);
	if (!pod)
		pod = pod_add(&index_, facts.key);
	if (!pod || pod_set_facts(pod, &facts) < 0)
		return;
	if (!pod_spec(&index_, pod, &spec) || strcmp(spec.namespace_name, facts.namespace_name) != 0 ||
	    strcmp(spec.service_account, facts.service_account) != 0)
		abort();
	pod_remove(&index_, pod);
}

static int take_part(void *arg, enum json_part part, char *data, size_t len)
{
	struct text *said = arg;
	json_t *doc;

	if (strlen(data) > len || len > FILTER_KEPT)
		abort();
	text_append_n(said, &"ixr"[part], 1);
	text_append_n(said, data, len);
	doc = part == JSON_REFUSED ? NULL : json_loadb(data, len, JSON_DECODE_ANY, NULL);
	take_pod(doc);
	take_pod(json_object_get(doc, "object"));
	json_decref(doc);
	return 0;
}

static int feed(const uint8_t *data, size_t size, bool stream, size_t piece, struct text *said)
{
	struct json_filter *f = json_filter_new(stream ? stream_want : list_want, stream, MAX_ITEM, take_part, said);
	struct error e;
	int r = f ? 0 : -1;

	while (r == 0 && size) {
		size_t n = piece && piece < size ? piece : size;

		r = json_filter_feed(f, (const char *)data, n, &e);
		data += n;
		size -= n;
	}
	json_filter_free(f);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text whole = {0}, pieces = {0};
	int stream;

	if (!size)
		return 0;
	for (stream = 0; stream < 2; stream++) {
		text_clear(&whole);
		text_clear(&pieces);
		if (feed(data + 1, size - 1, stream, 0, &whole) != feed(data + 1, size - 1, stream, data[0], &pieces))
			abort();
		if (whole.len != pieces.len || (whole.len && memcmp(whole.data, pieces.data, whole.len) != 0))
			abort();
	}
	text_done(&whole);
	text_done(&pieces);
	return 0;
}
