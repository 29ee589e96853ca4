#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each source file says its licence in its first lines, and it is the right one: user space Apache-2.0, BPF programs
GPL-2.0-only (the kernel's verifier asks for it), headers that both include either of them."""
import re

from project import files, report, scripts, text

SPDX = re.compile(r"SPDX-License-Identifier:\s*(.+?)\s*(?:\*/|-->)?\s*$", re.M)
BOTH = {"GPL-2.0-only OR Apache-2.0", "Apache-2.0 OR GPL-2.0-only"}
LICENSE_SECTION = re.compile(r'SEC\("license"\)\s*=\s*"(GPL|GPL v2|Dual [A-Z/ ]+)"'
                             r'|#include ".*\.bpf\.c"')  # or the program around it, which has one


def wanted(name):
    # A module's .bpf.h files are parts of its BPF program.
    if name.endswith(".bpf.c") or name.startswith("modules/") and name.endswith(".bpf.h"):
        return {"GPL-2.0-only"} | BOTH
    if name.endswith(".bpf.h") or name == "sdk/include/prism/bus.h":
        return BOTH
    if name.startswith("tests/") and "/consumers/" in name:
        return {"GPL-2.0-only", "Apache-2.0"} | BOTH
    if name.endswith(".h"):
        return {"Apache-2.0"} | BOTH
    return {"Apache-2.0"} | (BOTH if "/template/" in name or "/example" in name else set())


def main():
    names = set(files(".c", ".h", ".cmake", "CMakeLists.txt", ".py")) | set(scripts())
    findings = []
    for name in sorted(names):
        content = text(name)
        if not content or "/corpus/" in name:
            continue
        found = SPDX.search("\n".join(content.splitlines()[:4]))
        if not found:
            findings.append(f"{name}:1: no SPDX-License-Identifier in the first lines")
        elif found[1] not in wanted(name):
            findings.append(f"{name}:1: licence {found[1]}, wanted {' or '.join(sorted(wanted(name)))}")
        if name.endswith(".bpf.c") and "SEC(" in content and not LICENSE_SECTION.search(content):
            findings.append(f'{name}:1: no GPL-compatible SEC("license"), which the lookups need')
    report(findings, len(names), "licences")


if __name__ == "__main__":
    main()
