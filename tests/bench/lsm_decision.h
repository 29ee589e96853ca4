/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef LSM_DECISION_H
#define LSM_DECISION_H

#define DECISIONS_A_RUN 20000

#endif
