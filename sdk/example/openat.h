/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What openat.bpf.c counts and openat.c reads. */
#ifndef OPENAT_H
#define OPENAT_H

#define OPENAT_IDENTITIES 4096

#endif
