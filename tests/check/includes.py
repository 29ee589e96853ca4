#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The law of dependencies, read off the #include lines: modules -> sdk, core -> sdk, and inside core rooms only look
down. docs/architecture.md says why."""
import re

from project import ROOT, files, report, text

# What each room of core may include besides itself.
BASE = {"base"}
LOW = BASE | {"config", "metric", "event"}
MIDDLE = LOW | {"identity", "bus", "cgroup"}
ROOMS = {
    "base": set(),
    "config": BASE,
    "metric": BASE,
    "event": BASE,
    "identity": LOW,
    "bus": LOW,
    "cgroup": LOW,
    "source": MIDDLE,
    "kube": LOW,
    "pods": MIDDLE | {"source", "kube"},
    "host": MIDDLE | {"source"},
    "agent": MIDDLE | {"source", "kube", "pods", "host"},
    "admin": MIDDLE | {"source", "kube", "pods", "host", "agent"},
    "ctl": BASE | {"config", "identity", "bus", "cgroup", "source", "host"},
}
# The two programs put rooms together.
PROGRAMS = {"core/prismd.c": set(ROOMS) - {"ctl"}, "core/prismctl.c": set(ROOMS) - {"agent", "admin"}}
PUBLIC = {p.name for p in (ROOT / "sdk/include/prism").glob("*.h")}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def judge_core(name, target):
    parts = name.split("/")
    room = target.split("/")[0]
    allowed = PROGRAMS.get(name) if len(parts) == 2 else ROOMS.get(parts[1])
    if allowed is None:
        return f"core/{parts[1]} is no room that this check knows: give it a layer here and in docs/architecture.md"
    if "/" not in target:
        return None if target.endswith(".skel.h") else f'"{target}" has no room: write "room/file.h"'
    if not (ROOT / "core" / target).exists():
        return f'"{target}" does not exist in core/'
    if len(parts) == 3 and room == parts[1]:
        return None
    return None if room in allowed else f'"{target}": {parts[1] if len(parts) == 3 else name} may not use {room}'


def judge_outside(name, target, own):
    """modules/ and sdk/: their own folder and nothing of core's."""
    if (ROOT / "core" / target).exists() and not (ROOT / name).parent.joinpath(target).exists():
        return f'"{target}" is core\'s: {own} uses <prism/...> alone'
    path = (ROOT / name).parent.joinpath(target).resolve()
    if ".." in target.split("/") and not path.is_relative_to(ROOT / own):
        return f'"{target}" leaves {own}'
    return None


def judge(name, kind, target):
    top = name.split("/")[0]
    if kind == "<" and target.startswith("prism/"):
        return None if target[len("prism/"):] in PUBLIC else f"<{target}> is no public header"
    if kind == '"' and target.startswith("prism/"):
        return f'"{target}": public headers are included as <{target}>'
    if kind == "<":
        return f"<{target}>: a header of core's is not the system's" if (ROOT / "core" / target).exists() else None
    if top == "core":
        return judge_core(name, target)
    if top == "modules":
        return judge_outside(name, target, "modules")
    if top == "sdk":
        return judge_outside(name, target, "sdk")
    return None


def main():
    findings, n = [], 0
    for name in files(".c", ".h"):
        if not name.startswith(("core/", "modules/", "sdk/")):
            continue
        n += 1
        for number, line in enumerate(text(name).splitlines(), 1):
            match = INCLUDE.match(line)
            fault = judge(name, match[1], match[2]) if match else None
            if fault:
                findings.append(f"{name}:{number}: {fault}")
    report(findings, n, "law of dependencies")


if __name__ == "__main__":
    main()
