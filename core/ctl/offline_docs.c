/* SPDX-License-Identifier: Apache-2.0 */
/* The admin API's documents, made from maps and files. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cgroup/mount.h"
#include "ctl/offline.h"

/* ---- pins ------------------------------------------------------------------------------------------------------- */

static json_t *names_in(const char *path)
{
	json_t *names = json_array();
	DIR *dir = opendir(path);
	const struct dirent *d;

	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] != '.')
			json_array_append_new(names, json_string_any(d->d_name));
	}
	if (dir)
		closedir(dir);
	return names;
}

json_t *offline_pins(const char *bus_dir)
{
	json_t *pins = json_object(), *modules, *name, *links;
	char path[1024];
	size_t i;

	snprintf(path, sizeof(path), "%s/modules", bus_dir);
	modules = names_in(path);
	json_array_foreach(modules, i, name)
	{
		snprintf(path, sizeof(path), "%s/modules/%s", bus_dir, json_string_value(name));
		links = names_in(path);
		if (json_array_size(links))
			json_object_set(pins, json_string_value(name), links);
		json_decref(links);
	}
	json_decref(modules);
	return pins;
}

/* ---- identities ------------------------------------------------------------------------------------------------- */

static json_t *labels_of(const struct identity *id)
{
	json_t *labels = json_object();

	for (uint32_t i = 0; id && i < id->n_labels; i++) {
		json_t *key = json_string_any(id->labels[i].key);

		json_object_set_new(labels, json_string_value(key), json_string_any(id->labels[i].value));
		json_decref(key);
	}
	return labels;
}

static json_t *identity_json(struct ctl *ctl, const struct offline *o, uint32_t number,
			     const struct prism_identity *entry, unsigned int cgroups)
{
	const struct identity *id = identity_by_number(o->identities, number);
	uint32_t flags = entry ? entry->flags : 0;
	char hash[20];

	snprintf(hash, sizeof(hash), "%016" PRIx64, (uint64_t)(entry ? entry->label_hash : id ? id->hash : 0));
	return json_pack("{s:I, s:o, s:o, s:o, s:o, s:s, s:I, s:o, s:I, s:I, s:I, s:o, s:s, s:b}", "number",
			 (json_int_t)number, "name", json_string_any(id ? id->name : ""), "namespace",
			 json_string_any(id ? id->namespace_name : ""), "service_account",
			 json_string_any(id ? id->service_account : ""), "labels", labels_of(id), "class",
			 latency_class_name(flags), "weight", (json_int_t)PRISM_FLAGS_WEIGHT(flags), "facets",
			 facet_names(ctl, flags), "cgroups", (json_int_t)cgroups, "flags", (json_int_t)flags,
			 "candidate", (json_int_t)(id ? id->candidate : 0), "canonical",
			 json_string_any(id ? id->canonical : ""), "label_hash", hash, "held", cgroups == 0);
}

static int by_identity(const void *a, const void *b)
{
	const struct prism_identity *x = *(const struct prism_identity *const *)a;
	const struct prism_identity *y = *(const struct prism_identity *const *)b;

	return x->identity < y->identity ? -1 : x->identity > y->identity;
}

json_t *offline_identities(struct ctl *ctl, const struct offline *o)
{
	json_t *doc = json_document(), *list = json_array();
	_cleanup_free_ const struct prism_identity **sorted = calloc(o->n_entries + 1, sizeof(*sorted));
	unsigned int cgroups = 0;

	if (!sorted) {
		json_decref(list);
		json_decref(doc);
		return NULL;
	}
	for (size_t i = 0; i < o->n_entries; i++)
		sorted[i] = &o->entries[i].entry;
	qsort(sorted, o->n_entries, sizeof(*sorted), by_identity);
	for (size_t i = 0; i < o->n_entries; i++) {
		cgroups++;
		if (i + 1 < o->n_entries && sorted[i + 1]->identity == sorted[i]->identity)
			continue;
		json_array_append_new(list, identity_json(ctl, o, sorted[i]->identity, sorted[i], cgroups));
		cgroups = 0;
	}
	json_object_set_new(doc, "offline", json_true());
	json_object_set_new(doc, "identities", list);
	return doc;
}

static json_t *cgroup_json(const struct offline *o, uint64_t id)
{
	char path[4096];

	if (o->cgroup_fd < 0 || cgroup_path_of_id(o->cgroup_fd, o->cgroup_root, id, path, sizeof(path)) < 0)
		return json_pack("{s:I, s:n}", "id", (json_int_t)id, "path");
	return json_pack("{s:I, s:o}", "id", (json_int_t)id, "path", json_string_any(path));
}

json_t *offline_identity(struct ctl *ctl, const struct offline *o, uint32_t number, struct error *e)
{
	const struct prism_identity *entry = NULL;
	json_t *doc, *paths = json_array();
	unsigned int n = 0;

	for (size_t i = 0; i < o->n_entries; i++) {
		if (o->entries[i].entry.identity != number)
			continue;
		entry = &o->entries[i].entry;
		n++;
		json_array_append_new(paths, cgroup_json(o, o->entries[i].cgroup_id));
	}
	if (!entry && !identity_by_number(o->identities, number)) {
		json_decref(paths);
		error_set(e, ENOENT, NULL, "identity %u is neither on the bus nor in the identity table", number);
		return NULL;
	}
	doc = identity_json(ctl, o, number, entry, n);
	json_object_set_new(doc, "schema_version", json_integer(CTL_SCHEMA_VERSION));
	json_object_set_new(doc, "offline", json_true());
	json_object_set_new(doc, "cgroup_list", paths);
	return doc;
}

/* ---- status ----------------------------------------------------------------------------------------------------- */

static json_t *bus_json(const struct offline *o)
{
	bool stale;
	double age = offline_heartbeat_age(&o->meta, &stale);

	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:f, s:b, s:I}", "dir", o->bus_dir, "entries",
			 (json_int_t)o->n_entries, "capacity", (json_int_t)o->meta.capacity, "generation",
			 (json_int_t)o->meta.generation, "writer_pid", (json_int_t)o->meta.writer_pid, "lean",
			 !(o->meta.feature_flags & PRISM_FEATURE_V1_EXACT), "heartbeat_age", age, "stale", stale,
			 "epoch", (json_int_t)o->meta.writer_epoch);
}

json_t *offline_status(struct ctl *ctl, const struct offline *o)
{
	json_t *doc = json_document(), *identities = offline_identities(ctl, o);
	json_t *pins = offline_pins(o->bus_dir), *modules = json_array(), *links;
	const char *name;

	json_object_foreach(pins, name, links)
	{
		json_array_append_new(modules,
				      json_pack("{s:s, s:s, s:O}", "name", name, "state", "pinned", "pins", links));
	}
	json_decref(pins);
	json_object_set_new(doc, "offline", json_true());
	json_object_set_new(doc, "health", json_string("down"));
	json_object_set_new(doc, "bus", bus_json(o));
	json_object_set_new(doc, "identities",
			    json_pack("{s:I}", "live",
				      (json_int_t)json_array_size(json_object_get(identities, "identities"))));
	json_object_set_new(doc, "cgroup", json_pack("{s:s}", "root", o->cgroup_root));
	json_object_set_new(doc, "modules", modules);
	json_decref(identities);
	return doc;
}
