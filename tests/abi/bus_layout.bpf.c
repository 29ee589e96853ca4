// SPDX-License-Identifier: GPL-2.0-only
/* The same facts as BPF sees them. Compiled, not run: a wrong one does not compile. */
#include <prism/bus.bpf.h>

_Static_assert(sizeof(struct prism_identity) == 24, "prism_identity");
_Static_assert(__builtin_offsetof(struct prism_identity, flags) == 4, "flags");
_Static_assert(__builtin_offsetof(struct prism_identity, label_hash) == 8, "label_hash");
_Static_assert(__builtin_offsetof(struct prism_identity, updated_ns) == 16, "updated_ns");
_Static_assert(sizeof(struct prism_meta) == 128, "prism_meta");
_Static_assert(__builtin_offsetof(struct prism_meta, generation) == 16, "generation");
_Static_assert(__builtin_offsetof(struct prism_meta, stale_jiffies) == 40, "stale_jiffies");
_Static_assert(__builtin_offsetof(struct prism_meta, root_levels) == 48, "root_levels");
_Static_assert(PRISM_UNKNOWN == 0 && PRISM_KNOWN == 1 && PRISM_STALE == 2, "states");
_Static_assert(BPF_F_RDONLY_PROG == 0x80, "RDONLY_PROG");
