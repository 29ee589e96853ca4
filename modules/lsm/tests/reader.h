/* SPDX-License-Identifier: Apache-2.0 */
/* Rule sets from text, read by policy_read() in the configure() of a module on the fake host. */
#ifndef LSM_TEST_READER_H
#define LSM_TEST_READER_H

#include <prism/fake_host.h>

#include "policy.h"

/* What is done with a policy that was read; its result is configure()'s. */
typedef int (*reader_fn)(struct prism_host *host, const struct policy *policy);

/* config has `rule_sets` and `unmanaged`. complaint: what the host is told; "" when nothing is wrong. fn may be NULL.
 */
void reader_expect(const char *config, reader_fn fn, const char *complaint);

#endif
