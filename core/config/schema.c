/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include "base/util.h"
#include "config/value.h"

#define MS 1000000ll
#define SEC (1000 * MS)
#define MIN (60 * SEC)
#define HOUR (60 * MIN)
#define DAY (24 * HOUR)

#define OPTIONS(table) .options = (table), .n_options = ARRAY_SIZE(table)

static const char *const exit_policies[] = {"keep", "remove", NULL};
static const char *const schedulings[] = {"realtime", "normal", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const log_formats[] = {"auto", "plain", "journal", "json", NULL};
static const char *const switches[] = {"auto", "true", "false", NULL};
static const char *const compats[] = {"lean", "v1-exact", NULL};

/* clang-format off */

static const struct prism_option node_options[] = {
	[NODE_NAME] = {.name = "name", .kind = PRISM_OPTION_STRING, .max = 253, .fallback = "",
		.help = "Name of this node; profiles are chosen by it and by the host name. Empty: the host name."},
	[NODE_STATE_DIR] = {.name = "state_dir", .kind = PRISM_OPTION_STRING, .fallback = "/var/lib/prism",
		.help = "Directory for what outlives a reboot: the identity table, facet names, the crash ledger."},
	[NODE_RUNTIME_DIR] = {.name = "runtime_dir", .kind = PRISM_OPTION_STRING, .fallback = "/run/prism",
		.help = "Directory for what lives as long as the boot: the socket and the lock."},
	[NODE_ON_EXIT] = {.name = "on_exit", .kind = PRISM_OPTION_ENUM, .choices = exit_policies, .fallback = "keep",
		.help = "What a clean stop leaves: keep the bus, the links and the counters for the next prismd, or "
			"remove everything."},
	[NODE_CALLBACK_DEADLINE] = {.name = "callback_deadline", .kind = PRISM_OPTION_DURATION, .fallback = "10s",
		.min = 100 * MS, .max = 10 * MIN,
		.help = "A module whose callback holds the event loop for so long is named and quarantined."},
	[NODE_SCHEDULING] = {.name = "scheduling", .kind = PRISM_OPTION_ENUM, .choices = schedulings,
		.fallback = "realtime",
		.help = "How prismd itself is scheduled: realtime (SCHED_FIFO 1, bounded), so that an identity is there before "
			"the workload runs on busy CPUs too, or normal, by nice alone."},
	[NODE_NICE] = {.name = "nice", .kind = PRISM_OPTION_INT, .fallback = "-10", .min = -20, .max = 19,
		.help = "Nice value of prismd itself, whenever it is not realtime."},
};

static const struct prism_option log_options[] = {
	[LOG_LEVEL] = {.name = "level", .kind = PRISM_OPTION_ENUM, .choices = log_levels, .fallback = "info",
		.help = "The least important lines that are written."},
	[LOG_FORMAT] = {.name = "format", .kind = PRISM_OPTION_ENUM, .choices = log_formats, .fallback = "auto",
		.help = "Plain lines, the journal's priority prefixes, or JSON; auto looks at what stderr is."},
};

static const struct prism_option bus_options[] = {
	[BUS_DIR] = {.name = "dir", .kind = PRISM_OPTION_STRING, .fallback = "/sys/fs/bpf/prism",
		.help = "Directory in a BPF filesystem where the maps, and below it the modules' links, are pinned."},
	[BUS_CAPACITY] = {.name = "capacity", .kind = PRISM_OPTION_INT, .fallback = "65536", .min = 1, .max = 1 << 20,
		.help = "Most cgroups that the bus can hold. With compat v1-exact it is always 1048576."},
	[BUS_COMPAT] = {.name = "compat", .kind = PRISM_OPTION_ENUM, .choices = compats, .fallback = "lean",
		.help = "Shape of the map: lean uses memory as entries come; v1-exact is for objects that pin the map "
			"by name and costs 96 MiB."},
	[BUS_HEARTBEAT] = {.name = "heartbeat", .kind = PRISM_OPTION_DURATION, .fallback = "2s",
		.min = 100 * MS, .max = HOUR, .help = "How often prismd marks the bus as alive."},
	[BUS_STALE_AFTER] = {.name = "stale_after", .kind = PRISM_OPTION_DURATION, .fallback = "10s",
		.min = 300 * MS, .max = DAY,
		.help = "Consumers call the bus stale when the last heartbeat is older; at least 3 heartbeats."},
	[BUS_RECONCILE] = {.name = "reconcile", .kind = PRISM_OPTION_DURATION, .fallback = "60s",
		.min = SEC, .max = DAY, .help = "How often the map is compared with what should be in it."},
};

static const struct prism_option sources_options[] = {
	{.name = "cgroup", .kind = PRISM_OPTION_NODE, .help = "Workloads from cgroup paths, by rules."},
	{.name = "kubernetes", .kind = PRISM_OPTION_NODE, .help = "The pods of this node, from the API server."},
};

static const struct prism_option cgroup_options[] = {
	[CGROUP_ENABLED] = {.name = "enabled", .kind = PRISM_OPTION_BOOL, .fallback = "true",
		.help = "Make workloads from cgroup paths."},
	[CGROUP_ROOT] = {.name = "root", .kind = PRISM_OPTION_STRING, .fallback = "",
		.help = "Mount point of the cgroup v2 hierarchy. Empty: found from /proc/self/mountinfo."},
	[CGROUP_RULES] = {.name = "rules", .kind = PRISM_OPTION_NODE,
		.help = "Rules from path to workload; the first match wins. The main file's list stands in place of "
			"the built-in one; lists of conf.d, profiles and the command line go in front of it."},
};

static const struct prism_option kubernetes_options[] = {
	[KUBERNETES_ENABLED] = {.name = "enabled", .kind = PRISM_OPTION_ENUM, .choices = switches, .fallback = "auto",
		.help = "Make workloads from the pods of this node. auto: when prismd runs in a pod that has a service account, "
			"or kubeconfig names a file."},
	[KUBERNETES_KUBECONFIG] = {.name = "kubeconfig", .kind = PRISM_OPTION_STRING, .fallback = "",
		.help = "File with the API server's address and prismd's credentials, read anew before each request. Empty: the "
			"service account of the pod that prismd runs in."},
	[KUBERNETES_CONTEXT] = {.name = "context", .kind = PRISM_OPTION_STRING, .fallback = "",
		.help = "Context of the kubeconfig. Empty: its current-context."},
	[KUBERNETES_NODE_NAME] = {.name = "node_name", .kind = PRISM_OPTION_STRING, .max = 253, .fallback = "",
		.help = "Name of this node's Node object. Empty: the environment variable NODE_NAME, or node.name in lower case."},
	[KUBERNETES_SYNC_TIMEOUT] = {.name = "sync_timeout", .kind = PRISM_OPTION_DURATION, .fallback = "30s",
		.max = DAY,
		.help = "How long readiness waits for the first list of pods. After that prismd is ready and degraded: what the "
			"run before has left on the bus stays."},
	[KUBERNETES_IDLE_LIMIT] = {.name = "idle_limit", .kind = PRISM_OPTION_DURATION, .fallback = "90s",
		.min = SEC, .max = DAY,
		.help = "A watch without an event or bookmark (API servers send one a minute) for so long counts as dead."},
	[KUBERNETES_RETRY_MAX] = {.name = "retry_max", .kind = PRISM_OPTION_DURATION, .fallback = "30s",
		.min = SEC, .max = HOUR,
		.help = "Longest wait before a server that answers with errors is asked again. One that does not answer is "
			"tried more than once a second."},
	[KUBERNETES_MAX_OBJECT] = {.name = "max_object", .kind = PRISM_OPTION_SIZE, .fallback = "4MiB",
		.min = 64 << 10, .max = 1 << 30,
		.help = "A pod that is larger is passed over, and said so. API servers store at most 1.5 MiB."},
};

static const struct prism_option identity_options[] = {
	[IDENTITY_LABELS] = {.name = "labels", .kind = PRISM_OPTION_NODE,
		.help = "Which labels are part of an identity."},
	[IDENTITY_HOLD_BACK] = {.name = "hold_back", .kind = PRISM_OPTION_DURATION, .fallback = "10m",
		.min = 0, .max = 7 * DAY,
		.help = "How long a number rests after its last workload before another may get it."},
};

static const struct prism_option labels_options[] = {
	[LABELS_EXCLUDE] = {.name = "exclude", .kind = PRISM_OPTION_LIST,
		.fallback = "[pod-template-hash, controller-revision-hash, pod-template-generation, controller-uid, "
			"batch.kubernetes.io/controller-uid, job-name, batch.kubernetes.io/job-name, "
			"batch.kubernetes.io/job-completion-index, statefulset.kubernetes.io/pod-name, "
			"apps.kubernetes.io/pod-index, topology.kubernetes.io/*, kubectl.kubernetes.io/*, prism.io/*]",
		.help = "Labels that do not count: exact, or a prefix that ends in *."},
	[LABELS_INCLUDE] = {.name = "include", .kind = PRISM_OPTION_LIST, .fallback = "[]",
		.help = "Labels that count although exclude names them: exact, or a prefix that ends in *."},
};

static const struct prism_option admin_options[] = {
	[ADMIN_SOCKET] = {.name = "socket", .kind = PRISM_OPTION_STRING, .fallback = "",
		.help = "Unix socket for prismctl. Empty: prismd.sock in node.runtime_dir."},
	[ADMIN_GROUP] = {.name = "group", .kind = PRISM_OPTION_STRING, .max = 32, .fallback = "",
		.help = "Unix group whose members may read through the socket. Empty: root alone."},
	[ADMIN_METRICS] = {.name = "metrics", .kind = PRISM_OPTION_STRING, .fallback = "127.0.0.1:9464",
		.help = "Address and port of /metrics, /healthz and /readyz; port 0 takes a free one; off: none."},
	[ADMIN_EVENT_BUFFER] = {.name = "event_buffer", .kind = PRISM_OPTION_INT, .fallback = "4096",
		.min = 16, .max = 1 << 20, .help = "Events kept for readers that come late."},
};

static const struct prism_option module_options[] = {
	[MODULE_NAME] = {.name = "name", .kind = PRISM_OPTION_STRING, .flags = PRISM_OPTION_REQUIRED,
		.help = "The module's name: [a-z][a-z0-9_-]*, at most 31 bytes. Lists merge by it."},
	[MODULE_FILE] = {.name = "file", .kind = PRISM_OPTION_STRING, .fallback = "",
		.help = "Its file: an absolute path, or a name to look up in module_dirs. Empty: <name>.so."},
	[MODULE_ENABLED] = {.name = "enabled", .kind = PRISM_OPTION_BOOL, .fallback = "true",
		.help = "Load it."},
	[MODULE_REQUIRED] = {.name = "required", .kind = PRISM_OPTION_BOOL, .fallback = "false",
		.help = "The node is not ready while this module does not run."},
	[MODULE_SHA256] = {.name = "sha256", .kind = PRISM_OPTION_STRING, .fallback = "",
		.help = "Load the file only if its SHA-256 is this (64 hex digits). Empty: not pinned."},
	[MODULE_MAX_CRASHES] = {.name = "max_crashes", .kind = PRISM_OPTION_INT, .fallback = "3", .max = 1000,
		.help = "Quarantine it after it was active at so many crashes of prismd; 0: never."},
	[MODULE_STOP_DEADLINE] = {.name = "stop_deadline", .kind = PRISM_OPTION_DURATION, .fallback = "5s",
		.min = 100 * MS, .max = 10 * MIN, .help = "How long its stop may take."},
	[MODULE_CONFIG] = {.name = "config", .kind = PRISM_OPTION_NODE,
		.help = "The module's own options: see its documentation, or prismctl module show."},
};

static const struct prism_option profile_options[] = {
	[PROFILE_NAME] = {.name = "name", .kind = PRISM_OPTION_STRING, .flags = PRISM_OPTION_REQUIRED,
		.help = "The profile's name: [a-z][a-z0-9_-]*, at most 31 bytes. Lists merge by it."},
	[PROFILE_HOSTS] = {.name = "hosts", .kind = PRISM_OPTION_LIST, .fallback = "[]",
		.help = "Patterns (shell style: * ? [a-z]) of the host names or node names where it is active; "
			"none: nowhere by name."},
	[PROFILE_NODE_LABELS] = {.name = "node_labels", .kind = PRISM_OPTION_LIST, .fallback = "[]",
		.help = "Labels of the node's Kubernetes Node object where it is active too: KEY, or KEY=PATTERN (shell style)."},
	[PROFILE_FILE] = {.name = "file", .kind = PRISM_OPTION_STRING, .fallback = "",
		.help = "The file to lay over, relative to the file that names it. Either this or overlay."},
	[PROFILE_OVERLAY] = {.name = "overlay", .kind = PRISM_OPTION_NODE,
		.help = "What to lay over, in the shape of this file without profiles and node.name."},
};

static const struct prism_option root_options[] = {
	{.name = "node", .kind = PRISM_OPTION_NODE, .help = "This node and the daemon as a process."},
	{.name = "log", .kind = PRISM_OPTION_NODE, .help = "What is written to stderr."},
	{.name = "bus", .kind = PRISM_OPTION_NODE, .help = "The kernel map that carries the identities."},
	{.name = "sources", .kind = PRISM_OPTION_NODE, .help = "Where workloads come from."},
	{.name = "identity", .kind = PRISM_OPTION_NODE, .help = "From labels to numbers."},
	{.name = "admin", .kind = PRISM_OPTION_NODE, .help = "How people and scrapers reach prismd."},
	{.name = "module_dirs", .kind = PRISM_OPTION_LIST, .fallback = "[\"" PRISM_MODULE_DIR "\"]",
		.help = "Directories where module files are looked up, in this order; no file elsewhere is loaded."},
	{.name = "modules", .kind = PRISM_OPTION_NODE, .fallback = "[]", .help = "The modules of this node."},
	{.name = "profiles", .kind = PRISM_OPTION_NODE, .fallback = "[]",
		.help = "Overlays for some nodes, laid over in the order of this list."},
};

/* clang-format on */

static const struct value_check node_checks[] = {{"name", value_check_node_name},
						 {"state_dir", value_check_path},
						 {"runtime_dir", value_check_path},
						 {}};
static const struct value_check bus_checks[] = {{"dir", value_check_path}, {}};
static const struct value_check cgroup_checks[] = {{"root", value_check_optional_path},
						   {"rules", value_check_rules},
						   {}};
static const struct value_check kubernetes_checks[] = {{"kubeconfig", value_check_optional_path},
						       {"node_name", value_check_node_name},
						       {}};
static const struct value_check admin_checks[] = {{"socket", value_check_socket}, {"metrics", value_check_metrics}, {}};
static const struct value_check module_checks[] = {{"name", value_check_name},
						   {"file", value_check_module_file},
						   {"sha256", value_check_sha256},
						   {"config", value_check_map},
						   {}};
static const struct value_check profile_checks[] = {{"name", value_check_name},
						    {"hosts", value_check_hosts},
						    {"node_labels", value_check_hosts},
						    {}};
static const struct value_check labels_checks[] = {{"exclude", value_check_label_patterns},
						   {"include", value_check_label_patterns},
						   {}};
static const struct value_check root_checks[] = {{"module_dirs", value_check_paths}, {}};

static const struct subsection sources_subs[] = {{"cgroup", SECTION_MAP, &schema_cgroup},
						 {"kubernetes", SECTION_MAP, &schema_kubernetes},
						 {}};
static const struct subsection identity_subs[] = {{"labels", SECTION_MAP, &schema_labels}, {}};
static const struct subsection profile_subs[] = {{"overlay", SECTION_OVERLAY, &schema_root}, {}};
static const struct subsection root_subs[] = {
	{"node", SECTION_MAP, &schema_node},
	{"log", SECTION_MAP, &schema_log},
	{"bus", SECTION_MAP, &schema_bus},
	{"sources", SECTION_MAP, &schema_sources},
	{"identity", SECTION_MAP, &schema_identity},
	{"admin", SECTION_MAP, &schema_admin},
	{"modules", SECTION_LIST, &schema_module},
	{"profiles", SECTION_LIST, &schema_profile},
	{},
};

const struct section schema_root = {"", "The whole file.", OPTIONS(root_options), .checks = root_checks,
				    .subsections = root_subs};
const struct section schema_node = {"node", "This node and the daemon as a process.", OPTIONS(node_options),
				    .checks = node_checks};
const struct section schema_log = {"log", "What prismd writes to stderr.", OPTIONS(log_options)};
const struct section schema_bus = {"bus", "The kernel map that carries the identities.", OPTIONS(bus_options),
				   .checks = bus_checks};
const struct section schema_sources = {"sources", "Where workloads come from.", OPTIONS(sources_options),
				       .subsections = sources_subs};
const struct section schema_cgroup = {"sources.cgroup", "Workloads from cgroup paths.", OPTIONS(cgroup_options),
				      .checks = cgroup_checks};
const struct section schema_kubernetes = {"sources.kubernetes", "The pods of this node, from the API server.",
					  OPTIONS(kubernetes_options), .checks = kubernetes_checks};
const struct section schema_identity = {"identity", "From labels to numbers.", OPTIONS(identity_options),
					.subsections = identity_subs};
const struct section schema_labels = {"identity.labels",
				      "Which labels are part of an identity; include wins over exclude.",
				      OPTIONS(labels_options), .checks = labels_checks};
const struct section schema_admin = {"admin", "How people and scrapers reach prismd.", OPTIONS(admin_options),
				     .checks = admin_checks};
const struct section schema_module = {"modules[]", "One module of this node.", OPTIONS(module_options),
				      .checks = module_checks};
const struct section schema_profile = {"profiles[]", "One overlay and the nodes that get it.", OPTIONS(profile_options),
				       .checks = profile_checks, .subsections = profile_subs};
