/* SPDX-License-Identifier: Apache-2.0 */
/* One rule of a rule set, as the configuration says it. */
#ifndef LSM_RULE_H
#define LSM_RULE_H

#include <prism/host.h>

#include "address.h"
#include "lsm.h"

#define RULE_NAME_MAX 64u /* bytes of a rule's or a set's name with its NUL */

/* As events and metrics call them, and as the configuration does; NULL-terminated. */
extern const char *const hook_names[LSM_HOOKS + 1];
extern const char *const hook_keys[LSM_HOOKS + 1];
extern const char *const action_names[LSM_ACTIONS + 1];

/* exec and open: one file, or everything below a directory. */
struct rule_path {
	char *path;      /* absolute; of a directory with a slash at its end */
	char *from;      /* exec: the executable that does the exec; NULL: any */
	bool write_only; /* open: opens for writing alone */
};

struct rule {
	enum lsm_hook hook;
	enum lsm_action action;
	char id[RULE_NAME_MAX];        /* its own, or its place, such as "exec[2]" */
	const struct prism_node *node; /* valid until configure() returns */
	union {
		struct rule_path path;
		struct address address; /* connect and bind */
		uint32_t capability;
	};
};

/*
 * node: rule i of the list of this hook. 0, or -EINVAL or -ENOMEM with the host told why; *ret_rule untouched then.
 */
int rule_read(struct prism_host *host, enum lsm_hook hook, uint32_t i, const struct prism_node *node,
	      struct rule *ret_rule);
void rule_done(struct rule *rule);

/* A name for a rule or a set: 1 to 63 letters, digits, _ and -, so never like a place or a posture. */
int rule_name_read(struct prism_host *host, const struct prism_node *node, char name[RULE_NAME_MAX]);

/* What it is about: "/usr/bin/curl", "/tmp/", "/etc/ (write)", "ipv4 10.0.0.0/8 port 443", "net_raw". Returns buf. */
const char *rule_subject(const struct rule *rule, char *buf, size_t size);

#endif
