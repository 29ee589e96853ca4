// SPDX-License-Identifier: Apache-2.0
/*
 * The ABI, restated: every offset, size, value and name that a consumer or a module built long ago relies on. A line
 * here changes only with a new major version; new lines go to the end of their structure.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <prism/host.h>

struct fact {
	const char *what;
	unsigned long long is, golden;
};

/* clang-format off */
#define SIZE(type, size) {"sizeof " #type, sizeof(struct type), size}
#define MEMBER(type, member, offset, size) \
	{"offset of " #type "." #member, offsetof(struct type, member), offset}, \
	{"size of " #type "." #member, sizeof(((struct type *)0)->member), size}
#define VALUE(name, value) {#name, name, value}

static const struct fact bus[] = {
	SIZE(prism_identity, 24),
	MEMBER(prism_identity, identity, 0, 4),
	MEMBER(prism_identity, flags, 4, 4),
	MEMBER(prism_identity, label_hash, 8, 8),
	MEMBER(prism_identity, updated_ns, 16, 8),
	SIZE(prism_meta, 128),
	MEMBER(prism_meta, abi_version, 0, 4),
	MEMBER(prism_meta, value_size, 4, 4),
	MEMBER(prism_meta, feature_flags, 8, 8),
	MEMBER(prism_meta, generation, 16, 8),
	MEMBER(prism_meta, writer_pid, 24, 4),
	MEMBER(prism_meta, capacity, 28, 4),
	MEMBER(prism_meta, heartbeat_ns, 32, 8),
	MEMBER(prism_meta, stale_jiffies, 40, 8),
	MEMBER(prism_meta, root_levels, 48, 8),
	MEMBER(prism_meta, stale_after_ns, 56, 8),
	MEMBER(prism_meta, writer_epoch, 64, 8),
	MEMBER(prism_meta, reserved, 72, 56),
	VALUE(PRISM_ID_UNKNOWN, 0),
	VALUE(PRISM_ID_HOST, 1),
	VALUE(PRISM_ID_WORLD, 2),
	VALUE(PRISM_ID_UNMANAGED, 3),
	VALUE(PRISM_ID_HEALTH, 4),
	VALUE(PRISM_ID_INIT, 5),
	VALUE(PRISM_ID_REMOTE_NODE, 6),
	VALUE(PRISM_ID_KUBE_APISERVER, 7),
	VALUE(PRISM_ID_INGRESS, 8),
	VALUE(PRISM_ID_FIRST, 256),
	VALUE(PRISM_ID_LAST, 16777215),
	VALUE(PRISM_CLASS_UNSET, 0),
	VALUE(PRISM_CLASS_CRITICAL, 1),
	VALUE(PRISM_CLASS_NORMAL, 2),
	VALUE(PRISM_CLASS_BATCH, 3),
	VALUE(PRISM_BUS_ABI, 1),
	VALUE(PRISM_BUS_V1_CAPACITY, 1048576),
	VALUE(PRISM_BUS_DEFAULT_CAPACITY, 65536),
	VALUE(PRISM_FACET_NET, 0),
	VALUE(PRISM_FACET_SCHED, 1),
	VALUE(PRISM_FACET_TRACE, 2),
	VALUE(PRISM_FACET_LSM, 3),
	VALUE(PRISM_FACET_FIRST_FREE, 4),
	VALUE(PRISM_FACET_MASK, 2147221759),
	VALUE(PRISM_CLASS_SHIFT, 8),
	VALUE(PRISM_CLASS_MASK, 1792),
	VALUE(PRISM_WEIGHT_SHIFT, 11),
	VALUE(PRISM_WEIGHT_MASK, 260096),
	VALUE(PRISM_WEIGHT_MAX, 127),
	VALUE(PRISM_WEIGHT_ONE, 64),
	VALUE(PRISM_F_PROVISIONAL, 0x80000000u),
	VALUE(PRISM_FEATURE_ROOT_LEVELS, 1),
	VALUE(PRISM_FEATURE_STALE_JIFFIES, 2),
	VALUE(PRISM_FEATURE_V1_EXACT, 4),
	/* Spelt out, because the values above are taken from the same header. */
	{"facet 7", PRISM_FACET_BIT(7), 0x80},
	{"class of 0x300", PRISM_FLAGS_CLASS(0x300), PRISM_CLASS_BATCH},
	{"class of everything but class", PRISM_FLAGS_CLASS(~0x700u), 0},
	{"weight of 0x3f800", PRISM_FLAGS_WEIGHT(0x3f800), 127},
	{"weight of everything but weight", PRISM_FLAGS_WEIGHT(~0x3f800u), 0},
};

static const struct fact module[] = {
	SIZE(prism_note, 68),
	MEMBER(prism_note, abi_major, 0, 2),
	MEMBER(prism_note, abi_minor, 2, 2),
	MEMBER(prism_note, name, 4, 32),
	MEMBER(prism_note, version, 36, 32),
	SIZE(prism_note_section, 88),
	MEMBER(prism_note_section, owner_size, 0, 4),
	MEMBER(prism_note_section, desc_size, 4, 4),
	MEMBER(prism_note_section, type, 8, 4),
	MEMBER(prism_note_section, owner, 12, 8),
	MEMBER(prism_note_section, desc, 20, 68),
	SIZE(prism_option, 56),
	MEMBER(prism_option, name, 0, 8),
	MEMBER(prism_option, kind, 8, 4),
	MEMBER(prism_option, flags, 12, 4),
	MEMBER(prism_option, min, 16, 8),
	MEMBER(prism_option, max, 24, 8),
	MEMBER(prism_option, fallback, 32, 8),
	MEMBER(prism_option, choices, 40, 8),
	MEMBER(prism_option, help, 48, 8),
	SIZE(prism_metric, 56),
	MEMBER(prism_metric, name, 0, 8),
	MEMBER(prism_metric, kind, 8, 4),
	MEMBER(prism_metric, flags, 12, 4),
	MEMBER(prism_metric, unit, 16, 8),
	MEMBER(prism_metric, help, 24, 8),
	MEMBER(prism_metric, labels, 32, 8),
	MEMBER(prism_metric, buckets, 40, 8),
	MEMBER(prism_metric, n_buckets, 48, 4),
	MEMBER(prism_metric, reserved, 52, 4),
	SIZE(prism_event_type, 16),
	MEMBER(prism_event_type, name, 0, 8),
	MEMBER(prism_event_type, help, 8, 8),
	SIZE(prism_label, 16),
	MEMBER(prism_label, key, 0, 8),
	MEMBER(prism_label, value, 8, 8),
	SIZE(prism_workload, 72),
	MEMBER(prism_workload, size, 0, 4),
	MEMBER(prism_workload, identity, 4, 4),
	MEMBER(prism_workload, flags, 8, 4),
	MEMBER(prism_workload, n_cgroups, 12, 4),
	MEMBER(prism_workload, label_hash, 16, 8),
	MEMBER(prism_workload, name, 24, 8),
	MEMBER(prism_workload, namespace_name, 32, 8),
	MEMBER(prism_workload, service_account, 40, 8),
	MEMBER(prism_workload, canonical, 48, 8),
	MEMBER(prism_workload, labels, 56, 8),
	MEMBER(prism_workload, n_labels, 64, 4),
	MEMBER(prism_workload, label_size, 68, 4),
	SIZE(prism_module, 168),
	MEMBER(prism_module, size, 0, 4),
	MEMBER(prism_module, abi_major, 4, 2),
	MEMBER(prism_module, abi_minor, 6, 2),
	MEMBER(prism_module, name, 8, 8),
	MEMBER(prism_module, version, 16, 8),
	MEMBER(prism_module, summary, 24, 8),
	MEMBER(prism_module, facet, 32, 8),
	MEMBER(prism_module, options, 40, 8),
	MEMBER(prism_module, n_options, 48, 4),
	MEMBER(prism_module, option_size, 52, 4),
	MEMBER(prism_module, metrics, 56, 8),
	MEMBER(prism_module, n_metrics, 64, 4),
	MEMBER(prism_module, metric_size, 68, 4),
	MEMBER(prism_module, events, 72, 8),
	MEMBER(prism_module, n_events, 80, 4),
	MEMBER(prism_module, event_size, 84, 4),
	MEMBER(prism_module, probe, 88, 8),
	MEMBER(prism_module, open, 96, 8),
	MEMBER(prism_module, configure, 104, 8),
	MEMBER(prism_module, start, 112, 8),
	MEMBER(prism_module, identity, 120, 8),
	MEMBER(prism_module, stop, 128, 8),
	MEMBER(prism_module, close, 136, 8),
	MEMBER(prism_module, collect, 144, 8),
	MEMBER(prism_module, explain, 152, 8),
	MEMBER(prism_module, capabilities, 160, 8),
	VALUE(PRISM_NOTE_MODULE, 1),
	VALUE(PRISM_NAME_MAX, 32),
	VALUE(PRISM_VERSION_MAX, 32),
	VALUE(PRISM_OPTION_BOOL, 1),
	VALUE(PRISM_OPTION_INT, 2),
	VALUE(PRISM_OPTION_SIZE, 3),
	VALUE(PRISM_OPTION_DURATION, 4),
	VALUE(PRISM_OPTION_ENUM, 5),
	VALUE(PRISM_OPTION_STRING, 6),
	VALUE(PRISM_OPTION_LIST, 7),
	VALUE(PRISM_OPTION_NODE, 8),
	VALUE(PRISM_METRIC_COUNTER, 1),
	VALUE(PRISM_METRIC_GAUGE, 2),
	VALUE(PRISM_METRIC_HISTOGRAM, 3),
	VALUE(PRISM_IDENTITY_ADDED, 1),
	VALUE(PRISM_IDENTITY_CHANGED, 2),
	VALUE(PRISM_IDENTITY_REMOVED, 3),
	VALUE(PRISM_IDENTITY_RELEASED, 4),
	VALUE(PRISM_IDENTITY_SYNCED, 5),
	VALUE(PRISM_STOP_SHUTDOWN, 1),
	VALUE(PRISM_STOP_REPLACE, 2),
	VALUE(PRISM_STOP_REMOVE, 3),
	VALUE(PRISM_ABI_MAJOR, 1),
	VALUE(PRISM_ABI_MINOR, 2),
	VALUE(PRISM_OPTION_REQUIRED, 1),
	VALUE(PRISM_METRIC_BY_IDENTITY, 1),
	VALUE(PRISM_STOPPING, 1),
};

static const struct fact host[] = {
	SIZE(prism_field, 24),
	MEMBER(prism_field, key, 0, 8),
	MEMBER(prism_field, kind, 8, 4),
	MEMBER(prism_field, n, 12, 4),
	MEMBER(prism_field, v, 16, 8),
	SIZE(prism_event, 40),
	MEMBER(prism_event, size, 0, 4),
	MEMBER(prism_event, type, 4, 4),
	MEMBER(prism_event, identity, 8, 4),
	MEMBER(prism_event, flags, 12, 4),
	MEMBER(prism_event, ktime_ns, 16, 8),
	MEMBER(prism_event, fields, 24, 8),
	MEMBER(prism_event, n_fields, 32, 4),
	MEMBER(prism_event, field_size, 36, 4),
	SIZE(prism_host_api, 256),
	MEMBER(prism_host_api, size, 0, 4),
	MEMBER(prism_host_api, abi_major, 4, 2),
	MEMBER(prism_host_api, abi_minor, 6, 2),
	MEMBER(prism_host_api, log, 8, 8),
	MEMBER(prism_host_api, fail, 16, 8),
	MEMBER(prism_host_api, stopped, 24, 8),
	MEMBER(prism_host_api, bus_fd, 32, 8),
	MEMBER(prism_host_api, meta_fd, 40, 8),
	MEMBER(prism_host_api, cgroup_fd, 48, 8),
	MEMBER(prism_host_api, cgroup_path, 56, 8),
	MEMBER(prism_host_api, pin_dir, 64, 8),
	MEMBER(prism_host_api, facet_mask, 72, 8),
	MEMBER(prism_host_api, facet_all, 80, 8),
	MEMBER(prism_host_api, facet_set, 88, 8),
	MEMBER(prism_host_api, identities, 96, 8),
	MEMBER(prism_host_api, identity, 104, 8),
	MEMBER(prism_host_api, timer_start, 112, 8),
	MEMBER(prism_host_api, timer_stop, 120, 8),
	MEMBER(prism_host_api, watch_start, 128, 8),
	MEMBER(prism_host_api, watch_stop, 136, 8),
	MEMBER(prism_host_api, event, 144, 8),
	MEMBER(prism_host_api, sample, 152, 8),
	MEMBER(prism_host_api, histogram, 160, 8),
	MEMBER(prism_host_api, text, 168, 8),
	MEMBER(prism_host_api, option_int, 176, 8),
	MEMBER(prism_host_api, option_text, 184, 8),
	MEMBER(prism_host_api, option_node, 192, 8),
	MEMBER(prism_host_api, node_kind, 200, 8),
	MEMBER(prism_host_api, node_count, 208, 8),
	MEMBER(prism_host_api, node_at, 216, 8),
	MEMBER(prism_host_api, node_text, 224, 8),
	MEMBER(prism_host_api, node_error, 232, 8),
	MEMBER(prism_host_api, condition, 240, 8),
	MEMBER(prism_host_api, program, 248, 8),
	SIZE(prism_host, 8),
	MEMBER(prism_host, api, 0, 8),
	VALUE(PRISM_LOG_ERROR, 3),
	VALUE(PRISM_LOG_WARNING, 4),
	VALUE(PRISM_LOG_INFO, 6),
	VALUE(PRISM_LOG_DEBUG, 7),
	VALUE(PRISM_NODE_NONE, 0),
	VALUE(PRISM_NODE_SCALAR, 1),
	VALUE(PRISM_NODE_LIST, 2),
	VALUE(PRISM_NODE_MAP, 3),
	VALUE(PRISM_FIELD_UNSIGNED, 1),
	VALUE(PRISM_FIELD_SIGNED, 2),
	VALUE(PRISM_FIELD_TEXT, 3),
	VALUE(PRISM_FIELD_LIST, 4),
	VALUE(PRISM_FIELD_BOOL, 5),
	VALUE(PRISM_READABLE, 1),
	VALUE(PRISM_WRITABLE, 2),
};
/* clang-format on */

struct text {
	const char *what, *is, *golden;
};

static const struct text names[] = {
	{"PRISM_BUS_DIR", PRISM_BUS_DIR, "/sys/fs/bpf/prism"},
	{"PRISM_BUS_MAP", PRISM_BUS_MAP, "prism_identity"},
	{"PRISM_META_MAP", PRISM_META_MAP, "prism_meta"},
	{"PRISM_BUS_V1_PIN", PRISM_BUS_V1_PIN, "/sys/fs/bpf/prism_identity"},
	{"PRISM_MODULE_SYMBOL", PRISM_MODULE_SYMBOL, "prism_module"},
	{"PRISM_NOTE_SECTION", PRISM_NOTE_SECTION, ".note.prism.module"},
	{"PRISM_NOTE_OWNER", PRISM_NOTE_OWNER, "Prism"},
};

static int check(const struct fact *facts, size_t n)
{
	int wrong = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (facts[i].is == facts[i].golden)
			continue;
		fprintf(stderr, "%s is %llu, frozen as %llu\n", facts[i].what, facts[i].is, facts[i].golden);
		wrong++;
	}
	return wrong;
}

static int check_names(void)
{
	int wrong = 0;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(names[i].is, names[i].golden))
			continue;
		fprintf(stderr, "%s is \"%s\", frozen as \"%s\"\n", names[i].what, names[i].is, names[i].golden);
		wrong++;
	}
	return wrong;
}

#define CHECK(table) check(table, sizeof(table) / sizeof(table[0]))

int main(void)
{
	int wrong = CHECK(bus) + CHECK(module) + CHECK(host) + check_names();

	if (wrong)
		fprintf(stderr, "%d facts of the ABI have changed\n", wrong);
	return wrong ? 1 : 0;
}
