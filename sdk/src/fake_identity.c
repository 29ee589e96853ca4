// SPDX-License-Identifier: Apache-2.0
#include "fake.h"

static void free_labels(struct fake_workload *w)
{
	uint32_t i;

	for (i = 0; w->labels && i < w->view.n_labels; i++) {
		free((char *)w->labels[i].key);
		free((char *)w->labels[i].value);
	}
	free(w->labels);
	w->labels = NULL;
}

static void free_texts(struct fake_workload *w)
{
	size_t i;

	for (i = 0; i < sizeof(w->strings) / sizeof(w->strings[0]); i++)
		free(w->strings[i]);
	free_labels(w);
}

static void workload_free(struct fake_workload *w)
{
	struct fake_cgroup *c;

	while ((c = w->cgroups)) {
		w->cgroups = c->next;
		free(c);
	}
	free_texts(w);
	free(w);
}

static char *copy(const char *text)
{
	return strdup(text ? text : "");
}

static int copy_labels(struct fake_workload *w, const struct prism_workload *from)
{
	struct prism_label label;
	uint32_t i;

	w->labels = calloc(from->n_labels + 1, sizeof(*w->labels));
	if (!w->labels)
		return -ENOMEM;
	for (i = 0; i < from->n_labels; i++) {
		fake_element(&label, sizeof(label), from->labels, from->label_size ? from->label_size : sizeof(label),
			     i);
		w->labels[i].key = copy(label.key);
		w->labels[i].value = copy(label.value);
		w->view.n_labels = i + 1;
		if (!w->labels[i].key || !w->labels[i].value)
			return -ENOMEM;
	}
	w->view.labels = w->labels;
	w->view.label_size = sizeof(*w->labels);
	return 0;
}

/* A copy of from's texts; w is zeroed memory. */
static int copy_view(struct fake_workload *w, const struct prism_workload *from)
{
	const char *texts[] = {from->name, from->namespace_name, from->service_account, from->canonical};
	size_t i;

	w->view = (struct prism_workload){
		.size = sizeof(w->view),
		.identity = from->identity,
		.flags = from->flags & ~PRISM_FACET_MASK,
		.label_hash = from->label_hash,
	};
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		w->strings[i] = copy(texts[i]);
		if (!w->strings[i])
			return -ENOMEM;
	}
	w->view.name = w->strings[0];
	w->view.namespace_name = w->strings[1];
	w->view.service_account = w->strings[2];
	w->view.canonical = w->strings[3];
	return copy_labels(w, from);
}

static struct fake_workload *find(struct prism_fake_host *fake, uint32_t identity)
{
	struct fake_workload *w;

	HASH_FIND(hh, fake->workloads, &identity, sizeof(identity), w);
	return w;
}

static bool has_facet(const struct prism_fake_host *fake, const struct fake_workload *w)
{
	return fake->module->facet && (w->facet < 0 ? fake->facet_all : w->facet);
}

/* Every entry of w as it must be now. */
static int publish(struct prism_fake_host *fake, struct fake_workload *w)
{
	struct fake_cgroup *c;
	int r, first = 0;

	w->view.flags &= ~PRISM_FACET_MASK;
	if (has_facet(fake, w))
		w->view.flags |= fake_facet_mask(&fake->host);
	for (c = w->cgroups; c; c = c->next) {
		r = fake_bus_write(fake, c->id, &w->view, w->view.flags);
		first = first ?: r;
	}
	r = fake_bus_next_generation(fake);
	return first ?: r;
}

uint32_t fake_facet_mask(struct prism_host *host)
{
	static const char *const builtin[] = {"net", "sched", "trace", "lsm"};
	const char *facet = fake_of(host)->module->facet;
	size_t i;

	if (!facet)
		return 0;
	for (i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++)
		if (!strcmp(facet, builtin[i]))
			return PRISM_FACET_BIT(i);
	return PRISM_FACET_BIT(PRISM_FACET_FIRST_FREE);
}

int fake_facet_all(struct prism_host *host, bool on)
{
	struct prism_fake_host *fake = fake_of(host);
	struct fake_workload *w, *next;
	int r, first = 0;

	if (!fake->module->facet)
		return -EINVAL;
	fake->facet_all = on;
	HASH_ITER (hh, fake->workloads, w, next) {
		r = publish(fake, w);
		first = first ?: r;
	}
	return first;
}

int fake_facet_set(struct prism_host *host, uint32_t identity, bool on)
{
	struct prism_fake_host *fake = fake_of(host);
	struct fake_workload *w = find(fake, identity);

	if (!fake->module->facet)
		return -EINVAL;
	if (!w)
		return -ENOENT;
	w->facet = on;
	return publish(fake, w);
}

void fake_identity_clear_facets(struct prism_fake_host *fake)
{
	struct fake_workload *w, *next;

	fake->facet_all = false;
	HASH_ITER (hh, fake->workloads, w, next) {
		w->facet = -1;
		publish(fake, w);
	}
}

int fake_identities(struct prism_host *host, prism_workload_fn fn, void *arg)
{
	struct fake_workload *w, *next;

	HASH_ITER (hh, fake_of(host)->workloads, w, next)
		if (!w->removed)
			fn(arg, &w->view);
	return 0;
}

int fake_identity(struct prism_host *host, uint32_t identity, prism_workload_fn fn, void *arg)
{
	struct fake_workload *w = find(fake_of(host), identity);

	if (!w)
		return -ENOENT;
	fn(arg, &w->view);
	return 0;
}

static void tell(struct prism_fake_host *fake, enum prism_change change, const struct prism_workload *workload)
{
	if (fake->state == FAKE_RUNNING && fake->module->identity)
		fake->module->identity(fake->self, change, workload);
}

void fake_identity_replay(struct prism_fake_host *fake)
{
	struct fake_workload *w, *next;

	HASH_ITER (hh, fake->workloads, w, next)
		if (!w->removed)
			tell(fake, PRISM_IDENTITY_ADDED, &w->view);
	tell(fake, PRISM_IDENTITY_SYNCED, NULL);
}

uint64_t fake_identity_levels(const struct prism_fake_host *fake)
{
	const struct fake_workload *w;
	const struct fake_cgroup *c;
	uint64_t levels = 0;

	for (w = fake->workloads; w; w = w->hh.next)
		for (c = w->cgroups; c; c = c->next)
			levels |= c->levels;
	return levels;
}

static int add_cgroup(struct prism_fake_host *fake, struct fake_workload *w, uint64_t id)
{
	struct fake_cgroup *c;

	for (c = w->cgroups; c; c = c->next)
		if (c->id == id)
			return 0;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->id = id;
	c->levels = fake_bus_levels(fake, id);
	c->next = w->cgroups;
	w->cgroups = c;
	w->view.n_cgroups++;
	return 0;
}

/* The cgroup changes hands: its entry is overwritten, not removed. */
static void lose_cgroup(struct prism_fake_host *fake, struct fake_workload *w, uint64_t id)
{
	struct fake_cgroup **at = &w->cgroups, *c;

	while ((c = *at) && c->id != id)
		at = &c->next;
	if (!c)
		return;
	if (w->view.n_cgroups == 1)
		tell(fake, PRISM_IDENTITY_REMOVED, &w->view);
	w->removed = w->view.n_cgroups == 1;
	w->view.n_cgroups--;
	*at = c->next;
	free(c);
}

static void take_over(struct prism_fake_host *fake, uint32_t identity, uint64_t cgroup_id)
{
	struct fake_workload *w, *next;

	HASH_ITER (hh, fake->workloads, w, next)
		if (w->view.identity != identity)
			lose_cgroup(fake, w, cgroup_id);
}

/* The record of this identity with the texts and flags of from; cgroups and facet are kept. */
static int upsert(struct prism_fake_host *fake, const struct prism_workload *from, struct fake_workload **ret)
{
	struct fake_workload *fresh = calloc(1, sizeof(*fresh));
	struct fake_workload *old = find(fake, from->identity);
	int r;

	if (!fresh)
		return -ENOMEM;
	r = copy_view(fresh, from);
	if (r < 0) {
		workload_free(fresh);
		return r;
	}
	fresh->facet = -1;
	if (old) {
		fresh->facet = old->facet;
		fresh->cgroups = old->cgroups;
		fresh->view.n_cgroups = old->view.n_cgroups;
		old->cgroups = NULL;
		HASH_DEL(fake->workloads, old);
		workload_free(old);
	}
	HASH_ADD(hh, fake->workloads, view.identity, sizeof(fresh->view.identity), fresh);
	*ret = fresh;
	return 0;
}

static int put(struct prism_fake_host *fake, enum prism_change change, const struct prism_workload *workload,
	       uint64_t cgroup_id)
{
	struct fake_workload *w;
	int r;

	if (change == PRISM_IDENTITY_CHANGED && !find(fake, workload->identity))
		return -ENOENT;
	if (cgroup_id)
		take_over(fake, workload->identity, cgroup_id);
	r = upsert(fake, workload, &w);
	if (!r && cgroup_id)
		r = add_cgroup(fake, w, cgroup_id);
	if (!r)
		r = publish(fake, w);
	if (r < 0)
		return r;
	tell(fake, change, &w->view);
	return 0;
}

/* The module hears first, then the entries go. */
static int take(struct prism_fake_host *fake, uint32_t identity)
{
	struct fake_workload *w = find(fake, identity);
	struct fake_cgroup *c;
	int r, first = 0;

	if (!w || w->removed)
		return -ENOENT;
	tell(fake, PRISM_IDENTITY_REMOVED, &w->view);
	w->removed = true;
	while ((c = w->cgroups)) {
		r = fake_bus_delete(fake, c->id);
		first = first ?: r;
		w->cgroups = c->next;
		free(c);
	}
	w->view.n_cgroups = 0;
	r = fake_bus_next_generation(fake);
	return first ?: r;
}

static int release(struct prism_fake_host *fake, uint32_t identity)
{
	struct fake_workload *w = find(fake, identity);

	if (!w || !w->removed)
		return -ENOENT;
	tell(fake, PRISM_IDENTITY_RELEASED, &w->view);
	HASH_DEL(fake->workloads, w);
	workload_free(w);
	return 0;
}

int prism_fake_host_identity(struct prism_fake_host *fake, enum prism_change change,
			     const struct prism_workload *workload, uint64_t cgroup_id)
{
	if (change != PRISM_IDENTITY_SYNCED && !workload)
		return -EINVAL;
	switch (change) {
	case PRISM_IDENTITY_ADDED:
	case PRISM_IDENTITY_CHANGED:
		return put(fake, change, workload, cgroup_id);
	case PRISM_IDENTITY_REMOVED:
		return take(fake, workload->identity);
	case PRISM_IDENTITY_RELEASED:
		return release(fake, workload->identity);
	case PRISM_IDENTITY_SYNCED:
		tell(fake, change, NULL);
		return 0;
	}
	return -EINVAL;
}

bool prism_fake_host_facet(const struct prism_fake_host *fake, uint32_t identity)
{
	struct fake_workload *w;

	HASH_FIND(hh, fake->workloads, &identity, sizeof(identity), w);
	return w && has_facet(fake, w);
}

void fake_identity_done(struct prism_fake_host *fake)
{
	struct fake_workload *w, *next;

	HASH_ITER (hh, fake->workloads, w, next) {
		HASH_DEL(fake->workloads, w);
		workload_free(w);
	}
}
