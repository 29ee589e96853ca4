/* SPDX-License-Identifier: Apache-2.0 */
#include "pods/index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* ---- pods ---- */

struct pod *pod_find(const struct pod_index *index, const char *key)
{
	struct pod *p;

	HASH_FIND_STR(index->pods, key, p);
	return p;
}

struct pod *pod_add(struct pod_index *index, const char *key)
{
	size_t size = strlen(key) + 1;
	struct pod *p = calloc(1, sizeof(*p) + size);

	if (!p)
		return NULL;
	memcpy(p->key, key, size);
	HASH_ADD_STR(index->pods, key, p);
	index->n[POD_WAITING]++;
	return p;
}

void pod_remove(struct pod_index *index, struct pod *pod)
{
	HASH_DELETE(hh, index->pods, pod);
	pod_unwritten_remove(pod);
	index->n[pod->state]--;
	free(pod->facts);
	free(pod->cgroups);
	free(pod);
}

void pod_set_state(struct pod_index *index, struct pod *pod, enum pod_state state)
{
	index->n[pod->state]--;
	index->n[state]++;
	pod->state = state;
}

void pod_index_done(struct pod_index *index)
{
	struct pod *p, *next;

	HASH_ITER (hh, index->pods, p, next) {
		pod_remove(index, p);
	}
	free(index->labels);
	text_done(&index->origin);
}

/*
 * ---- facts: one string after the other, each with its NUL: uid, namespace, name, service account, class, weight, and
 * then keys and values of the labels. Equal bytes are equal facts.
 */

static void put(struct text *out, const char *s)
{
	text_append_n(out, s ? s : "", s ? strlen(s) : 0);
	text_append_n(out, "", 1);
}

static int take(struct pod *pod, struct text *facts)
{
	size_t len = facts->len;
	char *exact;

	if (facts->failed) {
		text_done(facts);
		return -ENOMEM;
	}
	if (pod->facts && pod->facts_len == len && memcmp(pod->facts, facts->data, len) == 0) {
		text_done(facts);
		return 0;
	}
	exact = malloc(len);
	if (exact) {
		memcpy(exact, facts->data, len);
		free(pod->facts);
		pod->facts = exact;
		pod->facts_len = len;
	}
	text_done(facts);
	return exact ? 1 : -ENOMEM;
}

int pod_set_facts(struct pod *pod, const struct pod_facts *facts)
{
	json_t *labels = (json_t *)facts->labels; /* which the iteration does not change */
	struct text out = {0};
	const char *key;
	json_t *value;

	put(&out, facts->uid);
	put(&out, facts->namespace_name);
	put(&out, facts->name);
	put(&out, facts->service_account);
	put(&out, json_string_value(json_object_get(labels, LABEL_LATENCY_CLASS)));
	put(&out, json_string_value(json_object_get(labels, LABEL_WEIGHT)));
	json_object_foreach(labels, key, value)
	{
		if (!json_is_string(value))
			continue;
		put(&out, key);
		put(&out, json_string_value(value));
	}
	snprintf(pod->phase, sizeof(pod->phase), "%s", facts->phase);
	pod->mirror = facts->mirror;
	pod->host_network = facts->host_network;
	pod->deleting = facts->deleting;
	return take(pod, &out);
}

int pod_set_adopted(struct pod *pod, const struct workload_spec *spec)
{
	struct text out = {0};
	size_t i;

	put(&out, pod->key);
	put(&out, spec->namespace_name);
	put(&out, "?");
	put(&out, spec->service_account);
	put(&out, spec->latency_class);
	put(&out, spec->weight);
	for (i = 0; i < spec->n_labels; i++) {
		put(&out, spec->labels[i].key);
		put(&out, spec->labels[i].value);
	}
	return take(pod, &out);
}

void pod_clear_facts(struct pod *pod)
{
	free(pod->facts);
	pod->facts = NULL;
	pod->facts_len = 0;
}

static const char *after(const char *s)
{
	return s + strlen(s) + 1;
}

/* Of facts that are there. */
static const char *nth(const char *facts, unsigned int n)
{
	while (n--)
		facts = after(facts);
	return facts;
}

static const char *fact(const struct pod *pod, unsigned int n)
{
	return pod->facts ? nth(pod->facts, n) : "";
}

const char *pod_uid(const struct pod *pod)
{
	return fact(pod, 0);
}

const char *pod_namespace(const struct pod *pod)
{
	return fact(pod, 1);
}

const char *pod_name(const struct pod *pod)
{
	return fact(pod, 2);
}

static bool add_label(struct pod_index *index, size_t n, const char *key, const char *value)
{
	if (n == index->capacity) {
		size_t more = n ? n * 2 : 16;
		struct prism_label *labels = reallocarray(index->labels, more, sizeof(*labels));

		if (!labels)
			return false;
		index->labels = labels;
		index->capacity = more;
	}
	index->labels[n] = (struct prism_label){.key = key, .value = value};
	return true;
}

bool pod_spec(struct pod_index *index, const struct pod *pod, struct workload_spec *ret)
{
	const char *end, *account, *class, *weight, *key;
	size_t n = 0;

	if (!pod->facts)
		return false;
	end = pod->facts + pod->facts_len;
	account = nth(pod->facts, 3);
	class = after(account);
	weight = after(class);
	for (key = after(weight); key < end; key = after(after(key)))
		if (!add_label(index, n++, key, after(key)))
			return false;
	text_clear(&index->origin);
	text_appendf(&index->origin, "pod %s/%s (%s%s)", pod_namespace(pod), pod_name(pod), pod->key,
		     pod->state == POD_ADOPTED ? ", as the run before had it" : "");
	*ret = (struct workload_spec){
		.namespace_name = pod_namespace(pod),
		.service_account = account,
		.labels = index->labels,
		.n_labels = n,
		.latency_class = *class ? class : NULL,
		.weight = *weight ? weight : NULL,
		.origin = index->origin.data,
	};
	return !index->origin.failed;
}

/* ---- cgroups ---- */

struct pod_cgroup *pod_cgroup_find(const struct pod *pod, const struct cgroup *cg)
{
	unsigned int i;

	for (i = 0; i < pod->n_cgroups; i++)
		if (pod->cgroups[i].cgroup == cg)
			return &pod->cgroups[i];
	return NULL;
}

struct pod_cgroup *pod_cgroup_add(struct pod *pod, struct cgroup *cg)
{
	struct pod_cgroup *c = pod_cgroup_find(pod, cg);

	if (c)
		return c;
	c = reallocarray(pod->cgroups, pod->n_cgroups + 1, sizeof(*c));
	if (!c)
		return NULL;
	pod->cgroups = c;
	c = &pod->cgroups[pod->n_cgroups++];
	*c = (struct pod_cgroup){.cgroup = cg};
	return c;
}

void pod_cgroup_remove(struct pod *pod, const struct cgroup *cg)
{
	struct pod_cgroup *c = pod_cgroup_find(pod, cg);

	if (c)
		*c = pod->cgroups[--pod->n_cgroups];
}

void pod_unwritten_add(struct pod_index *index, struct pod *pod)
{
	if (pod->unwritten_prev)
		return;
	pod->unwritten_next = index->unwritten;
	pod->unwritten_prev = &index->unwritten;
	if (index->unwritten)
		index->unwritten->unwritten_prev = &pod->unwritten_next;
	index->unwritten = pod;
}

void pod_unwritten_remove(struct pod *pod)
{
	if (!pod->unwritten_prev)
		return;
	*pod->unwritten_prev = pod->unwritten_next;
	if (pod->unwritten_next)
		pod->unwritten_next->unwritten_prev = pod->unwritten_prev;
	pod->unwritten_prev = NULL;
}
