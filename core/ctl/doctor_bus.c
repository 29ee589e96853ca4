/* SPDX-License-Identifier: Apache-2.0 */
/* The bus as it is pinned: alive, the only one of its name, and with nothing on it that prismd did not write. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "cgroup/mount.h"
#include "ctl/client.h"
#include "ctl/doctor.h"

static void check_heartbeat(struct doctor *d)
{
	const struct prism_meta *meta = &d->pinned->meta;
	bool stale;
	double age = offline_heartbeat_age(meta, &stale);

	if (meta->abi_version != PRISM_BUS_ABI || meta->value_size != sizeof(struct prism_identity)) {
		doctor_report(d, "bus layout", VERDICT_FAIL, "stop prismd, 'prismctl cleanup', start prismd",
			      "ABI %u with values of %u bytes, this prismctl knows ABI %d with %zu", meta->abi_version,
			      meta->value_size, PRISM_BUS_ABI, sizeof(struct prism_identity));
		return;
	}
	if (!stale)
		doctor_report(d, "bus heartbeat", VERDICT_OK, NULL, "%.1f s ago, by pid %u", age, meta->writer_pid);
	else if (!meta->writer_pid)
		doctor_report(d, "bus heartbeat", VERDICT_WARN, "start prismd, or 'prismctl cleanup'",
			      "stale for %.0f s: prismd stopped cleanly and left the bus to the next one", age);
	else
		doctor_report(d, "bus heartbeat", VERDICT_FAIL, "start prismd again; it adopts the bus",
			      "stale: pid %u beat last %.0f s ago and did not stop cleanly", meta->writer_pid, age);
}

static void check_fill(struct doctor *d)
{
	size_t n = d->pinned->n_entries;
	uint32_t capacity = d->pinned->meta.capacity;

	if (capacity && n >= capacity)
		doctor_report(d, "bus entries", VERDICT_FAIL, "raise bus.capacity and restart prismd",
			      "full: %zu of %u", n, capacity);
	else if (capacity && n > capacity / 10ull * 9)
		doctor_report(d, "bus entries", VERDICT_WARN, "raise bus.capacity", "%zu of %u: nearly full", n,
			      capacity);
	else
		doctor_report(d, "bus entries", VERDICT_OK, NULL, "%zu of %u", n, capacity);
}

/* ---- entries that prismd did not write -------------------------------------------------------------------------- */

static void check_entries_online(struct doctor *d)
{
	_cleanup_json_ json_t *doc = NULL;
	struct error e = {0};
	int64_t foreign, altered, missing;

	if (client_get(d->ctl, "/v1/bus/check", &doc, &e) < 0) {
		doctor_report(d, "bus content", VERDICT_WARN, NULL, "prismd could not compare: %s", e.text);
		return;
	}
	foreign = json_number(doc, "foreign");
	altered = json_number(doc, "altered");
	missing = json_number(doc, "missing");
	if (foreign || altered || missing)
		doctor_report(d, "bus content", VERDICT_FAIL,
			      "find out who else writes the map (bpftool map, root processes that call bpf(2))",
			      "%" PRId64 " entries that prismd did not write, %" PRId64 " altered, %" PRId64 " missing",
			      foreign, altered, missing);
	else
		doctor_report(d, "bus content", VERDICT_OK, NULL, "what prismd wrote, and nothing else");
}

/* Without prismd: a number that the table does not know, or knows with another form, was not written by it. */
static bool is_strange(const struct offline *o, const struct prism_identity *entry)
{
	const struct identity *id = identity_by_number(o->identities, entry->identity);

	return !id || id->hash != entry->label_hash;
}

static void check_entries_offline(struct doctor *d)
{
	const struct offline *o = d->pinned;
	size_t strange = 0, gone = 0;
	char path[4096];

	for (size_t i = 0; i < o->n_entries; i++) {
		strange += is_strange(o, &o->entries[i].entry);
		if (o->cgroup_fd >= 0)
			gone += cgroup_path_of_id(o->cgroup_fd, o->cgroup_root, o->entries[i].cgroup_id, path,
						  sizeof(path)) == -ESTALE;
	}
	if (o->table_error.code)
		doctor_report(d, "bus content", VERDICT_WARN, NULL, "cannot be compared: %s: %s", o->table_error.where,
			      o->table_error.text);
	else if (strange)
		doctor_report(d, "bus content", VERDICT_FAIL,
			      "start prismd, which puts its own back; find out who else writes the map",
			      "%zu of %zu entries do not fit the identity table: prismd did not write them", strange,
			      o->n_entries);
	else
		doctor_report(d, "bus content", VERDICT_OK, NULL, "every entry fits the identity table%s",
			      gone ? "; some are of cgroups that are gone, the next prismd removes them" : "");
}

/* ---- a second bus ----------------------------------------------------------------------------------------------- */

static uint32_t pinned_map_id(const char *dir)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	char path[1024];
	int fd, r;

	snprintf(path, sizeof(path), "%s/%s", dir, PRISM_BUS_MAP);
	fd = bpf_obj_get(path);
	r = fd < 0 ? -1 : bpf_map_get_info_by_fd(fd, &info, &len);
	if (fd >= 0)
		close(fd);
	return r < 0 ? 0 : info.id;
}

static bool is_bus_map(uint32_t id)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_map_get_fd_by_id(id);
	int r = fd < 0 ? -1 : bpf_map_get_info_by_fd(fd, &info, &len);

	if (fd >= 0)
		close(fd);
	return r == 0 && strcmp(info.name, PRISM_BUS_MAP) == 0;
}

static void check_second_bus(struct doctor *d)
{
	uint32_t ours = pinned_map_id(ctl_bus_dir(d->ctl)), id = 0;
	struct text others = {0};

	while (bpf_map_get_next_id(id, &id) == 0) {
		if (id != ours && is_bus_map(id))
			text_appendf(&others, "%s%u", others.len ? ", " : "", id);
	}
	if (others.len)
		doctor_report(d, "second bus", VERDICT_WARN,
			      "'bpftool prog show' names the programs that use it; hand them the pinned map instead "
			      "(bpf_map__reuse_fd), or set bus.compat: v1-exact",
			      "maps named " PRISM_BUS_MAP
			      " that are not the pinned bus: id %s. Who uses one sees nothing",
			      others.data);
	else
		doctor_report(d, "second bus", VERDICT_OK, NULL, "no other map is named " PRISM_BUS_MAP);
	text_done(&others);
}

/* ---- pins ------------------------------------------------------------------------------------------------------- */

static void check_pins(struct doctor *d)
{
	const struct settings *s = ctl_settings(d->ctl);
	json_t *pins = offline_pins(ctl_bus_dir(d->ctl)), *links;
	const char *name;
	size_t fine = 0;

	json_object_foreach(pins, name, links)
	{
		const struct module_setting *m = s ? settings_module(s, name) : NULL;

		if (!s || (m && m->enabled))
			fine++;
		else
			doctor_report(d, "pins", VERDICT_WARN,
				      "configure the module again, or stop prismd and 'prismctl cleanup'",
				      "%s/modules/%s: %zu pins of a module that is %s", ctl_bus_dir(d->ctl), name,
				      json_array_size(links), m ? "disabled" : "not configured");
	}
	if (fine == json_object_size(pins))
		doctor_report(d, "pins", VERDICT_OK, NULL, "%zu modules have pins, each is configured", fine);
	json_decref(pins);
}

void doctor_bus(struct doctor *d)
{
	if (!d->pinned) {
		bool none = d->no_bus.code == ENOENT && !d->status;

		doctor_report(d, "bus", none ? VERDICT_OK : VERDICT_FAIL, NULL, "%s: %s", d->no_bus.where,
			      d->no_bus.text);
	} else {
		check_heartbeat(d);
		check_fill(d);
		if (d->status)
			check_entries_online(d);
		else
			check_entries_offline(d);
	}
	check_second_bus(d);
	check_pins(d);
}
