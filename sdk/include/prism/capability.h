/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities by name, as capabilities(7) has them, in small letters and without cap_. */
#ifndef PRISM_CAPABILITY_H
#define PRISM_CAPABILITY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PRISM_CAPABILITIES 41u

/* By number, NULL-terminated. */
extern const char *const prism_capability_names[PRISM_CAPABILITIES + 1];

/* Also for a number that a later kernel has. Returns buf. */
const char *prism_capability_name(uint32_t number, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
