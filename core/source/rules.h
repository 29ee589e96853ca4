/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup rule source: YAML rules that turn paths below the cgroup root into workloads.
 *
 *     rules:
 *       - match: system.slice/{unit}.service     # {name} captures within one component, * matches, ** any depth
 *         namespace: system
 *         service_account: "{unit}"
 *         labels: {app: "{unit}"}
 *         class: normal
 *         weight: 64
 *
 * The first rule that matches a path wins for that path; a rule that matches a deeper cgroup wins below it. What is
 * below a match inherits from it, so a ** at the end of a pattern says nothing more.
 */
#ifndef SOURCE_RULES_H
#define SOURCE_RULES_H

#include "source/source.h"

struct rules; /* a compiled list */

/* Compiles; everything wrong is added to p with its place. list NULL: no rules. Borrows the settings' tree. */
int rules_compile(const struct prism_node *list, struct rules **ret, struct problems *p);
void rules_free(struct rules *rules);
size_t rules_count(const struct rules *rules);

int rules_source_new(const struct source_env *env, struct source **ret);

#endif
