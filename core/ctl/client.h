/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP over prismd's unix socket (core/admin/admin.h lists the endpoints). Errors: -ENOTCONN when nobody listens there,
 * -EACCES when this user may not, -ENOENT for 404, -EINVAL for other refusals, -EPROTO for an answer that is not what
 * it should be; text and place are the server's own where it gave them.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "ctl/ctl.h"

int client_get(struct ctl *ctl, const char *path, json_t **ret, struct error *e);
int client_post(struct ctl *ctl, const char *path, json_t **ret, struct error *e);
/* A text answer, NUL-terminated, to free(). */
int client_get_text(struct ctl *ctl, const char *path, char **ret, struct error *e);

/*
 * Follows a line stream until the server ends it (0), the connection breaks (-ENOTCONN), line() returns non-zero (that)
 * or stop_fd, a signalfd or timer, becomes readable (-EINTR).
 */
int client_follow(struct ctl *ctl, const char *path, int stop_fd, int (*line)(void *arg, const char *text, size_t len),
		  void *arg, struct error *e);

/* Appends value, percent-encoded for use inside a path segment or query value. */
void client_escape(struct text *path, const char *value);

#endif
