/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the identity table on disk: a snapshot a second after a change, written by a worker thread, at most one at a
 * time and no more often than the writing itself allows (a large table is written less often). A failure is a condition
 * of the node, is tried again, and stops nothing.
 */
#ifndef AGENT_STATE_H
#define AGENT_STATE_H

#include "agent/agent.h"

/* Makes the state directory, proves that it can be written, loads the table. Sets a damaged one aside. */
int state_saver_new(struct agent *agent, struct state_saver **ret, struct error *e);
/* The table may have changed: cheap, call it often. */
void state_changed(struct state_saver *s);
/* Writes now, on the loop's thread, and lets go of the loop; closed() when its handles are gone. */
void state_saver_stop(struct state_saver *s, void (*closed)(void *arg), void *arg);

#endif
