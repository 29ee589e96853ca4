/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Prism module: a .so that exports one symbol, `const struct prism_module prism_module`.
 *
 *     #include <prism/module.h>
 *
 *     const struct prism_module prism_module = {
 *             PRISM_MODULE_HEADER,
 *             .name = "hello", .version = "1.0", .summary = "says hello to each identity",
 *             .open = hello_open, .identity = hello_identity, .close = hello_close,
 *     };
 *     PRISM_MODULE_NOTE("hello", "1.0", PRISM_ABI_MAJOR, PRISM_ABI_MINOR);
 *
 * ABI: loaded when major is equal and the module's minor is not above the host's. Within a major, structures only grow
 * at their end; arrays travel with the size of their element. docs/module-guide.md goes from nothing to a running
 * module.
 *
 * Context of every callback: prismd's one thread, inside its event loop. A callback returns within milliseconds and
 * never blocks; one that holds the loop for `node.callback_deadline` (10 s) is named, and the module is quarantined.
 * Nobody frees what the other allocated; pointers that the host passes in live until the callback returns unless
 * stated. Callbacks return 0 or a negative errno; say why with prism_fail() of <prism/host.h>, it is what the operator
 * reads.
 */
#ifndef PRISM_MODULE_H
#define PRISM_MODULE_H

#include <stdint.h>

#include <prism/bus.h>
#include <prism/note.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PRISM_ABI_MAJOR 1
#define PRISM_ABI_MINOR 2

#define PRISM_MODULE_SYMBOL "prism_module"

struct prism_host;   /* the host, as one module sees it: <prism/host.h> */
struct prism_config; /* a module's checked configuration */
struct prism_node;   /* one node of a YAML tree, with file:line:column */
struct prism_sink;   /* where collect() puts samples */
struct prism_text;   /* where explain() puts text */

/* ---- what a module declares ------------------------------------------------------------------------------------- */

enum prism_option_kind {
	PRISM_OPTION_BOOL = 1,     /* true, false */
	PRISM_OPTION_INT = 2,      /* a whole number within min..max */
	PRISM_OPTION_SIZE = 3,     /* bytes: 64KiB, 4MiB, 1GiB, or a plain number; within min..max */
	PRISM_OPTION_DURATION = 4, /* 250us, 10ms, 5s, 2m, 1h; held in ns; min..max are ns */
	PRISM_OPTION_ENUM = 5,     /* one of choices; held as its index */
	PRISM_OPTION_STRING = 6,   /* text; min..max bound its length when max > 0 */
	PRISM_OPTION_LIST = 7,     /* a sequence of scalars, read through its node */
	PRISM_OPTION_NODE = 8,     /* any subtree, which the module checks itself in configure() */
};

#define PRISM_OPTION_REQUIRED (1u << 0)

/* One key under the module's `config:`. Unknown keys are errors; the core checks the rest before configure() runs. */
struct prism_option {
	const char *name;
	uint32_t kind;  /* enum prism_option_kind */
	uint32_t flags; /* PRISM_OPTION_* */
	int64_t min;    /* inclusive; min == max == 0: no bound */
	int64_t max;
	const char *fallback;       /* default, as one would write it in YAML; NULL: none */
	const char *const *choices; /* ENUM: NULL-terminated */
	const char *help;           /* one sentence */
};

enum prism_metric_kind {
	PRISM_METRIC_COUNTER = 1, /* its name ends in _total */
	PRISM_METRIC_GAUGE = 2,
	PRISM_METRIC_HISTOGRAM = 3,
};

/* The samples of this metric belong to identities: the host adds identity, namespace and workload to their labels. */
#define PRISM_METRIC_BY_IDENTITY (1u << 0)

/* One metric family; addressed by its index in the array. */
struct prism_metric {
	const char *name;          /* whole: prism_net_packets_total; prism_, then [a-z0-9_], see <prism/names.h> */
	uint32_t kind;             /* enum prism_metric_kind */
	uint32_t flags;            /* PRISM_METRIC_* */
	const char *unit;          /* seconds, bytes, ratio; NULL: none */
	const char *help;          /* one sentence; required */
	const char *const *labels; /* at most 8 names, [A-Za-z_][A-Za-z0-9_]*, NULL-terminated; NULL: none */
	const double *buckets;     /* HISTOGRAM: upper bounds, ascending, without +Inf */
	uint32_t n_buckets;
	uint32_t reserved;
};

/* One type of event; addressed by its index in the array. */
struct prism_event_type {
	const char *name; /* exec, exit, verdict: users see `<module>.<name>`; [a-z][a-z0-9_-]*, at most 31 bytes */
	const char *help;
};

/* ---- what a module hears ---------------------------------------------------------------------------------------- */

struct prism_label {
	const char *key;
	const char *value;
};

/* An identity and the workload it stands for. Borrowed from the host until the callback returns. */
struct prism_workload {
	uint32_t size; /* of this structure, as the host knows it */
	uint32_t identity;
	uint32_t flags;     /* as on the bus; replicas may differ in class and weight: those of the latest one */
	uint32_t n_cgroups; /* cgroups that carry this identity now */
	uint64_t label_hash;
	const char *name; /* short, for people: "shop/checkout" */
	const char *namespace_name;
	const char *service_account;
	const char *canonical;            /* canonical form */
	const struct prism_label *labels; /* those that count, sorted by key */
	uint32_t n_labels;
	uint32_t label_size; /* sizeof(struct prism_label) of the host */
};

enum prism_change {
	PRISM_IDENTITY_ADDED = 1,    /* its first cgroup is on the bus (already written) */
	PRISM_IDENTITY_CHANGED = 2,  /* class, weight or another policy flag changed (already written) */
	PRISM_IDENTITY_REMOVED = 3,  /* its last cgroup is about to leave the bus; the number is held back */
	PRISM_IDENTITY_RELEASED = 4, /* the hold-back ended: drop what is kept by number, it may get another owner */
	PRISM_IDENTITY_SYNCED = 5,   /* every identity there was at start has been replayed; workload is NULL */
};

enum prism_stop {
	PRISM_STOP_SHUTDOWN =
		1,              /* prismd stops or is upgraded: leave pinned links and maps, the next one adopts them */
	PRISM_STOP_REPLACE = 2, /* a new file of this module takes over: the same */
	PRISM_STOP_REMOVE = 3,  /* the module goes: take every effect away */
};

/* stop() may return this and call prism_stopped() later, within the module's `stop_deadline` (5 s). */
#define PRISM_STOPPING 1

/*
 * The descriptor. The first three members protect the rest and never move.
 *
 * Order of life:  probe -> open -> configure -> start -> identity(replay) -> SYNCED -> live ... -> stop -> close
 * A failed step is undone by the steps that were done, in reverse: a failed open is not followed by close; after a
 * failed configure or start comes close, and the host removes pins and facets that were left. NULL callbacks are
 * no-ops.
 */
struct prism_module {
	uint32_t size; /* sizeof(struct prism_module) when the module was built */
	uint16_t abi_major;
	uint16_t abi_minor;

	const char *name;    /* equals the note's and the YAML's; [a-z][a-z0-9_-]*, at most 31 bytes */
	const char *version; /* equals the note's */
	const char *summary; /* one line */
	const char *facet;   /* name of the facet this module claims, formed like a module's; NULL: none */

	const struct prism_option *options;
	uint32_t n_options;
	uint32_t option_size;
	const struct prism_metric *metrics;
	uint32_t n_metrics;
	uint32_t metric_size;
	const struct prism_event_type *events;
	uint32_t n_events;
	uint32_t event_size;

	/* Can this kernel run it? 0, or -EOPNOTSUPP after prism_unsupported(). Leaves nothing behind. */
	int (*probe)(struct prism_host *host);
	/* Allocate. *ret_self is handed to every later callback. */
	int (*open)(struct prism_host *host, void **ret_self);
	/* All or nothing; runs before start and again on each reload, where a failure keeps the old configuration. */
	int (*configure)(void *self, const struct prism_config *config);
	/* Load and attach. After this the leg works. Declare the facet here. */
	int (*start)(void *self);
	/* One identity changed. workload is NULL with PRISM_IDENTITY_SYNCED. */
	void (*identity)(void *self, enum prism_change change, const struct prism_workload *workload);
	/* 0: stopped. PRISM_STOPPING: prism_stopped() follows. */
	int (*stop)(void *self, enum prism_stop why);
	/* Free self. Timers and watches that are left are stopped by the host. */
	void (*close)(void *self);
	/* A scraper asks: put every sample into sink. */
	void (*collect)(void *self, struct prism_sink *sink);
	/* "What do you do with this workload, and if nothing, why not?" One or a few lines into out. */
	void (*explain)(void *self, const struct prism_workload *workload, struct prism_text *out);

	/*
	 * ABI 1.2. Which capabilities of <linux/capability.h> prismd needs so that this module can work, in any of its
	 * configurations, for `prismctl caps`: PRISM_CAPABILITY(CAP_BPF) | PRISM_CAPABILITY(CAP_NET_ADMIN). CAP_BPF,
	 * which prismd needs anyway, is there to say that it is all. 0: the module does not say.
	 */
	uint64_t capabilities;
};

#define PRISM_CAPABILITY(number) (UINT64_C(1) << (number))

#define PRISM_MODULE_HEADER                                                                                            \
	.size = sizeof(struct prism_module), .abi_major = PRISM_ABI_MAJOR, .abi_minor = PRISM_ABI_MINOR,               \
	.option_size = sizeof(struct prism_option), .metric_size = sizeof(struct prism_metric),                        \
	.event_size = sizeof(struct prism_event_type)

#ifdef __cplusplus
/*
 * C++17 has no designated initialisers. Take PRISM_MODULE_INIT in a constexpr function, assign the members, return it:
 *
 *     extern "C" constexpr struct prism_module prism_module = describe();
 */
#define PRISM_MODULE_INIT prism_module_init()
constexpr struct prism_module prism_module_init()
{
	struct prism_module module = {};

	module.size = sizeof(struct prism_module);
	module.abi_major = PRISM_ABI_MAJOR;
	module.abi_minor = PRISM_ABI_MINOR;
	module.option_size = sizeof(struct prism_option);
	module.metric_size = sizeof(struct prism_metric);
	module.event_size = sizeof(struct prism_event_type);
	return module;
}
#endif

/* The one exported symbol. */
extern const struct prism_module prism_module __attribute__((visibility("default")));

#ifdef __cplusplus
}
#endif
#endif
