/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target is: called with input after input, it must come back without a finding of the sanitizers. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
