/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The admin server: HTTP on a unix socket for prismctl, and /metrics, /healthz, /readyz on TCP for machines.
 * libmicrohttpd does HTTP, driven by its epoll fd from the one loop.
 *
 * Who may do what, by SO_PEERCRED of the unix socket: root (and prismd's own uid) may change things; members of
 * admin.group may read; others are refused with 403. TCP answers only GET /metrics, /healthz and /readyz.
 *
 * docs/admin-api.md describes each endpoint. All JSON carries "schema_version": 1.
 *
 *   GET  /v1/status                    health, conditions, bus, sources, modules, counts
 *   GET  /v1/identities                all live identities;   ?held=1 also those held back
 *   GET  /v1/identities/{number}       one, with its cgroups
 *   GET  /v1/explain?cgroup=PATH|pid=N|unit=NAME|pod=NS/NAME
 *   GET  /v1/modules   /v1/modules/{name}    POST /v1/modules/{name}/enable|disable|reload
 *   GET  /v1/facets    /v1/profiles    /v1/config (text/yaml, effective)
 *   GET  /v1/events?from=SEQ&type=PREFIX&identity=N&follow=1   application/x-ndjson
 *   GET  /v1/bus/check                 foreign, altered, missing entries; POST /v1/bus/check repairs
 *   POST /v1/reload
 *   GET  /metrics  /healthz  /readyz
 * Errors: {"schema_version":1,"error":{"code":"ENOENT","where":"...","text":"..."}} with 4xx or 5xx.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "agent/agent.h"

struct admin;

/* Binds both listeners. A stale socket file is replaced, a live one is -EADDRINUSE. */
int admin_start(struct agent *agent, struct admin **ret, struct error *e);
/* After a reload: listen where the settings say now. A failure keeps the old listener. */
int admin_reconfigure(struct admin *admin, struct error *e);
/* Ends streams and closes; the socket file is removed. */
void admin_stop(struct admin *admin);

#endif
