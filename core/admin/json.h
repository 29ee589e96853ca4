/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for the views: text from anywhere becomes valid UTF-8, memory that runs out becomes a NULL document. */
#ifndef ADMIN_JSON_H
#define ADMIN_JSON_H

#include <jansson.h>

#include "base/error.h"

#define ADMIN_SCHEMA_VERSION 1

/* Any bytes as a string (what is not UTF-8 becomes U+FFFD); NULL: null. */
json_t *json_any(const char *s);
/* "net,trace" as ["net","trace"]; "" is []. */
json_t *json_words(const char *s);
/* {code, where, text}, or null when it is not set. */
json_t *json_problem(const struct error *e);
/* A number, null when it is not finite. */
json_t *json_finite(double value);
/* Sets a member under a key of any bytes; value is taken. -ENOMEM. */
int json_put(json_t *object, const char *key, json_t *value);

#endif
