/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the lsm leg's programs and its user side share: keys and values of the pinned maps, records in the ring. */
#ifndef LSM_H
#define LSM_H

#include <linux/types.h>

enum lsm_hook {
	LSM_EXEC = 0,
	LSM_OPEN = 1,
	LSM_CONNECT = 2,
	LSM_BIND = 3,
	LSM_CAPABLE = 4,
	LSM_HOOKS = 5,
};
#define LSM_HOOK_BIT(hook) (1u << (hook))
/* Beside those of the hooks: opens for reading are looked at, too; LSM_HOOK_BIT(LSM_OPEN) is with it. */
#define LSM_READ_BIT (1u << LSM_HOOKS)

enum lsm_action {
	LSM_ALLOW = 0,
	LSM_AUDIT = 1,
	LSM_BLOCK = 2,
	LSM_ACTIONS = 3,
};

enum lsm_mode {
	LSM_ENFORCE = 0,
	LSM_AUDIT_ONLY = 1, /* what would be blocked is reported and let through */
};

/* What kept the programs from a decision; on_error decided instead. Also an index into lsm_stats.errors. */
enum lsm_error {
	LSM_ERROR_NONE = 0,
	LSM_ERROR_PATH = 1, /* no path could be had: longer than 4095 bytes, or no memory for one above LSM_PATH_MAX */
	LSM_ERROR_RULES =
		2, /* the root key of a ruled hook is not in lsm_rules; a workload with the facet has no binding */
	LSM_ERROR_MARK = 3, /* nothing tells where the task's last exec took place, or there is no memory to note it */
	LSM_ERRORS = 4,
};

/* ---- lsm_config: array of one, written by user space alone --------------------------------------------------------
 */

struct lsm_config {
	__u64 interval_ns; /* between two events of one identity at its rate; 0: no limit */
	__u64 burst_ns;    /* how far ahead of its rate an identity may run */
	__u32 hooks;       /* lsm_binding.hooks of any bound rule set: raised before a binding, cleared after */
	__u32 mode;        /* enum lsm_mode */
	__u32 on_error;    /* LSM_ALLOW or LSM_BLOCK */
	__u32 epoch;       /* the highest lsm_epoch that programs were ever loaded with; user space's own note */
};

/* ---- lsm_bindings: hash, __u32 identity -> struct lsm_binding ------------------------------------------------------
 */

struct lsm_posture {
	__u64 rule; /* its number in counts and events */
	__u32 action;
	__u32 reserved;
};

/* struct lsm_binding.bits */
#define LSM_KEEP_SOURCE (1u << 0) /* a rule of this set has a `from` */

/*
 * The rule set of an identity; none: not policed. PRISM_ID_UNMANAGED is the key of whatever belongs to no workload
 * (also of PRISM_ID_UNKNOWN while nobody keeps the bus). One update flips an identity from one set to another.
 */
struct lsm_binding {
	__u32 set; /* in the keys of lsm_rules; never LSM_SOURCES, nor ~0: that one stands for a binding that is missing
		    */
	__u32 hooks; /* LSM_HOOK_BIT(): has rules, or a posture that is not allow; LSM_READ_BIT */
	__u32 ruled; /* LSM_HOOK_BIT(): has rules, so lsm_rules has the hook's root key */
	__u32 bits;
	struct lsm_posture posture[LSM_HOOKS]; /* for what no rule takes */
	__u64 owner;                           /* label_hash of the workload; user space's own */
};

/* ---- lsm_rules: LPM trie, struct lsm_key -> struct lsm_rules -------------------------------------------------------
 */

#define LSM_PATH_MAX 248u /* bytes of a rule's path with its NUL: the kernel's limit on keys of a trie */

/* A set that binds nobody: under LSM_EXEC the path of each `from`, with its NUL, has its number > 0. */
#define LSM_SOURCES 0u

/* bits of lsm_key that are always given: set and hook. A key of these alone is the hook's root key. */
#define LSM_KEY_BITS 64u

/*
 * prefixlen = LSM_KEY_BITS + the bits of `bytes` that count.
 *   exec, open      a file: its path with the NUL; a directory: its path with the slash at its end and no NUL
 *   connect, bind   the family (AF_*) as one byte, then the bits of the address's prefix in network byte order: up to
 * 32 of AF_INET, up to 128 of AF_INET6. An IPv4 address mapped into IPv6 is looked up as AF_INET. Other families: the
 * one byte. No bits: any family. capable         the number as one byte Each ruled hook of a set has its root key, if
 * need be with n = 0: that the programs find nothing at all is an error.
 */
struct lsm_key {
	__u32 prefixlen;
	__u32 set;
	__u32 hook;
	__u8 bytes[LSM_PATH_MAX];
};

/* struct lsm_choice.bits */
#define LSM_WRITE_ONLY (1u << 0) /* open: takes only what lsm_event calls LSM_OPEN_WRITE */

struct lsm_choice {
	__u64 rule;  /* its number in counts and events; user space's choice, never 0 */
	__u32 from;  /* exec: lsm_rules.source of the executable that does the exec; 0: any */
	__u16 first; /* connect, bind: ports, host byte order; 0..65535: any, also what has no port */
	__u16 last;
	__u32 action;
	__u32 bits;
};

#define LSM_CHOICES_MAX 8u

/* What the longest key of a subject says, in the order in which the choices are tried; none takes it: the posture. */
struct lsm_rules {
	__u32 n;
	__u32 source; /* of a key of LSM_SOURCES */
	struct lsm_choice choices[LSM_CHOICES_MAX];
};

/* ---- lsm_counts: per-CPU hash, struct lsm_count_key -> struct lsm_count, rows made by the programs -----------------
 */

struct lsm_count_key {
	__u64 rule;
	__u32 identity;
	__u32 reserved; /* zero */
};

/* Of a posture only if it is not allow. */
struct lsm_count {
	__u64 matched;
	__u64 blocked; /* among matched */
};

/* ---- lsm_rates: hash, __u32 identity -> __u64, the time at which its bucket would be full again (GCRA) -------------
 */

/* ---- lsm_stats: per-CPU array of one -------------------------------------------------------------------------------
 */

struct lsm_stats {
	/* Events: seen = emitted + dropped + limited. */
	__u64 seen;
	__u64 emitted;
	__u64 dropped;   /* the ring was full */
	__u64 limited;   /* its identity was above its rate */
	__u64 unrated;   /* among emitted and dropped: no room in lsm_rates, so no rate was applied */
	__u64 uncounted; /* no room in lsm_counts */
	__u64 armed;     /* by the iterator */
	__u64 errors[LSM_ERRORS];
	__u64 errors_blocked; /* among errors: on_error and the mode blocked it */
};

/* ---- lsm_ring: struct lsm_event ------------------------------------------------------------------------------------
 */

#define LSM_COMM 16

/* struct lsm_event.bits */
#define LSM_ENFORCED (1u << 0)    /* it was blocked; not set: an audit rule, or the mode is LSM_AUDIT_ONLY */
#define LSM_OPEN_WRITE (1u << 1)  /* open: for writing, truncating or creating; an entry is made, removed or renamed */
#define LSM_SUBJECT_CUT (1u << 2) /* the path was longer */
#define LSM_BY_POSTURE (1u << 3)  /* rule is a posture's */

struct lsm_address {
	__u16 family; /* AF_* */
	__u16 port;   /* host byte order; 0: none */
	__u8 bytes[16];
};

struct lsm_event {
	__u64 ktime_ns;
	__u64 rule; /* 0: error says why there is none */
	__u64 cgroup_id;
	__u32 identity;
	__u32 flags; /* of its entry on the bus */
	__u32 set;
	__u32 pid; /* of the process, in the initial pid namespace */
	__u32 tid;
	__u32 uid; /* in the initial user namespace */
	__u8 hook;
	__u8 action; /* the rule's: LSM_AUDIT or LSM_BLOCK; after an error on_error's */
	__u8 error;  /* enum lsm_error */
	__u8 bits;
	char comm[LSM_COMM];
	__u32 size; /* path: bytes with its NUL, which is not there with LSM_SUBJECT_CUT */
	union {
		char path[LSM_PATH_MAX]; /* exec, open */
		struct lsm_address address;
		__u32 capability;
	};
};

/* ---- lsm_marks: task storage ---------------------------------------------------------------------------------------
 */

/* Each program that decides. */
enum lsm_site {
	LSM_SITE_EXEC = 0,
	LSM_SITE_OPEN = 1,
	LSM_SITE_CONNECT = 2,
	LSM_SITE_SEND = 3,
	LSM_SITE_BIND = 4,
	LSM_SITE_CAPABLE = 5,
	LSM_SITE_FORK = 6,
	LSM_SITE_TRUNCATE = 7,
	LSM_SITE_UNLINK = 8,
	LSM_SITE_RMDIR = 9,
	LSM_SITE_MKDIR = 10,
	LSM_SITE_SYMLINK = 11,
	LSM_SITE_LINK = 12,
	LSM_SITE_RENAME = 13,
	LSM_SITES = 16, /* room for more without another shape of the map */
};

/*
 * Where a task's last exec took place, its own or the one of the task that it was forked from. It is armed while it is
 * in that cgroup, or belongs to that identity, or to the one that the cgroup now has on the bus. What of both changes
 * follows the task: it is moved within its workload and relabelled without being let go.
 */
struct lsm_mark {
	__u64 cgroup_id;
	__u32 identity;
	__u32 bits;
	__u32 turn[LSM_SITES]; /* lsm_epoch of the newest program that decided there for this task */
};

#endif
