/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipeline without the daemon around it: a real bus in a bpffs directory of its own, rules, identities, a host
 * without modules, and a cgroup tree whose ids are made up. For tests and benches of the path itself.
 */
#ifndef PIPELINE_WORLD_H
#define PIPELINE_WORLD_H

#include "agent/agent.h"

/* rules: the YAML list of sources.cgroup.rules. Ends the process with a message when it cannot be made. */
void pipeline_world_init(struct agent *agent, const char *rules, uint32_t capacity);
void pipeline_world_done(struct agent *agent);

#endif
