/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

FIXTURE();
