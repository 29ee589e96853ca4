// SPDX-License-Identifier: GPL-2.0-only
#define STEP 1
#define COUNTS_MAX COUNT_SLOTS
#include "leg_programs.bpf.h"
