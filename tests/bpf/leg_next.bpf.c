// SPDX-License-Identifier: GPL-2.0-only
/* The next build of leg.bpf.c: counts otherwise, in a map of another shape if the test says so. */
#define STEP 1000
#define COUNTS_MAX COUNT_SLOTS
#include "leg_programs.bpf.h"
