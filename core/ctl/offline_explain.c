/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `identity explain` without prismd: the chain from the maps, the rule and the labels from the configuration. What
 * modules would say is not known then.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cgroup/mount.h"
#include "ctl/offline.h"
#include "identity/canonical.h"
#include "source/rules.h"

/* ---- the chain -------------------------------------------------------------------------------------------------- */

static json_t *link_json(const struct offline *o, const char *path, const struct prism_identity **ret_entry)
{
	uint64_t id = 0;
	int r = cgroup_id_of(o->cgroup_fd, path[1] ? path + 1 : ".", &id);

	*ret_entry = r < 0 ? NULL : offline_lookup(o, id);
	return json_pack("{s:o, s:I, s:o, s:b}", "path", json_string_any(path), "id", (json_int_t)id, "identity",
			 *ret_entry ? json_integer((*ret_entry)->identity) : json_null(), "answered", false);
}

/* From the cgroup up to the root; *ret_entry: what the nearest one with an entry says, as a consumer's walk finds it.
 */
static json_t *chain_json(const struct offline *o, const char *path, const struct prism_identity **ret_entry)
{
	json_t *chain = json_array(), *link;
	const struct prism_identity *entry;
	char at[4096], *slash;

	*ret_entry = NULL;
	snprintf(at, sizeof(at), "%s", path);
	for (;;) {
		link = link_json(o, at, &entry);
		if (entry && !*ret_entry) {
			*ret_entry = entry;
			json_object_set_new(link, "answered", json_true());
		}
		json_array_append_new(chain, link);
		slash = strrchr(at, '/');
		if (!slash || !at[1])
			return chain;
		slash[slash == at] = '\0';
	}
}

/* ---- the rule and the labels ------------------------------------------------------------------------------------ */

static void add_labels(json_t *doc, const struct workload_spec *spec, const struct label_filter *filter)
{
	json_t *kept = json_object(), *dropped = json_array();

	for (size_t i = 0; i < spec->n_labels; i++) {
		const struct prism_label *l = &spec->labels[i];
		const char *pattern = NULL;
		bool counts = label_counts(filter, l->key, &pattern);
		json_t *key = json_string_any(l->key);

		if (counts)
			json_object_set_new(kept, json_string_value(key), json_string_any(l->value));
		else
			json_array_append_new(dropped, json_pack("{s:O, s:o, s:o}", "key", key, "value",
								 json_string_any(l->value), "pattern",
								 json_string_any(pattern ? pattern : "")));
		json_decref(key);
	}
	json_object_set_new(doc, "labels_kept", kept);
	json_object_set_new(doc, "labels_dropped", dropped);
}

/* Who claims this path, or the nearest one above it. */
static void add_workload(json_t *doc, struct source *source, const struct settings *s, const char *path)
{
	struct label_filter *filter = NULL;
	struct workload_spec spec;
	struct text canonical = {0};
	char at[4096], *slash;

	snprintf(at, sizeof(at), "%s", path);
	while (!source->ops->claim(source, NULL, at, &spec)) {
		slash = strrchr(at, '/');
		if (!slash || !at[1])
			return;
		slash[slash == at] = '\0';
	}
	json_object_set_new(doc, "workload", json_string_any(at));
	json_object_set_new(doc, "source", json_string(source->ops->name));
	json_object_set_new(doc, "origin", json_string_any(spec.origin));
	if (label_filter_from(s->label_exclude, s->label_include, &filter) < 0)
		return;
	add_labels(doc, &spec, filter);
	if (canonical_form(&spec, filter, &canonical) == 0 && canonical.data)
		json_object_set_new(doc, "canonical", json_string_any(canonical.data));
	text_done(&canonical);
	label_filter_free(filter);
}

static void add_rules(struct ctl *ctl, json_t *doc, const char *path)
{
	const struct source_env env = {0};
	_cleanup_problems_ struct problems p = {0};
	const struct settings *s = ctl_settings(ctl);
	struct source *source = NULL;
	struct text why = {0};

	if (!s || rules_source_new(&env, &source) < 0)
		return;
	if (source->ops->configure(source, s, &p) == 0) {
		add_workload(doc, source, s, path);
		/* As prismd does: of the cgroup that decides, or of this one when none does. */
		source->ops->explain(source, *json_text(doc, "workload") ? json_text(doc, "workload") : path, &why);
		json_object_set_new(doc, "sources",
				    json_pack("[{s:s, s:o}]", "name", source->ops->name, "text",
					      json_string_any(why.data ? why.data : "")));
		text_done(&why);
	}
	source->ops->free(source);
}

json_t *offline_explain(struct ctl *ctl, const struct offline *o, const char *path, struct error *e)
{
	const struct prism_identity *entry;
	json_t *doc = json_document(), *identity;

	json_object_set_new(doc, "offline", json_true());
	json_object_set_new(doc, "path", json_string_any(path));
	json_object_set_new(doc, "chain", chain_json(o, path, &entry));
	identity = entry ? offline_identity(ctl, o, entry->identity, e) : json_null();
	if (json_is_object(identity)) {
		json_object_del(identity, "schema_version");
		json_object_del(identity, "cgroup_list");
	}
	json_object_set_new(doc, "identity", identity);
	add_rules(ctl, doc, path);
	return doc;
}
