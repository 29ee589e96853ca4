/* SPDX-License-Identifier: Apache-2.0 */
/* Can this kernel run the leg? */
#ifndef LSM_PROBE_H
#define LSM_PROBE_H

#include <prism/host.h>

/* The module's probe(). */
int lsm_probe(struct prism_host *host);

#endif
