/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities by name, as capabilities(7) has them, in small letters and without cap_. */
#ifndef LSM_CAPABILITY_H
#define LSM_CAPABILITY_H

#include <stddef.h>
#include <stdint.h>

/* By number, NULL-terminated. */
extern const char *const capability_names[];

/* Also for a number that a later kernel has. Returns buf. */
const char *capability_name(uint32_t number, char *buf, size_t size);

#endif
